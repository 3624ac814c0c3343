//! The budget of a poll: how many ready operations a task may use before other tasks have their
//! turn.
//!
//! An operation that is ready does not wait, so a loop over such operations would never let another
//! task run. Each operation that is ready takes one unit of the budget. Once the budget is used up,
//! an operation wakes its task and stays pending until the next poll, which has a fresh budget.
//!
//! The budget has a thread-local of its own, because taking the state out and putting it back would
//! cost more than many operations do. Where no loop polls, on a foreign executor or between two
//! rounds, there is no limit.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};

/// How many operations may be ready in one poll of a task.
const BUDGET: u32 = 128;

/// More than a task can use up between two polls.
const UNLIMITED: u32 = u32::MAX;

/// After this many refusals in one poll, the budget is renewed. An executor inside a task polls a
/// refused future again and again, and the loop does not poll the task again before that future has
/// made progress.
const REFUSALS_MAX: u32 = 16;

/// The value that a poll starts with: its budget and, below that, its refusals.
const FULL: u32 = BUDGET + REFUSALS_MAX;

thread_local! {
    /// More than [`REFUSALS_MAX`] while budget is left. Otherwise the number of refusals left.
    static LEFT: Cell<u32> = const { Cell::new(UNLIMITED) };
    /// Whether a loop polls its tasks, further out on the stack.
    static IS_POLLING: Cell<bool> = const { Cell::new(false) };
}

/// Starts a poll of a task.
#[inline]
pub(super) fn renew() {
    LEFT.set(FULL);
}

/// Begins a poll inside the current one, with a budget of its own. Returns the rest of the outer
/// budget.
pub(super) fn step_in() -> u32 {
    LEFT.replace(FULL)
}

/// Returns to the outer poll.
pub(super) fn step_out(left: u32) {
    LEFT.set(left);
}

/// Puts a budget back when dropped, after a panic too.
pub(crate) struct Restore {
    left: u32,
}

impl Drop for Restore {
    fn drop(&mut self) {
        LEFT.set(self.left);
    }
}

/// Starts a round of polls. Until the result is dropped, refused operations have to wait.
pub(super) fn start_round() -> Round {
    Round { _restore: Restore { left: LEFT.get() }, was_polling: IS_POLLING.replace(true) }
}

/// A round of polls. Its drop restores the budget of the code around the loop.
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

/// Takes one unit of the budget. Returns `false` if none is left.
#[inline]
pub(crate) fn spend() -> bool {
    if !some_left() {
        return false;
    }
    take_budget();
    true
}

/// Whether the current poll has budget left.
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

/// Takes one unit of the budget for an operation that was ready. Futures polled inside it may have
/// used up the rest.
#[inline]
pub(crate) fn take_budget() {
    let left = LEFT.get();
    if left > REFUSALS_MAX {
        LEFT.set(left - 1);
    }
}

/// Takes one unit of the current poll's budget and is ready, if any is left. Otherwise wakes `cx`.
///
/// This is for operations that are always ready. [`with_budget`] is for operations that may wait.
pub(crate) fn poll_budget(cx: &mut Context<'_>) -> Poll<()> {
    if spend() {
        return Poll::Ready(());
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// Takes one unit of the budget if `data` is empty. A loop that moves all of `data` does not run
/// then, so no other code would take any.
pub(crate) async fn spend_if_empty(data: &[u8]) {
    if data.is_empty() {
        poll_fn(poll_budget).await;
    }
}

/// The result of reads and writes of no bytes: 0, once they have taken one unit of the budget.
#[cold]
pub(crate) fn poll_no_bytes(cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
    poll_budget(cx).map(|()| Ok(0))
}

/// Calls `poll`, and takes one unit of the budget if it is ready. If none is left, wakes `cx`
/// instead.
///
/// A pending future costs nothing. Otherwise, of many futures that are polled together, the first
/// ones could use the budget up each time without progress, and the others would never be polled.
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

/// Whether budget is left; otherwise wakes `cx`. For code that [`with_budget`] cannot call.
#[inline]
pub(crate) fn may_finish(cx: &Context<'_>) -> bool {
    let some_left = some_left();
    if !some_left {
        cx.waker().wake_by_ref();
    }
    some_left
}

/// Calls `attempt`, and takes one unit of the budget if it returns `true`. Also returns `false` if
/// none is left; the caller then awaits the operation with [`with_budget`].
#[inline]
pub(crate) fn attempt(attempt: impl FnOnce() -> bool) -> bool {
    let left = LEFT.get();
    let did = left > REFUSALS_MAX && attempt();
    if did {
        // An attempt awaits nothing, so the budget has not changed.
        LEFT.set(left - 1);
    }
    did
}
