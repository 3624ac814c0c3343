//! `race`: the first output of several futures.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::unfinished::Unfinished;
use crate::runtime;

/// Runs all futures at once until the first one is ready, then drops the others and returns its
/// output.
///
/// The first poll follows the order of the arguments, later polls the order of the wakes, and a
/// future is polled only when it was woken. So of several futures that are ready at the first poll,
/// the first argument always wins. The losers are dropped, in order, before the output is returned.
///
/// For the first success, use [`first_ok`](super::first_ok). For a few futures of different types,
/// use [`select!`](crate::select!). A losing [`Task`](crate::Task) is only detached: pass
/// [`cancel_on_drop`](crate::Task::cancel_on_drop) handles for tasks that should stop.
///
/// # Cancel safety
///
/// If the future is dropped before it is ready, it drops the futures. An output that a loser had
/// almost produced is lost with it, so race only futures that may be dropped.
///
/// # Panics
///
/// Panics if there are no futures, since none could win. Panics when polled outside a loop, or
/// after it was ready. A panic of one of the futures propagates to the code that awaits the race.
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
