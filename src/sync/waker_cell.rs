//! Room for one waker: for ends that only one can wait at.
//!
//! Clone, wake and drop of a waker may be user code that comes back to the same cell. So a waker is taken out before
//! anything of it runs, and nothing is borrowed meanwhile.

use std::cell::Cell;
use std::task::Waker;

/// At most one waker.
#[derive(Default)]
pub(crate) struct WakerCell(Cell<Option<Waker>>);

impl WakerCell {
    /// Makes `waker` the one that is woken.
    ///
    /// Whoever calls this looks at what it waits for afterwards: a clone may have run code that made it happen.
    pub(crate) fn register(&self, waker: &Waker) {
        let former = self.0.take();
        if former.as_ref().is_some_and(|former| former.will_wake(waker)) {
            self.0.set(former);
            return;
        }
        let between = self.0.replace(Some(waker.clone()));
        drop((former, between));
    }

    /// Wakes who waits, if somebody does.
    pub(crate) fn wake(&self) {
        if let Some(waker) = self.0.take() {
            waker.wake();
        }
    }

    /// Nobody waits any more.
    pub(crate) fn clear(&self) {
        drop(self.0.take());
    }
}
