//! `staggered_race`: attempts that start one after another, until the first success.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::Outcome;
use super::first_ok::Attempts;
use super::unfinished::Unfinished;
use crate::runtime::{Nanos, Timer, When, may_finish, nanos, spend};

/// Starts the futures one after another until the first one succeeds, then drops the others and
/// returns its value. The next one starts when the one before it fails, or when `delay` has passed
/// since that one started. If none succeeds, returns all errors in the order of the arguments.
/// Without futures, the list of errors is empty.
///
/// RFC 8305 ("happy eyeballs") treats the addresses of a host this way, and asyncio has an internal
/// function of this name. With a delay of zero all futures start at once, as in
/// [`first_ok`](super::first_ok). With [`Duration::MAX`] the next one starts only after a failure.
/// A future that never starts is dropped without being polled. To learn which future won, let the
/// value say so.
///
/// # Cancel safety
///
/// If the future is dropped before it is ready, it drops the futures and the errors collected so
/// far.
///
/// # Panics
///
/// Panics when polled outside a loop, or after it was ready. A panic of one of the futures
/// propagates to the code that awaits the result.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// async fn connect(address: &str) -> Result<&str, String> {
///     match address {
///         "down" => Err(format!("{address} does not answer")),
///         "slow" => std::future::pending().await,
///         _ => Ok(address),
///     }
/// }
///
/// oneloop::run(async {
///     let addresses = ["down", "slow", "quick", "never asked"];
///     let attempts = addresses.map(connect);
///     let connected = oneloop::staggered_race(attempts, Duration::from_millis(5)).await;
///     assert_eq!(connected.unwrap(), "quick");
/// });
/// ```
#[doc(alias = "happy_eyeballs")]
pub fn staggered_race<I, F, T, E>(futures: I, delay: Duration) -> StaggeredRace<F::IntoFuture>
where
    I: IntoIterator<Item = F>,
    F: IntoFuture<Output = Result<T, E>>,
{
    let attempts = Attempts::new(Unfinished::new(futures).one_by_one());
    StaggeredRace { attempts, delay: nanos(delay), timer: None }
}

/// The future of [`staggered_race`].
#[must_use = "futures do nothing unless awaited"]
pub struct StaggeredRace<F: Future<Output: Outcome>> {
    attempts: Attempts<F>,
    delay: Nanos,
    /// Armed while a future is left to start.
    timer: Option<Timer>,
}

const NAME: &str = "`staggered_race`";

impl<F, T, E> StaggeredRace<F>
where
    F: Future<Output = Result<T, E>>,
{
    fn start_next(&mut self) {
        self.timer = None;
        self.attempts.unfinished.start_next();
    }

    /// Ready when the last started future has used up its delay. Stays pending if no future is left
    /// to start.
    fn poll_delay(&mut self, cx: &Context<'_>) -> Poll<()> {
        let unfinished = &self.attempts.unfinished;
        if unfinished.started() == unfinished.total() {
            return Poll::Pending;
        }
        Timer::poll_in(&mut self.timer, When::After(self.delay), cx, NAME)
    }
}

impl<F, T, E> Future for StaggeredRace<F>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = Result<T, Vec<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            if !may_finish(cx) {
                return Poll::Pending;
            }
            match this.attempts.poll_next(NAME, cx) {
                Poll::Ready(Some(Ok(value))) => {
                    this.timer = None;
                    spend();
                    return Poll::Ready(Ok(value));
                }
                Poll::Ready(Some(Err(index))) => {
                    if index + 1 == this.attempts.unfinished.started() {
                        this.start_next();
                    }
                    spend();
                }
                Poll::Ready(None) => {
                    spend();
                    return Poll::Ready(Err(this.attempts.take_errors()));
                }
                Poll::Pending => {
                    ready!(this.poll_delay(cx));
                    this.start_next();
                }
            }
        }
    }
}

// Futures are boxed and errors are never pinned, so nothing is pinned in place.
impl<F: Future<Output: Outcome>> Unpin for StaggeredRace<F> {}

impl<F: Future<Output: Outcome>> fmt::Debug for StaggeredRace<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StaggeredRace").field(&self.attempts.unfinished).finish()
    }
}
