//! `yield_now`: lets other tasks run.

use std::pin::Pin;
use std::task::{Context, Poll};

use crate::runtime::{self, Yield};

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

/// Wakes `cx` behind the tasks that the next look at sockets and timers wakes.
///
/// This is for a future that runs work of its own in batches, as a loop of another language does:
/// after each batch it calls this and returns `Pending`. Then sockets and timers are looked at, the
/// tasks that they wake have their turn, and so have all that were runnable before; then the future
/// is polled again. A plain wake would come before what the look finds.
///
/// Inside a `gather`, a `select!` or a group's body, and with a waker of another runtime, this is
/// a plain wake.
///
/// # Examples
///
/// ```
/// use std::future::poll_fn;
/// use std::task::Poll;
///
/// oneloop::run(async {
///     let mut batches = 3;
///     poll_fn(|cx| {
///         // Here it would run a batch.
///         batches -= 1;
///         if batches == 0 {
///             return Poll::Ready(());
///         }
///         oneloop::task::wake_after_look(cx);
///         Poll::Pending
///     })
///     .await;
/// });
/// ```
pub fn wake_after_look(cx: &Context<'_>) {
    runtime::wake_after_look(cx);
}
