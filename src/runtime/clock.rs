//! The loop's clock: nanoseconds since a moment that the whole process shares.
//!
//! Deadlines inside the kernel are plain `u64` nanoseconds ([`Nanos`]), which order, add and store more cheaply
//! than `Instant` and reach 584 years. A clock is real, or virtual: then it stands still until it is
//! moved. This is the only file that reads the operating system's clock.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Nanoseconds since the process's epoch. `u64::MAX` stands for "never".
pub(crate) type Nanos = u64;

/// The deadline that never comes.
pub(crate) const NEVER: Nanos = u64::MAX;

/// Later than any sleep that is meant, early enough that `Instant` holds it.
const FAR: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 100);

pub(crate) struct Clock {
    epoch: Instant,
    /// The time where it stands, if virtual.
    standing_at: Option<Nanos>,
}

impl Clock {
    pub(super) fn new(is_virtual: bool) -> Self {
        let epoch = epoch();
        let standing_at = is_virtual.then(|| nanos(os_now().saturating_duration_since(epoch)));
        Self { epoch, standing_at }
    }

    pub(super) fn now(&self) -> Nanos {
        self.standing_at.unwrap_or_else(|| self.real_now())
    }

    /// What the operating system's clock says: for measuring how long user code took.
    pub(super) fn real_now(&self) -> Nanos {
        // The epoch lies in the past, so the difference is exact.
        nanos(os_now().saturating_duration_since(self.epoch))
    }

    pub(super) fn is_virtual(&self) -> bool {
        self.standing_at.is_some()
    }

    /// Moves a virtual clock forward to `time`; it never goes back.
    pub(super) fn move_to(&mut self, time: Nanos) {
        if let Some(now) = &mut self.standing_at {
            *now = time.max(*now);
        }
    }
}

/// The time by the real clock.
pub(crate) fn real_now() -> Nanos {
    from_instant(os_now())
}

fn epoch() -> Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    *EPOCH.get_or_init(os_now)
}

fn os_now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    Instant::now()
}

/// A duration as nanoseconds, [`NEVER`] if it has more than fit.
pub(crate) fn nanos(duration: Duration) -> Nanos {
    duration
        .as_secs()
        .checked_mul(1_000_000_000)
        .and_then(|secs| secs.checked_add(u64::from(duration.subsec_nanos())))
        .unwrap_or(NEVER)
}

/// The moment `time`, or one a hundred years away if `Instant` cannot express it.
pub(crate) fn to_instant(time: Nanos) -> Instant {
    let epoch = epoch();
    epoch.checked_add(Duration::from_nanos(time)).unwrap_or_else(|| epoch + FAR)
}

/// The nanoseconds of `moment`: 0 for one before the epoch, which is then due at once.
pub(crate) fn from_instant(moment: Instant) -> Nanos {
    nanos(moment.saturating_duration_since(epoch()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_fits() {
        assert_eq!(nanos(Duration::ZERO), 0);
        assert_eq!(nanos(Duration::new(2, 5)), 2_000_000_005);
        assert_eq!(nanos(Duration::MAX), NEVER);
        assert_eq!(nanos(Duration::from_secs(u64::MAX / 1_000_000_000)) / 1_000_000_000, 18_446_744_073);
    }

    #[test]
    fn an_instant_survives_the_way_there_and_back() {
        let moment = epoch() + Duration::new(7, 123_456_789);
        assert_eq!(to_instant(from_instant(moment)), moment);
        let _far_future_does_not_panic = to_instant(NEVER);
    }

    #[test]
    fn a_virtual_clock_stands_still_and_never_goes_back() {
        let mut clock = Clock::new(true);
        let start = clock.now();
        assert_eq!(clock.now(), start);
        clock.move_to(start + 10);
        clock.move_to(start + 5);
        assert_eq!(clock.now(), start + 10);
    }
}
