//! `timeout`, `timeout_at` and `wait_for`.

use std::error::Error;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;

use super::{Sleep, sleep, sleep_until};
use crate::runtime::{LeftCleanups, dropping};

/// Gives `future` so much time, counted from the first poll, then drops it and gives [`TimeoutError`]; asyncio's
/// `timeout`. If that leaves [cleanups](crate::with_cleanup), it waits for them first, as asyncio does.
///
/// The future is polled before the clock is looked at: one that is ready always wins, even with `Duration::ZERO`. `Duration::MAX` is no limit.
///
/// A [`Task`](crate::Task) in place of the future goes on after its time is up, since dropping a handle only detaches the task:
/// [`cancel_on_drop`](crate::Task::cancel_on_drop) stops it.
///
/// # Cancel safety
///
/// That of `future`.
///
/// # Errors
///
/// [`TimeoutError`], which converts into an `io::Error` of the kind `TimedOut`.
///
/// # Panics
///
/// When polled where no loop runs, unless the future is ready at once.
///
/// # Examples
///
/// ```
/// use std::future::pending;
/// use std::time::Duration;
///
/// oneloop::run(async {
///     let late = oneloop::timeout(Duration::from_millis(1), pending::<()>()).await;
///     assert!(late.is_err());
///     let ready = oneloop::timeout(Duration::ZERO, async { "ready" }).await;
///     assert_eq!(ready.unwrap(), "ready");
/// });
/// ```
pub fn timeout<F: IntoFuture>(duration: Duration, future: F) -> Timeout<F::IntoFuture> {
    Timeout { future: Some(future.into_future()), limit: Limit::Time(sleep(duration)) }
}

/// As [`timeout`], until a moment by the [loop's clock](super::now); asyncio's `timeout_at`.
///
/// # Errors
///
/// [`TimeoutError`].
pub fn timeout_at<F: IntoFuture>(deadline: Instant, future: F) -> Timeout<F::IntoFuture> {
    Timeout { future: Some(future.into_future()), limit: Limit::Time(sleep_until(deadline)) }
}

/// As [`timeout`], with the arguments in the order of asyncio's `wait_for`.
///
/// # Errors
///
/// [`TimeoutError`].
pub fn wait_for<F: IntoFuture>(future: F, duration: Duration) -> Timeout<F::IntoFuture> {
    timeout(duration, future)
}

pin_project! {
    /// The future of [`timeout`], [`timeout_at`] and [`wait_for`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless awaited"]
    pub struct Timeout<F> {
        // `None` once the time is up.
        #[pin]
        future: Option<F>,
        limit: Limit,
    }
}

/// What a timeout waits for, beside its future.
#[derive(Debug)]
enum Limit {
    Time(Sleep),
    /// What the future left when it was dropped.
    Cleanups(Box<LeftCleanups>),
    Over,
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, TimeoutError>;

    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(future) = this.future.as_mut().as_pin_mut() {
            if let Poll::Ready(output) = future.poll(cx) {
                return Poll::Ready(Ok(output));
            }
            if let Limit::Time(sleep) = this.limit {
                ready!(Pin::new(sleep).poll(cx));
            }
            // Before the error is seen, also where the `Timeout` lives on.
            let left = dropping(|| this.future.set(None));
            *this.limit = left.map_or(Limit::Over, |left| Limit::Cleanups(Box::new(left)));
        }
        if let Limit::Cleanups(left) = this.limit {
            ready!(left.poll_done(cx));
        }
        Poll::Ready(Err(TimeoutError(())))
    }
}

/// The time was up before the future was ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(alias = "Elapsed")]
pub struct TimeoutError(());

impl fmt::Display for TimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time limit has passed")
    }
}

impl Error for TimeoutError {}

impl From<TimeoutError> for io::Error {
    fn from(error: TimeoutError) -> Self {
        Self::new(io::ErrorKind::TimedOut, error)
    }
}
