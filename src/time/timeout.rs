//! `timeout`, `timeout_at` and `wait_for`: time limits for futures.

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

/// Gives `future` at most `duration`, counted from the first poll, then drops it and returns
/// [`TimeoutError`]. Asyncio's `timeout`. If the drop leaves [cleanups](crate::with_cleanup), it
/// waits for them first, as asyncio does.
///
/// The time starts at the beginning of the first poll, however long that poll takes. The future is
/// polled before the time is checked, so a ready future always wins, even with `Duration::ZERO`,
/// which allows one poll. `Duration::MAX` sets no limit.
///
/// Limits nest: the code inside stops at the earliest of them, which [`deadline`](super::deadline)
/// returns. If two limits have expired when their task runs, the outer one ends the wait, as in
/// asyncio and Trio, because the code after the inner one has no time left.
///
/// If the future is a [`Task`](crate::Task), the task continues after the timeout, because dropping
/// a handle only detaches it. With [`cancel_on_drop`](crate::Task::cancel_on_drop) the task is
/// cancelled, and the timeout returns when it has ended, including its cleanups, like asyncio's
/// `wait_for`.
///
/// # Cancel safety
///
/// The same as that of `future`.
///
/// # Errors
///
/// Returns [`TimeoutError`], which converts into an `io::Error` of the kind `TimedOut`.
///
/// # Panics
///
/// Panics when polled outside a loop, unless the future is ready at once.
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
#[doc(alias = "with_timeout")]
pub fn timeout<F: IntoFuture>(duration: Duration, future: F) -> Timeout<F::IntoFuture> {
    Timeout::new(When::After(nanos(duration)), future)
}

/// Like [`timeout`], but with a deadline on the [loop's clock](super::now). Asyncio's `timeout_at`.
///
/// # Cancel safety
///
/// The same as that of `future`.
///
/// # Errors
///
/// Returns [`TimeoutError`] if the deadline passes first.
///
/// # Panics
///
/// Panics when polled outside a loop, unless the future is ready at once.
///
/// # Examples
///
/// ```
/// use oneloop::{sleep, time::now, timeout_at};
/// use std::time::Duration;
///
/// oneloop::Builder::new().virtual_time(true).run(async {
///     // Two steps share one deadline.
///     let deadline = now() + Duration::from_secs(3);
///     assert!(timeout_at(deadline, sleep(Duration::from_secs(2))).await.is_ok());
///     assert!(timeout_at(deadline, sleep(Duration::from_secs(2))).await.is_err());
/// });
/// ```
#[doc(alias = "fail_at")]
pub fn timeout_at<F: IntoFuture>(deadline: Instant, future: F) -> Timeout<F::IntoFuture> {
    Timeout::new(When::At(from_instant(deadline)), future)
}

/// Like [`timeout`], with the arguments in the order of asyncio's `wait_for`.
///
/// # Cancel safety
///
/// The same as that of `future`.
///
/// # Errors
///
/// Returns [`TimeoutError`] if the time passes first.
///
/// # Panics
///
/// Panics when polled outside a loop, unless the future is ready at once.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// oneloop::run(async {
///     let answer = oneloop::wait_for(async { 42 }, Duration::from_secs(1)).await;
///     assert_eq!(answer.unwrap(), 42);
/// });
/// ```
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
        stage: Stage,
    }
}

/// The event that a timeout waits for besides its future.
#[derive(Debug)]
enum Stage {
    New(When),
    Set(Nanos, Timer),
    /// The time is up, and the dropped future left these cleanups.
    Cleanups(Box<LeftCleanups>),
    Over,
}

impl<F> Timeout<F> {
    fn new(when: When, future: impl IntoFuture<IntoFuture = F>) -> Self
    where
        F: Future,
    {
        Self { future: Some(future.into_future()), stage: Stage::New(when) }
    }
}

impl Stage {
    /// Returns the deadline, counted from the beginning of the first poll, and whether it had
    /// already passed at that moment.
    #[inline]
    fn deadline(&self) -> (Nanos, bool) {
        let when = match *self {
            Self::New(When::After(NEVER)) | Self::Cleanups(_) | Self::Over => {
                return (NEVER, false);
            }
            Self::Set(deadline, _) => return (deadline, false),
            Self::New(when) => when,
        };
        let now = runtime::now();
        let deadline = match when {
            When::After(duration) => now.saturating_add(duration),
            When::At(deadline) => deadline,
        };
        (deadline, deadline <= now)
    }

    /// Ready when the time is up. `was_up` says that it was up before the first poll.
    #[track_caller]
    fn poll(&mut self, deadline: Nanos, was_up: bool, cx: &Context<'_>) -> Poll<()> {
        match self {
            // A future that stopped only because its task's budget was used up may be ready at the
            // next poll.
            Self::New(_) if was_up && runtime::has_budget() => Poll::Ready(()),
            Self::New(_) => {
                *self = Self::Set(deadline, Timer::arm_unseen(deadline, cx, "`timeout`"));
                Poll::Pending
            }
            Self::Set(_, timer) => timer.poll(cx, "`Timeout`"),
            Self::Cleanups(left) => left.poll_done(cx),
            Self::Over => Poll::Ready(()),
        }
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, TimeoutError>;

    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if !runtime::may_finish(cx) {
            return Poll::Pending;
        }
        let mut this = self.project();
        if let Some(future) = this.future.as_mut().as_pin_mut() {
            let (deadline, was_up) = this.stage.deadline();
            if let Poll::Ready(output) = runtime::around(deadline, || future.poll(cx)) {
                runtime::take_budget();
                return Poll::Ready(Ok(output));
            }
            ready!(this.stage.poll(deadline, was_up, cx));
            if runtime::is_overdue() {
                // The outer limit goes first, in this poll or after the next check of the clock. If
                // it has been moved by then, this limit is checked again.
                let soon = runtime::now().saturating_add(1);
                *this.stage = Stage::Set(soon, Timer::arm_unseen(soon, cx, "`timeout`"));
                return Poll::Pending;
            }
            // Dropped before the error is returned, even if the `Timeout` lives on.
            let left = dropping(|| this.future.set(None));
            *this.stage = left.map_or(Stage::Over, |left| Stage::Cleanups(Box::new(left)));
        }
        ready!(this.stage.poll(NEVER, false, cx));
        runtime::take_budget();
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
