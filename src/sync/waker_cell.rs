//! A cell for one waker, for ends at which only one task can wait.
//!
//! Cloning, waking and dropping a waker can run user code that comes back to the same cell. So
//! methods take the waker out of the cell before any of that, and borrow nothing meanwhile.

use std::cell::Cell;
use std::task::Waker;

/// At most one waker.
#[derive(Default)]
pub(crate) struct WakerCell(Cell<Option<Waker>>);

impl WakerCell {
    /// Stores `waker` as the one to wake.
    ///
    /// The caller must check what it waits for after this call, because the clone may have run code
    /// that made it happen.
    pub(crate) fn register(&self, waker: &Waker) {
        let former = self.0.take();
        if former.as_ref().is_some_and(|former| former.will_wake(waker)) {
            self.0.set(former);
            return;
        }
        let between = self.0.replace(Some(waker.clone()));
        drop((former, between));
    }

    /// Wakes the stored waker, if there is one.
    pub(crate) fn wake(&self) {
        if let Some(waker) = self.0.take() {
            waker.wake();
        }
    }

    /// Drops the stored waker.
    pub(crate) fn clear(&self) {
        drop(self.0.take());
    }
}
