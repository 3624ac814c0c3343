//! User code that the loop could not run while its state was lent: wakes of foreign wakers and drops, done here as soon as
//! the borrow has ended, each under `catch_unwind`.
//!
//! It runs inside the call that lent the state, so only what that call may do belongs here. What must wait for the look-around
//! is in `postponed.rs`.

use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::task::Waker;

use super::context::with;
use super::data::key::NO_SLOT;
use super::data::outbox::AfterPoll;
use super::data::record::TaskLabel;
use super::data::room::trim_queue;
use super::limit;
use super::report::reports::report_panic;
use super::state::{Deferred, State};

#[cold]
pub(super) fn run_deferred() {
    // What these defer in their turn comes after them, and not deeper down the stack: outputs may own each other in a chain.
    while let Some(item) = next_deferred() {
        match item {
            Deferred::Wake(waker) => guard(None, || waker.wake()),
            Deferred::DropWaker(waker) => guard(None, || drop(waker)),
            Deferred::DropVars(vars) => as_nobody(|| drop(vars)),
            Deferred::DropCall(call) => guard(None, || drop(call)),
            Deferred::DropMaker(maker) => guard(None, || drop(maker)),
            Deferred::DropOutput { job, task } => guard(Some(&task), || drop(job)),
        }
    }
}

fn next_deferred() -> Option<Deferred> {
    with(|state| {
        let next = state.deferred.pop_front();
        trim_queue(&mut state.deferred);
        state.runs_deferred = next.is_some();
        next
    })
    .flatten()
}

/// Runs what is no part of the task that may run now: what another task has left.
fn as_nobody(f: impl FnOnce()) {
    let outer = with(|state| {
        let outer = state.step_in();
        state.current = NO_SLOT;
        outer
    });
    limit::unlimited(|| guard(None, f));
    with(|state| {
        if let Some(outer) = outer {
            state.step_out(outer);
        }
    });
}

/// Runs user code that must not stop the loop: its panic is reported.
pub(super) fn guard(task: Option<&TaskLabel>, f: impl FnOnce()) {
    if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(f)) {
        report_panic(task, payload);
    }
}

/// Drops what may panic when dropped, which is reported.
pub(crate) fn drop_reported<T>(value: T) {
    guard(None, || drop(value));
}

/// Wakes `waker`, whose panic, if it is somebody else's, is reported.
pub(crate) fn wake_guarded(waker: Waker) {
    guard(None, || waker.wake());
}

impl State {
    /// Whether something is to be done before the loop may sleep.
    pub(super) fn is_busy(&self) -> bool {
        let has_runnable = !self.queue.is_empty() || !self.deferred.is_empty();
        has_runnable || !self.postponed.is_empty() || !self.outbox.is_empty()
    }
}

/// The number of the poll that runs now, or ran last; `None` where no loop runs.
pub(crate) fn poll_number() -> Option<u64> {
    with(|state| state.outbox.poll())
}

/// Has the loop call `entry` when the poll that runs now has ended or, outside of one, before the next.
pub(crate) fn after_poll(entry: Rc<dyn AfterPoll>) {
    with(|state| state.outbox.push(entry));
}

/// A poll has ended, which may be one inside another, of a group's child or of an eager task.
#[cold]
pub(super) fn run_outbox() {
    while let Some(entry) = with(|state| state.outbox.pop()).flatten() {
        guard(None, || entry.after_poll());
    }
}
