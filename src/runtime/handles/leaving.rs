//! Leaving: how cleanups come to their task, and how somebody waits for them.

use std::future::poll_fn;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use super::cleaner::report_and_discard;
use super::task::TaskHandle;
use crate::runtime::context::{self, candidate, drop_caught, with, with_loop};
use crate::runtime::data::cleanups::{BoxedCleanup, Origin};
use crate::runtime::data::key::{HandleKey, RunNumber};
use crate::runtime::data::record::Place;
use crate::runtime::data::waiter::Waiter;
use crate::runtime::event_loop::PollMain;
use crate::runtime::report::reports::{report_unhandled, why_hurried};
use crate::runtime::report::unhandled::Unhandled;
use crate::runtime::state::State;

/// Leaves a cleanup to the current task of this thread's loop; to main where none is current. It is dropped, and that is
/// reported, where no loop can run it any more.
pub(crate) fn leave_cleanup(future: BoxedCleanup, place: Place) {
    leave(future, Origin::Guard(place), false);
}

/// As [`leave_cleanup`], for one that only waits for what ends by itself: it begins at once, whatever was left before.
pub(crate) fn leave_end(future: BoxedCleanup, place: Place) {
    leave(future, Origin::Guard(place), true);
}

/// As [`leave_end`], for a future that waits for the call on another thread made at `place`: what is reported is the call.
pub(crate) fn leave_call(future: BoxedCleanup, place: Place) {
    leave(future, Origin::Call(place), true);
}

fn leave(future: BoxedCleanup, origin: Origin, starts_at_once: bool) {
    let mut future = Some(future);
    let refused = with(|state| {
        if let Some(over) = state.refuses_cleanup() {
            return Some((state.label_of_cleanup(), over));
        }
        if let Some(future) = future.take() {
            state.accept_cleanup(future, origin, starts_at_once);
        }
        None
    });
    if let Some(payload) = drop_caught(future.take()) {
        report_and_discard(None, origin, payload);
    }
    match (origin, refused) {
        (_, Some(None)) | (Origin::Elsewhere, _) => {}
        (Origin::Guard(place), Some(Some((owner, over)))) => {
            report_unhandled(Unhandled::too_late(Some(&owner), place, over));
        }
        (Origin::Guard(place), None) => report_unhandled(Unhandled::skipped(place)),
        (Origin::Call(place), _) => {
            report_unhandled(Unhandled::wait_cut_off(place, why_hurried()));
        }
    }
}

/// Leaves to the current task that it waits for cleanups of somebody else, who is no more. Where it may not wait, they have
/// no time left either.
pub(crate) fn leave_wait(left: LeftCleanups, owner: HandleKey) {
    let HandleKey { run, slot } = owner;
    let waiting = with_loop(run, |state| {
        let task = state.cleanup_owner();
        state.cleaning.add_awaited(task, slot);
        task
    });
    let Ok(task) = waiting else { return };
    let wait = OwnWait { left, owner, task };
    let wait = async move {
        poll_fn(|cx| wait.left.poll_done(cx)).await;
        None
    };
    leave(Box::pin(wait), Origin::Elsewhere, true);
}

/// Leaves to the current task that it waits for `future`, which limits its time and reports its failures itself.
pub(crate) fn leave_wait_for(future: impl Future<Output = ()> + 'static) {
    let wait = async move {
        future.await;
        None
    };
    leave(Box::pin(wait), Origin::Elsewhere, true);
}

/// Leaves to the current task that it waits until these tasks, which were cancelled, have ended. One that waits for the
/// current task in its turn is not waited for.
pub(crate) fn leave_tasks(tasks: Vec<TaskHandle>) {
    let waits = |task: &TaskHandle| {
        let HandleKey { run, slot } = task.key();
        with_loop(run, |state| state.await_end(slot)).unwrap_or(false)
    };
    let tasks: Vec<_> = tasks.into_iter().filter(waits).collect();
    if tasks.is_empty() {
        return;
    }
    let owner = with(|state| state.cleanup_owner()).unwrap_or_default();
    let wait = EndOfTasks { tasks, owner };
    let wait = async move {
        for task in &wait.tasks {
            poll_fn(|cx| task.poll_finished(cx)).await;
        }
        None
    };
    leave(Box::pin(wait), Origin::Elsewhere, true);
}

/// Those that the current task has left until now and that have not been done.
pub(crate) fn left_cleanups() -> Option<LeftCleanups> {
    with(|state| state.left_cleanups(state.cleanup_owner())).flatten()
}

/// Drops the cleanups that main has left, which calls this, and all errands, soon; main may leave no more. The reports say
/// `why`, as a clause.
pub(crate) fn cut_off_cleanups(why: &'static str) {
    with(|state| {
        state.cleaning.why_hurried = Some(why);
        state.cut_off(state.cleanup_owner());
        state.cut_off_errands();
    });
}

/// Leaves to main what the layers above have to wait for when the loop ends.
pub(crate) fn close_locals() {
    for local in with(|state| state.locals.all()).unwrap_or_default() {
        if let Some(future) = local.close() {
            leave(future, Origin::Elsewhere, true);
        }
    }
}

/// So often is it asked whether there is still something to wait for.
const ASK_AGAIN: Duration = Duration::from_millis(5);

