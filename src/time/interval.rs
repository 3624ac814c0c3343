//! `interval`: ticks at a fixed period.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures_core::Stream;

use super::Sleep;
use crate::runtime::{self, Nanos, from_instant, nanos, to_instant};

/// Returns an interval that ticks immediately, then every `period`, counted from the first tick.
///
/// # Panics
///
/// Panics if `period` is zero, since the interval would tick forever without waiting.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// oneloop::Builder::new().virtual_time(true).run(async {
///     let mut heartbeat = oneloop::interval(Duration::from_secs(5));
///     let first = heartbeat.tick().await;
///     let second = heartbeat.tick().await;
///     assert_eq!(second - first, Duration::from_secs(5));
/// });
/// ```
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    Interval::new(None, period)
}

/// Like [`interval`], but with the first tick at `start`.
///
/// # Panics
///
/// Panics if `period` is zero.
#[track_caller]
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    Interval::new(Some(from_instant(start)), period)
}

/// How an [`Interval`] handles ticks that were missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[doc(alias = "MissedTickBehavior")]
pub enum MissedTicks {
    /// Ticks without waiting until it has caught up. The default.
    #[default]
    Burst,
    /// Restarts the period at the late tick.
    Delay,
    /// Skips the missed ticks and continues at a whole number of periods from the start.
    Skip,
}

/// A series of ticks; see [`interval`].
#[derive(Debug)]
pub struct Interval {
    period: Nanos,
    /// When the next tick is due. `None` before the first tick, which is due immediately.
    next: Option<Nanos>,
    missed: MissedTicks,
    /// The wait for the next tick of the stream.
    waiting: Option<Sleep>,
}

impl Interval {
    #[track_caller]
    fn new(next: Option<Nanos>, period: Duration) -> Self {
        assert!(!period.is_zero(), "the period of an interval must be more than zero");
        Self { period: nanos(period), next, missed: MissedTicks::Burst, waiting: None }
    }

    /// Sets how to handle ticks that were missed because the task was busy.
    #[must_use]
    pub fn missed_ticks(mut self, missed: MissedTicks) -> Self {
        self.missed = missed;
        self
    }

    /// Waits for the next tick and returns the moment when it was due. Returns at once if the tick
    /// is due already.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, no tick is lost.
    ///
    /// # Panics
    ///
    /// Panics when polled outside a loop.
    pub async fn tick(&mut self) -> Instant {
        let due = *self.next.get_or_insert_with(runtime::now);
        if due > runtime::now() {
            Sleep::at(due).await;
        } else {
            // A task that is far behind must still let other tasks run.
            poll_fn(runtime::poll_budget).await;
        }
        self.next = Some(self.after(due, runtime::now()));
        to_instant(due)
    }

    /// The period.
    pub fn period(&self) -> Duration {
        Duration::from_nanos(self.period)
    }

    /// Restarts the interval: the next tick is one period from now.
    pub fn reset(&mut self) {
        self.next = Some(runtime::now().saturating_add(self.period));
        self.waiting = None;
    }

    /// When the tick after the one at `due` is due, if the current time is `now`.
    fn after(&self, due: Nanos, now: Nanos) -> Nanos {
        let next = due.saturating_add(self.period);
        match self.missed {
            _ if next > now => next,
            MissedTicks::Burst => next,
            MissedTicks::Delay => now.saturating_add(self.period),
            MissedTicks::Skip => {
                let behind = (now - due) / self.period;
                due.saturating_add(behind.saturating_add(1).saturating_mul(self.period))
            }
        }
    }
}

/// The ticks, without end, for code that takes a stream. Each item is the moment when its tick was
/// due.
///
/// # Examples
///
/// ```
/// use futures::StreamExt;
/// use std::time::Duration;
///
/// oneloop::Builder::new().virtual_time(true).run(async {
///     let period = Duration::from_secs(60);
///     let ticks: Vec<_> = oneloop::interval(period).take(3).collect().await;
///     assert_eq!(ticks[2] - ticks[0], 2 * period);
/// });
/// ```
impl Stream for Interval {
    type Item = Instant;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Instant>> {
        let due = *self.next.get_or_insert_with(runtime::now);
        if due > runtime::now() || self.waiting.is_some() {
            let waiting = self.waiting.get_or_insert_with(|| Sleep::at(due));
            ready!(Pin::new(waiting).poll(cx));
            self.waiting = None;
        } else {
            ready!(runtime::poll_budget(cx));
        }
        self.next = Some(self.after(due, runtime::now()));
        Poll::Ready(Some(to_instant(due)))
    }
}
