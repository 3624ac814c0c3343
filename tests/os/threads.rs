//! Calls on other threads, and mail from there.

#![expect(clippy::unwrap_used, reason = "these are tests, and their helpers")]

mod channel;
mod context;
mod limiter;
mod loop_bound;
mod pool;
mod remote;
mod to_thread;
mod virtual_time;

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use oneloop::thread::is_cancelled;
use oneloop::{Builder, Unhandled};

const MS: Duration = Duration::from_millis(1);

/// Holds calls up until it is dropped.
struct Gate {
    open: Option<Sender<()>>,
}

/// The other side of a gate, for one call.
struct Waiting(Receiver<()>);

fn gate() -> (Gate, Waiting) {
    let (sender, receiver) = channel();
    (Gate { open: Some(sender) }, Waiting(receiver))
}

impl Gate {
    fn open(&mut self) {
        self.open = None;
    }
}

impl Waiting {
    /// Until the gate is open.
    fn pass(self) {
        assert!(self.0.recv().is_err());
    }
}

/// Polls the call once, which begins it.
async fn poll_once<F: Future + Unpin>(call: &mut F) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *call).poll(cx))).await
}

/// A call that has begun, and ends once it is not awaited and the gate is open. Then it reports
/// that.
fn endless(waiting: Waiting) -> (impl FnOnce() + Send + 'static, Receiver<()>, Receiver<()>) {
    let ((said, told), (begun, has_begun)) = (channel(), channel());
    let call = move || {
        begun.send(()).unwrap();
        while !is_cancelled() {
            thread::yield_now();
        }
        waiting.pass();
        said.send(()).unwrap();
    };
    (call, has_begun, told)
}

type Reports = Rc<RefCell<Vec<Unhandled>>>;

/// A builder whose loop records unhandled errors and panics.
fn reporting() -> (Builder, Reports) {
    let reports = Reports::default();
    let log = Rc::clone(&reports);
    let builder =
        Builder::new().on_unhandled(move |unhandled| log.borrow_mut().push(unhandled.clone()));
    (builder, reports)
}
