//! The loop's clock: nanoseconds since a moment that all loops of the process share.
//!
//! Deadlines inside the kernel are plain `u64` nanoseconds ([`Nanos`]), which order, add and store
//! more cheaply than `Instant` and reach 584 years. A clock is real or virtual. A virtual clock
//! stands still until the loop moves it. Only this file reads the real clock, through
//! `sys::clock`.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::sys::clock::instant_now;
pub(crate) use crate::sys::clock::{real_now, rough_now, thread_time};

/// Nanoseconds since that moment. `u64::MAX` stands for "never".
pub(crate) type Nanos = u64;

/// A deadline that never comes.
pub(crate) const NEVER: Nanos = u64::MAX;

/// Later than any real sleep, and early enough for `Instant` to express it.
const FAR: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 100);

/// A moment, relative or absolute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum When {
    /// This long after now.
    After(Nanos),
    At(Nanos),
}

pub(crate) struct Clock {
    /// The current time, if the clock is virtual.
    standing_at: Option<Nanos>,
    /// The number of holds. While there is one, a virtual clock takes as long to reach a deadline
    /// as a real one.
    holds: u32,
    /// The deadline that a held clock waits for, and the real time when the wait began.
    held: Option<(Nanos, Nanos)>,
    /// `advance` asked for this time, despite any holds.
    asked_for: Nanos,
}

impl Clock {
    pub(crate) fn new(is_virtual: bool) -> Self {
        Self { standing_at: is_virtual.then(real_now), holds: 0, held: None, asked_for: 0 }
    }

    pub(crate) fn now(&self) -> Nanos {
        self.standing_at.unwrap_or_else(real_now)
    }

    pub(crate) fn is_virtual(&self) -> bool {
        self.standing_at.is_some()
    }

    pub(crate) fn hold(&mut self) {
        self.holds += 1;
        self.held = None;
    }

    pub(crate) fn let_go(&mut self) {
        self.holds -= 1;
        self.held = None;
    }

    pub(crate) fn is_held(&self) -> bool {
        self.holds > 0
    }

    /// Lets a virtual clock move to `time` despite any holds.
    pub(crate) fn ask_for(&mut self, time: Nanos) {
        self.asked_for = time.max(self.asked_for);
    }

    /// Moves a virtual clock forward to `deadline`. If the clock is held, or the loop waits for
    /// another process, returns instead the real time until which the loop has to wait.
    pub(crate) fn jump_to(&mut self, deadline: Nanos, waits_for_outside: bool) -> Option<Nanos> {
        if (self.is_held() || waits_for_outside) && deadline > self.asked_for {
            let now = real_now();
            let held = self.held.filter(|&(held, _)| held == deadline);
            let (_, since) = *self.held.insert(held.unwrap_or((deadline, now)));
            let until = since.saturating_add(deadline.saturating_sub(self.now()));
            if now < until {
                return Some(until);
            }
        }
        self.held = None;
        self.move_to(deadline);
        None
    }

    /// Moves a virtual clock forward to `time`. It never moves back.
    pub(crate) fn move_to(&mut self, time: Nanos) {
        if let Some(now) = &mut self.standing_at {
            *now = time.max(*now);
        }
    }
}

const EPOCH_TRIES: u32 = 100;
const EPOCH_PRECISION: Nanos = 1_000;

/// The moment from which nanoseconds count, and its own nanoseconds.
struct Epoch {
    moment: Instant,
    nanos: Nanos,
}

fn epoch() -> &'static Epoch {
    static EPOCH: OnceLock<Epoch> = OnceLock::new();
    EPOCH.get_or_init(|| {
        // Both clocks must be read at the same time. If the thread was interrupted in between, read
        // them again.
        for _ in 0..EPOCH_TRIES {
            let (before, moment, nanos) = (real_now(), instant_now(), real_now());
            if nanos - before < EPOCH_PRECISION {
                return Epoch { moment, nanos };
            }
        }
        Epoch { moment: instant_now(), nanos: real_now() }
    })
}

/// A duration as nanoseconds, or [`NEVER`] if they do not fit.
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
    if time < epoch.nanos {
        let before = Duration::from_nanos(epoch.nanos - time);
        return epoch.moment.checked_sub(before).unwrap_or(epoch.moment);
    }
    let after = Duration::from_nanos(time - epoch.nanos);
    epoch.moment.checked_add(after).unwrap_or_else(|| epoch.moment + FAR)
}

/// The nanoseconds of `moment`. A moment before the zero of the clock gets 0, which is due at once,
/// like every moment that has passed.
pub(crate) fn from_instant(moment: Instant) -> Nanos {
    let epoch = epoch();
    match moment.checked_duration_since(epoch.moment) {
        Some(after) => epoch.nanos.saturating_add(nanos(after)),
        None => epoch.nanos.saturating_sub(nanos(epoch.moment - moment)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_fits() {
        assert_eq!(nanos(Duration::ZERO), 0);
        assert_eq!(nanos(Duration::new(2, 5)), 2_000_000_005);
        assert_eq!(nanos(Duration::MAX), NEVER);
        assert_eq!(
            nanos(Duration::from_secs(u64::MAX / 1_000_000_000)) / 1_000_000_000,
            18_446_744_073
        );
    }

    #[test]
    fn an_instant_survives_the_way_there_and_back() {
        let moment = epoch().moment + Duration::new(7, 123_456_789);
        assert_eq!(to_instant(from_instant(moment)), moment);
        let earlier = epoch().moment.checked_sub(Duration::new(0, 77)).unwrap();
        assert_eq!(to_instant(from_instant(earlier)), earlier);
        assert!(to_instant(NEVER) > moment, "the far future does not overflow");
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

    #[test]
    fn a_virtual_clock_that_is_held_up_takes_its_time() {
        const HOUR: Nanos = 3_600_000_000_000;
        let mut clock = Clock::new(true);
        let start = clock.now();
        clock.hold();
        let until = clock.jump_to(start + HOUR, false);
        assert!(until.is_some_and(|until| until > real_now()));
        assert_eq!(clock.jump_to(start + HOUR, false), until, "it waits for the same moment");
        assert!(clock.jump_to(start + HOUR / 2, false) < until);
        assert_eq!((clock.now(), clock.jump_to(start, false)), (start, None));
        clock.ask_for(start + HOUR);
        assert_eq!((clock.jump_to(start + HOUR, false), clock.now()), (None, start + HOUR));
        assert!(clock.jump_to(start + 2 * HOUR, false).is_some());
        clock.let_go();
        assert!(clock.jump_to(start + 2 * HOUR, true).is_some(), "a source holds it up");
        assert_eq!((clock.jump_to(start + 2 * HOUR, false), clock.now()), (None, start + 2 * HOUR));
    }
}
