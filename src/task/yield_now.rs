//! `yield_now`: let the others run.

use std::pin::Pin;
use std::task::{Context, Poll};

use crate::runtime::Yield;

/// Lets every other runnable task run once, then goes on; asyncio's `sleep(0)`.
///
/// Inside a [`task_group`](crate::task_group), a [`gather!`](crate::gather!) or the like, which are polled as one, the other
/// members that are runnable come first, and other tasks after 64 of their polls at most.
///
/// Where tasks take long between two `await`s, the loop looks at sockets, timers and other threads
/// [every 50 microseconds](crate::Builder::look_around_every), and what that wakes comes before the tasks that have yielded.
///
/// # Examples
///
/// ```
/// oneloop::run(async {
///     let task = oneloop::create_task(async {});
///     oneloop::yield_now().await;
///     assert!(task.is_finished());
/// });
/// ```
#[doc(alias = "checkpoint")]
pub fn yield_now() -> YieldNow {
    YieldNow { inner: Yield::new() }
}

/// The future of [`yield_now`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct YieldNow {
    inner: Yield,
}

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.inner.poll(cx)
    }
}
