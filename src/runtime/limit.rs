//! The time limits around the code that runs now: what `deadline` tells, and which of two limits goes first.
//!
//! Whoever limits a future polls it inside [`around`]. Limits nest as the polls do, so nothing has to be found again between
//! two polls, and a task, which is polled by the loop, starts without one. They lie in a thread-local of their own: to take the
//! state out and put it back would cost more than all else that a `timeout` around a ready future does.

use std::cell::Cell;

use super::data::clock::{NEVER, Nanos, When};

thread_local! {
    static LIMITS: Limits = const { Limits { at: Cell::new(NEVER), after: Cell::new(NEVER) } };
}

/// The code that runs now has to be ready at one moment, and so long after now.
///
/// Two numbers, since a limit in its first poll counts from now, and a future that is ready at once must not pay for a look
/// at the clock.
struct Limits {
    at: Cell<Nanos>,
    after: Cell<Nanos>,
}

/// Calls `f` inside `limit` and those around it.
#[inline]
pub(crate) fn around<R>(limit: When, f: impl FnOnce() -> R) -> R {
    LIMITS.with(|limits| {
        let (place, limit) = match limit {
            When::After(duration) => (&limits.after, duration),
            When::At(deadline) => (&limits.at, deadline),
        };
        let outer = place.get();
        let _restore = Restore { place, outer };
        place.set(limit.min(outer));
        f()
    })
}

/// Calls `f`, which is no part of the code that runs now, outside of all limits.
pub(crate) fn unlimited<R>(f: impl FnOnce() -> R) -> R {
    LIMITS.with(|Limits { at, after }| {
        let _restore = [at, after].map(|place| Restore { place, outer: place.replace(NEVER) });
        f()
    })
}

/// Both numbers, [`NEVER`] without a limit.
pub(super) fn current() -> (Nanos, Nanos) {
    LIMITS.with(|Limits { at, after }| (at.get(), after.get()))
}

/// Puts the outer limit back when dropped, also by a panic.
struct Restore<'a> {
    place: &'a Cell<Nanos>,
    outer: Nanos,
}

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        self.place.set(self.outer);
    }
}
