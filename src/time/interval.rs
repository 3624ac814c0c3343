//! `interval`: something to be done again and again.

use std::future::poll_fn;
use std::time::{Duration, Instant};

use super::Sleep;
use crate::runtime::{self, Nanos, from_instant, nanos, to_instant};

/// Ticks at once, then every `period`, counted from the first tick.
///
/// # Panics
///
/// If `period` is zero: it would tick for ever without waiting.
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

/// As [`interval`], with the first tick at `start`.
///
/// # Panics
///
/// If `period` is zero.
#[track_caller]
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    Interval::new(Some(from_instant(start)), period)
}

/// What an [`Interval`] does about ticks that came too late to be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[doc(alias = "MissedTickBehavior")]
pub enum MissedTicks {
    /// Makes up for them: ticks at once until it has caught up. The default.
    #[default]
    Burst,
    /// Counts the period anew from the late tick.
    Delay,
    /// Leaves them out, and goes on at a whole number of periods from the start.
    Skip,
}

/// See [`interval`].
#[derive(Debug)]
pub struct Interval {
    period: Nanos,
    /// When the next tick is due; `None` before the first one, which is due at once.
    next: Option<Nanos>,
    missed: MissedTicks,
}

impl Interval {
    #[track_caller]
    fn new(next: Option<Nanos>, period: Duration) -> Self {
        assert!(!period.is_zero(), "the period of an interval must be more than zero");
        Self { period: nanos(period), next, missed: MissedTicks::Burst }
    }

    /// What to do about ticks that were missed because the task was busy.
    #[must_use]
    pub fn missed_ticks(mut self, missed: MissedTicks) -> Self {
        self.missed = missed;
        self
    }

    /// Waits for the next tick; gives the moment when it was due. A tick that is due already does not wait.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it loses no tick.
    ///
    /// # Panics
    ///
    /// When polled where no loop runs.
    pub async fn tick(&mut self) -> Instant {
        let due = *self.next.get_or_insert_with(runtime::now);
        if due > runtime::now() {
            Sleep::at(due).await;
        } else {
            // A task that is far behind must let others run all the same.
            poll_fn(runtime::poll_budget).await;
        }
        self.next = Some(self.after(due, runtime::now()));
        to_instant(due)
    }

    /// The period.
    pub fn period(&self) -> Duration {
        Duration::from_nanos(self.period)
    }

    /// Ticks again one period from now.
    pub fn reset(&mut self) {
        self.next = Some(runtime::now().saturating_add(self.period));
    }

    /// When the tick after the one of `due` is due, given that it is `now`.
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
