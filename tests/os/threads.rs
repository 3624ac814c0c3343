//! Calls on other threads, and what comes from there.

#![expect(clippy::unwrap_used, reason = "these are tests, and their helpers")]

mod pool;
mod to_thread;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use oneloop::{Builder, Unhandled};

const MS: Duration = Duration::from_millis(1);

/// Holds calls up until it is dropped.
struct Gate {
    open: Option<Sender<()>>,
}

/// The other side of a gate, for one call.
struct Waiting(Receiver<()>);

fn gate() -> (Gate, Waiting) {
    let (sender, receiver) = channel();
    (Gate { open: Some(sender) }, Waiting(receiver))
}

impl Gate {
    fn open(&mut self) {
        self.open = None;
    }
}

impl Waiting {
    /// Until the gate is open.
    fn pass(self) {
        assert!(self.0.recv().is_err());
    }
}

type Reports = Rc<RefCell<Vec<Unhandled>>>;

/// A builder whose loop notes what is unhandled.
fn reporting() -> (Builder, Reports) {
    let reports = Reports::default();
    let log = Rc::clone(&reports);
    let builder =
        Builder::new().on_unhandled(move |unhandled| log.borrow_mut().push(unhandled.clone()));
    (builder, reports)
}
