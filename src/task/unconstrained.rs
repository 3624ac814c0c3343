//! `unconstrained`: runs a future without a budget.

use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::runtime;

/// Lifts the budget of each poll for `future`: it may perform any number of ready operations in a
/// row without letting other tasks run.
///
/// Normally a poll of a task may perform 128 such operations: reads of buffered data, items taken
/// from a queue, locks that are free. The next operation wakes the task and stays pending until its
/// next poll. So a loop over operations that are always ready gives timers, sockets and other tasks
/// their turn. Lift the budget for work that must not be interrupted and is known to end soon.
/// Tasks that the future creates, including children of groups, have budgets of their own.
///
/// This is Tokio's `unconstrained`. Asyncio has no budget: there, awaiting something that is ready
/// never yields.
///
/// # Cancel safety
///
/// The same as that of `future`.
///
/// # Examples
///
/// ```
/// use oneloop::sync::Queue;
/// use oneloop::task::unconstrained;
///
/// oneloop::run(async {
///     let (queue, other) = (Queue::unbounded(), oneloop::create_task(async {}));
///     unconstrained(async {
///         for item in 0..1000 {
///             queue.put(item).await.unwrap();
///         }
///     })
///     .await;
///     assert!(!other.is_finished(), "all in one poll");
/// });
/// ```
#[doc(alias = "biased")]
#[doc(alias = "coop")]
pub fn unconstrained<F: IntoFuture>(future: F) -> Unconstrained<F::IntoFuture> {
    Unconstrained { future: future.into_future() }
}

pin_project! {
    /// The future of [`unconstrained`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless awaited"]
    pub struct Unconstrained<F> {
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Unconstrained<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let _lifted = runtime::lift();
        self.project().future.poll(cx)
    }
}
