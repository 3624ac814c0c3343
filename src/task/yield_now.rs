//! `yield_now`: let the others run.

use std::pin::Pin;
use std::task::{Context, Poll};

/// Lets every other runnable task run once, then goes on; asyncio's `sleep(0)`.
///
/// Inside a [`task_group`](crate::task_group), a [`gather!`](crate::gather!) or the like, which are polled as one, the other
/// members that are runnable come first, and other tasks after 64 of their polls at most.
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
    YieldNow { has_yielded: false }
}

/// The future of [`yield_now`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct YieldNow {
    has_yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.has_yielded {
            return Poll::Ready(());
        }
        self.has_yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
