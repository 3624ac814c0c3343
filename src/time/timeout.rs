//! `timeout`, `timeout_at` and `wait_for`.

use std::error::Error;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;

use crate::runtime::{
    self, LeftCleanups, NEVER, Nanos, Timer, When, dropping, from_instant, nanos,
};

/// Gives `future` so much time, counted from the first poll, then drops it and gives [`TimeoutError`]; asyncio's
/// `timeout`. If that leaves [cleanups](crate::with_cleanup), it waits for them first, as asyncio does.
///
/// The future is polled before the clock is looked at: one that is ready always wins, even with `Duration::ZERO`.
/// `Duration::MAX` is no limit.
///
/// Limits nest: the code inside stops at the earliest of them, which it can ask for by [`deadline`](super::deadline). Where the
/// time of two is up when their task comes to run, the outer one ends the wait, as in asyncio and Trio: what would go on after
/// the inner one has no time left.
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
#[doc(alias = "fail_after")]
pub fn timeout<F: IntoFuture>(duration: Duration, future: F) -> Timeout<F::IntoFuture> {
    Timeout::new(When::After(nanos(duration)), future)
}

/// As [`timeout`], until a moment by the [loop's clock](super::now); asyncio's `timeout_at`.
///
/// # Errors
///
/// [`TimeoutError`].
#[doc(alias = "fail_at")]
pub fn timeout_at<F: IntoFuture>(deadline: Instant, future: F) -> Timeout<F::IntoFuture> {
    Timeout::new(When::At(from_instant(deadline)), future)
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
    New(When),
    /// Without a timer, the time is up.
    Set(Nanos, Option<Timer>),
    /// The time is up, and the future has left these when it was dropped.
    Cleanups(Box<LeftCleanups>),
    Over,
}

impl Limit {
    /// When the time is up.
    fn when(&self) -> When {
        match *self {
            Self::New(when) => when,
            Self::Set(deadline, _) => When::At(deadline),
            Self::Cleanups(_) | Self::Over => When::At(NEVER),
        }
    }

    /// Ready when the time is up, but never in the first poll: what is limited may need another one.
    #[track_caller]
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::New(when) => {
                let (deadline, timer) = Timer::start(*when, cx, "`timeout`");
                if timer.is_none() {
                    cx.waker().wake_by_ref();
                }
                *self = Self::Set(deadline, timer);
                return Poll::Pending;
            }
            Self::Set(_, timer) => {
                if let Some(timer) = timer {
                    ready!(timer.poll(cx, "`Timeout`"));
                }
                *timer = None;
            }
            Self::Cleanups(left) => ready!(left.poll_done(cx)),
            Self::Over => {}
        }
        Poll::Ready(())
    }
}

impl<F> Timeout<F> {
    fn new(when: When, future: impl IntoFuture<IntoFuture = F>) -> Self
    where
        F: Future,
    {
        Self { future: Some(future.into_future()), limit: Limit::New(when) }
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, TimeoutError>;

    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(future) = this.future.as_mut().as_pin_mut() {
            if let Poll::Ready(output) = runtime::around(this.limit.when(), || future.poll(cx)) {
                return Poll::Ready(Ok(output));
            }
            ready!(this.limit.poll(cx));
            if runtime::is_overdue() {
                // The limit around this one goes first, in this poll or after the next look at the clock. Should it have
                // been moved by then, this one is asked again.
                *this.limit = Limit::New(When::After(1));
                ready!(this.limit.poll(cx));
            }
            // Before the error is seen, also where the `Timeout` lives on.
            let left = dropping(|| this.future.set(None));
            *this.limit = left.map_or(Limit::Over, |left| Limit::Cleanups(Box::new(left)));
        }
        ready!(this.limit.poll(cx));
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