/// Waits while the drop of what the layers above keep would block this thread; once `hurry` is ready, they have no time left.
///
/// They wait for other threads, and not by the loop's clock, which may be virtual: so it is no part of the loop's turns.
pub(crate) fn await_locals(hurry: &mut PollMain<'_>) {
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if hurry(&mut cx).is_ready() {
            with(|state| state.cleaning.timeout = 0);
            return;
        }
        let locals = with(|state| state.locals.all()).unwrap_or_default();
        if !locals.iter().any(|local| local.is_busy()) {
            return;
        }
        thread::sleep(ASK_AGAIN);
    }
}

/// Nobody else waits for these.
struct OwnWait {
    left: LeftCleanups,
    owner: HandleKey,
    /// Who waits.
    task: u32,
}

impl Drop for OwnWait {
    fn drop(&mut self) {
        let HandleKey { run, slot } = self.owner;
        let cut_off = |state: &mut State| {
            state.cleaning.forget_awaited(self.task, slot);
            if self.left.is_pending(state) {
                state.cut_off(slot);
            }
        };
        with_loop(run, cut_off).ok();
    }
}

/// Tasks whose end `owner` waits for.
struct EndOfTasks {
    tasks: Vec<TaskHandle>,
    owner: u32,
}

/// Dropped before they have ended, they have no time left either.
impl Drop for EndOfTasks {
    fn drop(&mut self) {
        for task in &self.tasks {
            let HandleKey { run, slot } = task.key();
            let forget = |state: &mut State| {
                state.cleaning.forget_awaited(self.owner, slot);
                if state.tasks.is_living(slot) {
                    state.cut_off(slot);
                }
            };
            with_loop(run, forget).ok();
        }
    }
}

impl State {
    /// The current task is to wait for the end of the task in `slot`. `false`: that has ended, or waits for this one.
    fn await_end(&mut self, slot: u32) -> bool {
        let owner = self.cleanup_owner();
        let waits = self.tasks.is_living(slot) && !self.cleaning.awaits(slot, owner);
        if waits {
            self.cleaning.add_awaited(owner, slot);
        }
        waits
    }

    /// Those that the task in `slot` has left and that have not been done.
    pub(crate) fn left_cleanups(&mut self, slot: u32) -> Option<LeftCleanups> {
        let cleanups = self.cleaning.of_tasks.get_mut(slot)?;
        let wait = self.cleaning.waits.add();
        cleanups.waits.push(wait);
        Some(LeftCleanups { run: self.run_number(), wait })
    }
}

/// Cleanups that were left behind, to be waited for.
#[derive(Debug)]
pub(crate) struct LeftCleanups {
    run: RunNumber,
    wait: u32,
}

impl LeftCleanups {
    /// Ready when they have been done, or cut off.
    pub(crate) fn poll_done(&self, cx: &Context<'_>) -> Poll<()> {
        let run = self.run;
        let candidate = candidate(cx.waker());
        let found = with_loop(run, |state| {
            self.is_pending(state).then(|| state.set_waiter(&candidate, |state| self.place(state)))
        });
        match found {
            Ok(Some(is_set)) => {
                if !is_set {
                    context::wait_cloned(run, cx.waker(), |state| self.place(state));
                }
                Poll::Pending
            }
            // Where its loop does not run there is nothing to wait for.
            Ok(None) | Err(_) => Poll::Ready(()),
        }
    }

    fn is_pending(&self, state: &State) -> bool {
        state.cleaning.waits.is_pending(self.wait)
    }

    fn place<'a>(&self, state: &'a mut State) -> Option<&'a mut Waiter> {
        state.cleaning.waits.waiter(self.wait)
    }
}

impl Drop for LeftCleanups {
    fn drop(&mut self) {
        let give_up = |state: &mut State| {
            let waiter = state.cleaning.waits.give_up(self.wait);
            state.release(waiter);
        };
        with_loop(self.run, give_up).ok();
    }
}

/// Calls `f`, which drops something. Returns the cleanups that this has left to the current task, or that it waited for, if any.
pub(crate) fn dropping(f: impl FnOnce()) -> Option<LeftCleanups> {
    let collecting = Collecting::new();
    f();
    collecting?.end()
}

/// While this is there, what is left counts for one wait.
struct Collecting {
    run: RunNumber,
    wait: u32,
    outer: Option<u32>,
}

impl Collecting {
    fn new() -> Option<Self> {
        with(|state| {
            let wait = state.cleaning.waits.add();
            let outer = state.cleaning.waits.collector.replace(wait);
            Self { run: state.run_number(), wait, outer }
        })
    }

    fn end(self) -> Option<LeftCleanups> {
        let left = LeftCleanups { run: self.run, wait: self.wait };
        drop(self);
        let is_pending = with_loop(left.run, |state| left.is_pending(state)).unwrap_or(false);
        is_pending.then_some(left)
    }
}

/// Also by a panic, after which the wait has no holder and goes with the last cleanup.
impl Drop for Collecting {
    fn drop(&mut self) {
        let end = |state: &mut State| {
            state.cleaning.waits.collector = self.outer;
            // The wait counted as one thing itself, so that it did not end meanwhile.
            state.tell_wait(self.wait);
        };
        with_loop(self.run, end).ok();
    }
}
