//! Keeps virtual time from jumping while another thread or another process works for the loop.

use std::mem;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;

use crate::runtime::context::{self, with};
use crate::runtime::data::clock::Nanos;
use crate::runtime::data::key::RunNumber;
use crate::runtime::state::State;

/// While this exists, the virtual clock of its loop takes as long to reach the next deadline as a
/// real one.
#[derive(Debug)]
pub(crate) struct ClockHold {
    run: RunNumber,
}

impl ClockHold {
    /// Returns `None` if the clock of this thread's loop is real, or if there is no loop.
    pub(crate) fn new() -> Option<Self> {
        let hold = |state: &mut State| {
            state.clock.hold();
            Self { run: state.run_number() }
        };
        with(|state| state.clock.is_virtual().then(|| hold(state))).flatten()
    }
}

/// If this is dropped on another thread, the loop hears of it by mail.
impl Drop for ClockHold {
    fn drop(&mut self) {
        context::at_home(self.run, |state| state.clock.let_go());
    }
}

/// Holds the clock from a poll that has to wait until the poll that is ready. `hold` belongs to the
/// future, and goes with it. The caller must hold no lock, because deferred code may run.
pub(crate) fn hold_while_pending<T>(hold: &mut Option<ClockHold>, polled: Poll<T>) -> Poll<T> {
    match polled {
        Poll::Pending if hold.is_none() => *hold = ClockHold::new(),
        Poll::Pending => {}
        Poll::Ready(_) => *hold = None,
    }
    polled
}

/// A hold for callers without a future to keep it in, such as `poll_read`. If such a caller
/// abandons a wait, the hold remains until the caller polls again or drops this.
#[derive(Debug, Default)]
pub(crate) struct HandleHold(Mutex<Option<ClockHold>>);

impl HandleHold {
    /// Like [`hold_while_pending`].
    pub(crate) fn while_pending<T>(&self, polled: Poll<T>) -> Poll<T> {
        // Deferred code may run in between, so this does not keep the lock.
        let mut hold = self.replace(None);
        let polled = hold_while_pending(&mut hold, polled);
        drop(self.replace(hold));
        polled
    }

    fn replace(&self, hold: Option<ClockHold>) -> Option<ClockHold> {
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        mem::replace(&mut *place, hold)
    }
}

/// Lets the virtual clock of this thread's loop advance by `duration`, despite any holds.
pub(crate) fn ask_for(duration: Nanos) {
    with(|state| state.clock.ask_for(state.clock.now().saturating_add(duration)));
}
