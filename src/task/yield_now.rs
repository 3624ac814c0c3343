//! `yield_now`: lets other tasks run.

use std::pin::Pin;
use std::task::{Context, Poll};

use crate::runtime::Yield;

/// Lets every other runnable task run once, then continues. Asyncio's `sleep(0)`.
///
/// A [`task_group`](crate::task_group), a [`gather!`](crate::gather!) or the like is polled as one
/// task. Inside it, other runnable members come first, and other tasks after at most 64 of their
/// polls.
///
/// If tasks run for long between two `await`s, the loop checks sockets, timers and other threads
/// [every 50 microseconds](crate::Builder::look_around_every). Tasks woken by this run before tasks
/// that have yielded.
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
