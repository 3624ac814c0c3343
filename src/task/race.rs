//! `race`: the first output of many.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::unfinished::Unfinished;
use crate::runtime;

/// Runs all futures at once until the first one is ready, drops the others, and gives its output.
///
/// They are polled in the order of the arguments, afterwards in the order of their wakes, and each only when it was woken; so
/// of those that are ready at the first poll the first argument wins, always. The losers are dropped before the output is
/// seen, in their order.
///
/// For the first success, [`first_ok`](super::first_ok); for a few futures of different types, [`select!`](crate::select!).
/// A loser that is a [`Task`](crate::Task) is only detached: pass [`cancel_on_drop`](crate::Task::cancel_on_drop) for tasks
/// that should stop.
///
/// # Cancel safety
///
/// Dropped before its end, it drops the futures. An output that a loser had nearly got is lost with it, so the futures of a
/// race must be such that may be dropped.
///
/// # Panics
///
/// If there is no future: nothing would ever win. When polled where no loop runs, or after it was ready. A panic of a future
/// reaches whoever awaits the race.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// oneloop::run(async {
///     let winner = oneloop::race([3, 1, 2].map(async |n| {
///         oneloop::sleep(Duration::from_millis(n)).await;
///         n
///     }))
///     .await;
///     assert_eq!(winner, 1);
/// });
/// ```
#[doc(alias = "select_all")]
#[doc(alias = "any")]
#[track_caller]
#[doc(alias = "or")]
pub fn race<I>(futures: I) -> Race<<I::Item as IntoFuture>::IntoFuture>
where
    I: IntoIterator<Item: IntoFuture>,
{
    let runners = Unfinished::new(futures);
    assert!(
        runners.total() > 0,
        "a `race` of no futures would never end: pass one at least, or do without it where there is none"
    );
    Race { runners }
}

/// The future of [`race`].
#[must_use = "futures do nothing unless awaited"]
pub struct Race<F> {
    runners: Unfinished<F>,
}

impl<F: Future> Future for Race<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let polled = runtime::with_budget(cx, |cx| self.runners.poll_next("`race`", cx));
        let Some((_, output)) = ready!(polled) else {
            panic!("a `race` was polled after its end");
        };
        self.runners.clear();
        Poll::Ready(output)
    }
}

impl<F> fmt::Debug for Race<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Race").field(&self.runners).finish()
    }
}
