//! `try_gather`: many futures of one kind at once, until the first error.

use std::fmt;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::gather::Crowd;

/// Runs all futures at once, as [`gather`](super::gather) does, until one fails: then drops the others and gives that
/// error. If all succeed, gives their values in the order of the arguments.
///
/// Asyncio's `gather` lets the others go on after the first error; here they are dropped before the error is seen.
///
/// # Tasks
///
/// A [`Task`](crate::Task) gives a `Result` of its own: awaiting a task that fails is `Ok(Err(error))`, which `try_gather` takes for a success.
/// So that the error of a task ends the gathering at once, turn the two into one with `?`; and so that it ends the other tasks,
/// rather than only their handles, tie them with [`cancel_on_drop`](crate::Task::cancel_on_drop):
///
/// ```
/// use std::io;
///
/// oneloop::run(async {
///     let never = oneloop::create_task(std::future::pending::<io::Result<()>>());
///     let fails = oneloop::create_task(async { Err(io::Error::other("at once")) });
///     let tasks = [never, fails].map(oneloop::Task::cancel_on_drop);
///
///     let result = oneloop::try_gather(tasks.map(async |task| task.await?)).await;
///     assert_eq!(result.unwrap_err().to_string(), "at once");
/// });
/// ```
///
/// # Cancel safety
///
/// Dropped before its end, it drops the values that are there already.
///
/// # Errors
///
/// The first error, by time.
///
/// # Panics
///
/// When polled where no loop runs. A panic of a future reaches whoever awaits the result.
///
/// # Examples
///
/// ```
/// oneloop::run(async {
///     let numbers = oneloop::try_gather(["1", "2", "x"].map(async |text| text.parse::<u32>())).await;
///     assert_eq!(numbers.unwrap_err().to_string(), "invalid digit found in string");
/// });
/// ```
#[doc(alias = "try_join_all")]
pub fn try_gather<I, F, T, E>(futures: I) -> TryGather<F::IntoFuture>
where
    I: IntoIterator<Item = F>,
    F: IntoFuture<Output = Result<T, E>>,
{
    TryGather { crowd: Crowd::new(futures) }
}

/// The future of [`try_gather`].
#[must_use = "futures do nothing unless awaited"]
pub struct TryGather<F: Future> {
    crowd: Crowd<F>,
}

impl<F: Future> TryGather<F> {
    /// At most so many at once: the next one starts when one has ended.
    ///
    /// # Panics
    ///
    /// If `limit` is 0: nothing would ever start.
    pub fn limit(mut self, limit: usize) -> Self {
        self.crowd.set_limit(limit);
        self
    }
}

impl<F, T, E> Future for TryGather<F>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = Result<Vec<T>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut has_failed = false;
        ready!(self.crowd.poll(cx, |output| {
            has_failed = output.is_err();
            if has_failed { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }));
        let failure = if has_failed { self.crowd.take_first(Result::is_err) } else { None };
        Poll::Ready(match failure {
            Some(Err(error)) => Err(error),
            Some(Ok(_)) | None => self.crowd.take_outputs().into_iter().collect(),
        })
    }
}

impl<F: Future> fmt::Debug for TryGather<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TryGather").field(&self.crowd).finish()
    }
}
