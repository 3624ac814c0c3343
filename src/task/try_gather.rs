//! `try_gather`: several futures of one type at once, until the first error.

use std::fmt;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::gather::Crowd;

/// Runs all futures at once, like [`gather`](super::gather), until one fails. Then it drops the
/// others and returns that error. If all succeed, it returns their values in the order of the
/// arguments.
///
/// Asyncio's `gather` lets the others continue after the first error. Here they are dropped before
/// the error is returned.
///
/// # Tasks
///
/// A [`Task`](crate::Task) wraps its output in a `Result` of its own: awaiting a task that fails
/// gives `Ok(Err(error))`, which `try_gather` counts as a success. To let the error of a task end
/// the gathering at once, merge the two results with `?`. To end the other tasks as well, rather
/// than only drop their handles, bind them with [`cancel_on_drop`](crate::Task::cancel_on_drop):
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
/// If the future is dropped before it is ready, it drops the values collected so far.
///
/// # Errors
///
/// Returns the error that occurred first.
///
/// # Panics
///
/// Panics when polled outside a loop. A panic of one of the futures propagates to the code that
/// awaits the result.
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
    /// Limits the number of futures that run at once: the next one starts when one has ended.
    ///
    /// # Panics
    ///
    /// Panics if `limit` is 0, since nothing would ever start.
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
