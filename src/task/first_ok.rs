//! `first_ok`: the first success of several futures.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::Outcome;
use super::unfinished::Unfinished;
use crate::runtime::with_budget;

/// Runs all futures at once until the first one succeeds, then drops the others and returns its
/// value. If none succeeds, returns all errors in the order of the arguments. Without futures, the
/// list of errors is empty.
///
/// The futures are polled as in [`race`](super::race), and the losers are likewise dropped before
/// the value is returned. To start the futures one after another, use
/// [`staggered_race`](super::staggered_race).
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
/// oneloop::run(async {
///     let port = oneloop::first_ok(["http", "8080"].map(async |text| text.parse::<u16>())).await;
///     assert_eq!(port, Ok(8080));
///
///     let errors = oneloop::first_ok(["", "x"].map(async |text| text.parse::<u16>())).await.unwrap_err();
///     assert_eq!(errors.len(), 2);
/// });
/// ```
#[doc(alias = "select_ok")]
#[doc(alias = "any")]
pub fn first_ok<I, F, T, E>(futures: I) -> FirstOk<F::IntoFuture>
where
    I: IntoIterator<Item = F>,
    F: IntoFuture<Output = Result<T, E>>,
{
    FirstOk { attempts: Attempts::new(Unfinished::new(futures)) }
}

/// The future of [`first_ok`].
#[must_use = "futures do nothing unless awaited"]
pub struct FirstOk<F: Future<Output: Outcome>> {
    attempts: Attempts<F>,
}

impl<F, T, E> Future for FirstOk<F>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = Result<T, Vec<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let attempts = &mut self.get_mut().attempts;
        loop {
            match ready!(with_budget(cx, |cx| attempts.poll_next("`first_ok`", cx))) {
                Some(Ok(value)) => return Poll::Ready(Ok(value)),
                Some(Err(_)) => {}
                None => return Poll::Ready(Err(attempts.take_errors())),
            }
        }
    }
}

// Futures are boxed and errors are never pinned, so nothing is pinned in place.
impl<F: Future<Output: Outcome>> Unpin for FirstOk<F> {}

impl<F: Future<Output: Outcome>> fmt::Debug for FirstOk<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FirstOk").field(&self.attempts.unfinished).finish()
    }
}

/// Futures of which one has to succeed, and the errors of those that failed.
pub(super) struct Attempts<F: Future<Output: Outcome>> {
    pub(super) unfinished: Unfinished<F>,
    errors: Vec<Option<<F::Output as Outcome>::Error>>,
    is_ready: bool,
}

impl<F, T, E> Attempts<F>
where
    F: Future<Output = Result<T, E>>,
{
    pub(super) fn new(unfinished: Unfinished<F>) -> Self {
        let errors = (0..unfinished.total()).map(|_| None).collect();
        Self { unfinished, errors, is_ready: false }
    }

    /// Returns the value of the first future that succeeds, after dropping the others, or the index
    /// of one that failed. Returns `None` if every started future has failed.
    pub(super) fn poll_next(
        &mut self,
        what: &str,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<T, usize>>> {
        assert!(!self.is_ready, "a {what} was polled after it was ready");
        let next = ready!(self.unfinished.poll_next(what, cx));
        Poll::Ready(next.map(|(index, output)| match output {
            Ok(value) => {
                self.is_ready = true;
                self.unfinished.clear();
                Ok(value)
            }
            Err(error) => {
                self.errors[index] = Some(error);
                Err(index)
            }
        }))
    }

    /// The errors in the order of the arguments, once all futures have failed.
    pub(super) fn take_errors(&mut self) -> Vec<E> {
        self.is_ready = true;
        mem::take(&mut self.errors).into_iter().flatten().collect()
    }
}
