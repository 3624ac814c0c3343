//! The number of ends of one kind that a channel has.

use std::cell::Cell;

pub(super) struct Count(Cell<usize>);

impl Count {
    pub(super) const fn new(count: usize) -> Self {
        Self(Cell::new(count))
    }

    pub(super) fn get(&self) -> usize {
        self.0.get()
    }

    /// Records a new end.
    pub(super) fn add(&self) {
        self.0.set(self.0.get() + 1);
    }

    /// Records that an end is gone. Returns whether it was the last.
    #[must_use = "the other side waits for the last one to go"]
    pub(super) fn remove(&self) -> bool {
        let left = self.0.get() - 1;
        self.0.set(left);
        left == 0
    }
}
