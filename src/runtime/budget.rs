//! The budget of a poll: how much that is ready at once a task may take before the others have their turn.
//!
//! An operation that is ready does not wait, so a loop over such operations would never let anybody else run. Everything that
//! can be awaited takes a bit of the budget when it is ready. Once nothing is left, it wakes its task and stays pending until the
//! next poll, which has a fresh budget.
//!
//! The budget lies in a thread-local of its own: to take the state out and put it back would cost more than many operations do.
//! Where no loop polls, on a foreign executor or between two rounds, there is no limit.

use std::cell::Cell;
use std::task::{Context, Poll};

/// How many operations may be ready in one poll of a task.
const BUDGET: u32 = 128;

/// More than can be used up between two polls.
const UNLIMITED: u32 = u32::MAX;

/// After so many refusals in one poll there is another budget. An executor inside a task polls what was refused again and again,
/// and its task's next poll does not come before it has got on.
const REFUSALS_MAX: u32 = 16;

/// What a poll starts with: its budget, and below that its refusals.
const FULL: u32 = BUDGET + REFUSALS_MAX;

thread_local! {
    /// More than [`REFUSALS_MAX`] while something is left. Below, so many refusals are left.
    static LEFT: Cell<u32> = const { Cell::new(UNLIMITED) };
    /// A loop polls its tasks, further out on the stack.
    static IS_POLLING: Cell<bool> = const { Cell::new(false) };
}

/// A poll of a task begins.
#[inline]
pub(super) fn renew() {
    LEFT.set(FULL);
}

/// Something else is polled inside the current poll, with a budget of its own. Returns what is left of the outer one.
pub(super) fn step_in() -> u32 {
    LEFT.replace(FULL)
}

/// The outer poll goes on.
pub(super) fn step_out(left: u32) {
    LEFT.set(left);
}

/// Puts a budget back when dropped, also by a panic.
pub(crate) struct Restore {
    left: u32,
}

impl Drop for Restore {
    fn drop(&mut self) {
        LEFT.set(self.left);
    }
}

/// A round of polls begins. Until the result is dropped, what is refused has to wait.
pub(super) fn start_round() -> Round {
    Round { _restore: Restore { left: LEFT.get() }, was_polling: IS_POLLING.replace(true) }
}

/// A round of polls; afterwards the budget is that of the code around the loop.
pub(super) struct Round {
    _restore: Restore,
    was_polling: bool,
}

impl Drop for Round {
    fn drop(&mut self) {
        IS_POLLING.set(self.was_polling);
    }
}

/// Lifts the limit until the result is dropped.
pub(crate) fn lift() -> Restore {
    Restore { left: LEFT.replace(UNLIMITED) }
}

/// Takes a bit of the budget. `false`: there is none left.
#[inline]
pub(crate) fn spend() -> bool {
    if !some_left() {
        return false;
    }
    take_budget();
    true
}

/// Whether something is left of the current poll's budget.
#[inline]
pub(crate) fn has_budget() -> bool {
    LEFT.get() > REFUSALS_MAX
}

#[inline]
fn some_left() -> bool {
    has_budget() || refill()
}

#[cold]
fn refill() -> bool {
    let refusals = LEFT.get();
    let left = match IS_POLLING.get() {
        false => UNLIMITED,
        true if refusals == 0 => FULL,
        true => refusals - 1,
    };
    LEFT.set(left);
    left > REFUSALS_MAX
}

/// Something was ready. What is polled inside may have used up the rest.
#[inline]
pub(crate) fn take_budget() {
    let left = LEFT.get();
    if left > REFUSALS_MAX {
        LEFT.set(left - 1);
    }
}

/// Ready if something is left of the current poll's budget, of which this takes a bit. Otherwise wakes `cx`.
///
/// For what is ready whenever it is polled. [`with_budget`] is for what may have to wait.
pub(crate) fn poll_budget(cx: &mut Context<'_>) -> Poll<()> {
    if spend() {
        return Poll::Ready(());
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// Calls `poll`, which takes a bit of the budget if it is ready. Once nothing is left, wakes `cx` instead.
///
/// What is pending costs nothing. Otherwise the first futures of many that are polled together could use the budget up each time,
/// without getting on, and the others would never be polled.
#[inline]
pub(crate) fn with_budget<T>(
    cx: &mut Context<'_>,
    poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
) -> Poll<T> {
    if !some_left() {
        cx.waker().wake_by_ref();
        return Poll::Pending;
    }
    let polled = poll(cx);
    if polled.is_ready() {
        take_budget();
    }
    polled
}

/// Whether something is left of the budget; otherwise wakes `cx`. For what cannot be called by [`with_budget`].
#[inline]
pub(crate) fn may_finish(cx: &Context<'_>) -> bool {
    let some_left = some_left();
    if !some_left {
        cx.waker().wake_by_ref();
    }
    some_left
}

/// Calls `attempt`, which takes a bit of the budget if it says that it did something. `false` also where nothing is left: then
/// the caller awaits it, by [`with_budget`].
#[inline]
pub(crate) fn attempt(attempt: impl FnOnce() -> bool) -> bool {
    let left = LEFT.get();
    let did = left > REFUSALS_MAX && attempt();
    if did {
        // Whatever the attempt is, it awaits nothing, so the budget is the same.
        LEFT.set(left - 1);
    }
    did
}
