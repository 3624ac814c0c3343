//! Wakes of foreign wakers, and drops, that the loop could not run while its state was lent. They
//! run here as soon as the borrow has ended, each under `catch_unwind`.
//!
//! They run inside the call that lent the state, so only work that this call may do belongs here.
//! Work that must wait for the look around is in `postponed.rs`.

use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::task::Waker;

use super::context::with;
use super::data::key::NO_SLOT;
use super::data::outbox::AfterPoll;
use super::data::record::TaskLabel;
use super::data::room::trim_queue;
use super::host::ask_host;
use super::limit;
use super::report::reports::report_panic;
use super::state::{Deferred, State};

#[cold]
pub(super) fn run_deferred() {
    let mut asks_host = false;
    // Work deferred by this work runs after it, not deeper in the stack: outputs may own each other
    // in a chain.
    while let Some(item) = next_deferred() {
        match item {
            Deferred::Wake(waker) => guard(None, || waker.wake()),
            Deferred::DropWaker(waker) => guard(None, || drop(waker)),
            Deferred::DropVars(vars) => as_nobody(|| drop(vars)),
            Deferred::DropCalls(mut calls) => {
                while let Some(call) = calls.pop() {
                    guard(None, || drop(call));
                }
            }
            Deferred::DropMaker(maker) => guard(None, || drop(maker)),
            Deferred::DropOutput { job, task } => guard(Some(&task), || drop(job)),
            Deferred::AskHost => asks_host = true,
        }
    }
    if asks_host {
        ask_host();
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

/// Runs code that is not part of the current task: another task has left it.
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

/// Runs user code that must not stop the loop. Reports its panic.
pub(super) fn guard(task: Option<&TaskLabel>, f: impl FnOnce()) {
    if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(f)) {
        report_panic(task, payload);
    }
}

/// Drops `value`. Reports a panic of the drop.
pub(crate) fn drop_reported<T>(value: T) {
    guard(None, || drop(value));
}

/// Wakes `waker`. Reports a panic, which only a foreign waker can cause.
pub(crate) fn wake_guarded(waker: Waker) {
    guard(None, || waker.wake());
}

impl State {
    /// Whether there is work to do before the loop may sleep.
    pub(super) fn is_busy(&self) -> bool {
        let has_runnable = !self.queue.is_empty() || !self.deferred.is_empty();
        has_runnable || !self.postponed.is_empty() || !self.outbox.is_empty()
    }
}

/// The number of the poll that runs now, or ran last. Returns `None` if no loop runs.
pub(crate) fn poll_number() -> Option<u64> {
    with(|state| state.outbox.poll())
}

/// Makes the loop call `entry` at the end of the current poll or, outside of one, before the next.
pub(crate) fn after_poll(entry: Rc<dyn AfterPoll>) {
    with(|state| state.outbox.push(entry));
}

/// Runs the work for the end of a poll. The poll may be inside another one: of a group's child, or
/// of an eager task.
#[cold]
pub(super) fn run_outbox() {
    while let Some(entry) = with(|state| state.outbox.pop()).flatten() {
        guard(None, || entry.after_poll());
    }
}
