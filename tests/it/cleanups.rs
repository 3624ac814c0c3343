//! `with_cleanup` and `shield`: cleanups are awaited, however the task ends.

mod failures;
mod guards;
mod hostile;
mod limits;
mod shields;
mod side_by_side;

use std::cell::RefCell;
use std::rc::Rc;

/// The events, in order.
#[derive(Clone, Default)]
pub(crate) struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    pub(crate) fn add(&self, entry: impl Into<String>) {
        self.0.borrow_mut().push(entry.into());
    }

    pub(crate) fn take(&self) -> Vec<String> {
        self.0.take()
    }
}
