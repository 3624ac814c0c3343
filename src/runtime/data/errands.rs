//! Errands, as data: how many are under way, and which of them the end of a run waits for.
//!
//! An errand is work that a drop leaves to the loop itself (`errand.rs`), such as the remaining
//! bytes of a dropped writer. No task waits for it. The end of a run waits for the errands that
//! were under way when main became ready, but for no later ones: tasks that continue meanwhile may
//! start others without end.

use std::mem;

use super::clock::Nanos;
use super::waiter::Waiter;

/// The least time for an errand that starts while the loop is closing, even if the end of the run
/// has used up the rest.
const LAST_TIME: Nanos = 1_000_000_000;

pub(crate) struct Errands {
    /// The end of a run waits for whole batches. Each end of a run closes a batch.
    batch: u64,
    /// How many errands of the open batch are under way.
    open: usize,
    /// How many errands of closed batches are under way.
    awaited: usize,
    /// The time limit of the end of the run, if it has had to wait.
    until: Option<Nanos>,
    /// Woken when the last awaited errand has ended.
    pub(crate) waiter: Waiter,
}

impl Errands {
    pub(crate) fn new() -> Self {
        Self { batch: 0, open: 0, awaited: 0, until: None, waiter: Waiter::NOBODY }
    }

    /// An errand starts. Returns its batch.
    pub(crate) fn start(&mut self) -> u64 {
        self.open += 1;
        self.batch
    }

    /// An errand of `batch` has ended. If it was the last awaited one, returns the waiter to wake.
    pub(crate) fn end(&mut self, batch: u64) -> Waiter {
        if batch == self.batch {
            self.open -= 1;
            return Waiter::NOBODY;
        }
        self.awaited -= 1;
        if self.is_awaited() { Waiter::NOBODY } else { self.waiter.take() }
    }

    /// Makes the end of the run wait for the errands that are under way, for `limit` at most.
    pub(crate) fn close_batch(&mut self, now: Nanos, limit: Nanos) {
        self.batch += 1;
        self.awaited += mem::take(&mut self.open);
        if self.is_awaited() {
            self.until.get_or_insert_with(|| now.saturating_add(limit));
        }
    }

    pub(crate) fn is_awaited(&self) -> bool {
        self.awaited > 0
    }

    /// Gives a new run a new time limit.
    pub(crate) fn start_run(&mut self) {
        self.until = None;
    }

    /// The time limit of an errand that starts while the loop is closing.
    pub(crate) fn last_time(&self, now: Nanos, limit: Nanos) -> Nanos {
        let left = self.until.map_or(limit, |until| until.saturating_sub(now));
        left.max(LAST_TIME).min(limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    #[test]
    fn only_errands_of_closed_batches_are_awaited() {
        let mut errands = Errands::new();
        let first = errands.start();
        assert!(!errands.is_awaited());
        errands.close_batch(0, SECOND);
        let second = errands.start();
        assert!(errands.is_awaited());
        assert_eq!(errands.end(first), Waiter::NOBODY);
        assert!(!errands.is_awaited(), "the second one may take as long as it likes");
        errands.close_batch(0, SECOND);
        assert!(errands.is_awaited());
        assert_eq!(errands.end(second), Waiter::NOBODY);
        assert!(!errands.is_awaited());
    }

    #[test]
    fn the_end_of_the_loop_and_the_end_of_the_run_share_one_limit() {
        let mut errands = Errands::new();
        assert_eq!(errands.last_time(7, 5 * SECOND), 5 * SECOND, "no run has waited");
        errands.start();
        errands.close_batch(10 * SECOND, 5 * SECOND);
        assert_eq!(errands.last_time(12 * SECOND, 5 * SECOND), 3 * SECOND);
        assert_eq!(errands.last_time(15 * SECOND, 5 * SECOND), LAST_TIME);
        assert_eq!(errands.last_time(15 * SECOND, 3), 3, "never more than the limit");
        errands.start_run();
        assert_eq!(errands.last_time(15 * SECOND, 5 * SECOND), 5 * SECOND);
    }
}
