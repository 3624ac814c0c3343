//! How long the loop's thread computes. This tells a task that computes from a machine that does
//! not run the thread.
//!
//! Reading the thread's clock is a system call, so it happens now and then, and once more after a
//! slow round.

use std::cell::Cell;

use super::clock::{Nanos, thread_time};

/// The shortest time between two readings of the thread's clock.
const EVERY: Nanos = 10_000_000;

thread_local! {
    /// The latest reading of any loop of this thread. A new loop starts with it: to read the clock
    /// again for each of many short runs would cost more than the runs.
    static LATEST: Cell<Effort> = const { Cell::new(Effort { read_at: 0, thread_time: None }) };
}

#[derive(Clone, Copy)]
pub(crate) struct Effort {
    read_at: Nanos,
    thread_time: Option<Nanos>,
}

impl Effort {
    pub(crate) fn of_thread() -> Self {
        LATEST.get()
    }

    /// A round ended at `now`.
    #[inline]
    pub(crate) fn note(&mut self, now: Nanos) {
        if now.saturating_sub(self.read_at) >= EVERY {
            self.read(now);
        }
    }

    #[cold]
    fn read(&mut self, now: Nanos) {
        self.read_at = now;
        self.thread_time = thread_time();
        LATEST.set(*self);
    }

    /// The processor time since the last reading, which was at most 10 ms before the round that
    /// ends now.
    pub(crate) fn computed(&self) -> Option<Nanos> {
        Some(thread_time()?.saturating_sub(self.thread_time?))
    }
}
