//! Keeps virtual time from jumping while somebody outside works for the loop: another thread, another process.

use std::mem;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;

use crate::runtime::context::{self, with};
use crate::runtime::data::clock::Nanos;
use crate::runtime::data::key::RunNumber;
use crate::runtime::state::State;

/// As long as it is there, the virtual clock of its loop takes as long to the next deadline as a real one.
#[derive(Debug)]
pub(crate) struct ClockHold {
    run: RunNumber,
}

impl ClockHold {
    /// `None`: the clock of this thread's loop is real, or there is no loop.
    pub(crate) fn new() -> Option<Self> {
        let hold = |state: &mut State| {
            state.clock.hold();
            Self { run: state.run_number() }
        };
        with(|state| state.clock.is_virtual().then(|| hold(state))).flatten()
    }
}

/// On the thread that worked, the loop hears of it.
impl Drop for ClockHold {
    fn drop(&mut self) {
        context::at_home(self.run, |state| state.clock.let_go());
    }
}

/// Holds the clock from a poll that has to wait to the one that is ready. `hold` belongs to the future, and goes with it. No lock may
/// be held meanwhile: what was deferred may run.
pub(crate) fn hold_while_pending<T>(hold: &mut Option<ClockHold>, polled: Poll<T>) -> Poll<T> {
    match polled {
        Poll::Pending if hold.is_none() => *hold = ClockHold::new(),
        Poll::Pending => {}
        Poll::Ready(_) => *hold = None,
    }
    polled
}

/// A hold for callers without a future to keep it in, such as `poll_read`. A wait that such a caller
/// gives up counts until it polls again, or this is dropped.
#[derive(Debug, Default)]
pub(crate) struct HandleHold(Mutex<Option<ClockHold>>);

impl HandleHold {
    /// Like [`hold_while_pending`].
    pub(crate) fn while_pending<T>(&self, polled: Poll<T>) -> Poll<T> {
        // What was deferred may run in between, so the lock is not kept.
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

/// Lets the virtual clock of this thread's loop go on by so much, whoever holds it up.
pub(crate) fn ask_for(duration: Nanos) {
    with(|state| state.clock.ask_for(state.clock.now().saturating_add(duration)));
}
