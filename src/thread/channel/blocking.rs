//! Blocks the thread until a future is ready.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use crate::runtime::{self, Nanos};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Polls `future` until it is ready or the deadline has passed, and parks the thread in between.
pub(super) fn wait_until<F: Future>(mut future: Pin<&mut F>, deadline: Nanos) -> Option<F::Output> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Some(output);
        }
        let left = deadline.saturating_sub(runtime::real_now());
        if left == 0 {
            return None;
        }
        thread::park_timeout(Duration::from_nanos(left));
    }
}

/// A loop must not be blocked, least of all by code that waits for that same loop.
#[track_caller]
pub(super) fn check_may_block(what: &str, instead: &str) {
    assert!(
        !runtime::has_loop(),
        "`{what}` blocks the thread, on which an event loop runs: use {instead} here"
    );
}
