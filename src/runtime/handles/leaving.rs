//! Leaving: how cleanups come to their task, and how other code waits for them.

use std::future::poll_fn;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use super::cleaner::report_and_discard;
use super::task::TaskHandle;
use crate::runtime::context::{self, candidate, drop_caught, with, with_loop};
use crate::runtime::data::cleanups::{BoxedCleanup, Origin};
use crate::runtime::data::clock;
use crate::runtime::data::key::{HandleKey, RunNumber};
use crate::runtime::data::record::Place;
use crate::runtime::data::waiter::Waiter;
use crate::runtime::event_loop::{Park, PollMain, Turn, parked};
use crate::runtime::report::reports::{report_unhandled, why_hurried};
use crate::runtime::report::unhandled::Unhandled;
use crate::runtime::state::State;

/// Leaves a cleanup to the current task of this thread's loop, or to main if no task is current. If
/// no loop can run it any more, it is dropped and reported.
pub(crate) fn leave_cleanup(future: BoxedCleanup, place: Place) {
    leave(future, Origin::Guard(place), false);
}

/// Like [`leave_cleanup`], for a future that only waits for something that ends by itself. It
/// begins at once, regardless of earlier cleanups.
pub(crate) fn leave_end(future: BoxedCleanup, place: Place) {
    leave(future, Origin::Guard(place), true);
}

/// Like [`leave_end`], for a future that waits for the call on another thread made at `place`.
/// Reports name the call.
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

/// Makes the current task wait for the cleanups of `owner`, which is gone. If the current task may
/// not wait, those cleanups are cut off too.
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

/// Makes the current task wait for `future`, which limits its time and reports its failures itself.
pub(crate) fn leave_wait_for(future: impl Future<Output = ()> + 'static) {
    let wait = async move {
        future.await;
        None
    };
    leave(Box::pin(wait), Origin::Elsewhere, true);
}

/// Makes the current task wait until these tasks, which were cancelled, have ended. Tasks that wait
/// for the current task themselves are left out.
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

/// The unfinished cleanups that the current task has left so far.
pub(crate) fn left_cleanups() -> Option<LeftCleanups> {
    with(|state| state.left_cleanups(state.cleanup_owner())).flatten()
}

/// For main: drops the cleanups that main has left and all errands soon, and allows main no more.
/// The reports give `why`, a clause, as the reason.
pub(crate) fn cut_off_cleanups(why: &'static str) {
    with(|state| {
        state.cleaning.why_hurried = Some(why);
        state.cut_off(state.cleanup_owner());
        state.cut_off_errands();
    });
}

/// Makes main wait for everything that the values of the layers above leave when the loop ends.
pub(crate) fn close_locals() {
    for local in with(|state| state.locals.all()).unwrap_or_default() {
        if let Some(future) = local.close() {
            leave(future, Origin::Elsewhere, true);
        }
    }
}

/// The interval at which [`await_locals`] asks whether it still has to wait.
const ASK_AGAIN: Duration = Duration::from_millis(5);

/// Blocks while the drop of a value of the layers above would block this thread. Once `hurry` is
/// ready, these values have no time left.
///
/// The values wait for other threads, and not by the loop's clock, which may be virtual, so this is
/// not part of the loop's turns.
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

/// Like [`await_locals`], for a loop whose host waits: parks if there is something to wait for.
pub(crate) fn turn_for_locals(hurry: &mut PollMain<'_>) -> Option<Turn> {
    if hurry(&mut Context::from_waker(Waker::noop())).is_ready() {
        with(|state| state.cleaning.timeout = 0);
        return None;
    }
    let locals = with(|state| state.locals.all()).unwrap_or_default();
    if !locals.iter().any(|local| local.is_busy()) {
        return None;
    }
    let deadline = clock::real_now().saturating_add(clock::nanos(ASK_AGAIN));
    with(|state| parked(state, Some(deadline), Park::InHost))
}

/// A wait for cleanups that no other code waits for.
struct OwnWait {
    left: LeftCleanups,
    owner: HandleKey,
    /// The task that waits.
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

/// If the wait is dropped before the tasks have ended, they have no time left either.
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
    /// Makes the current task wait for the end of the task in `slot`. Returns `false` if that task
    /// has ended, or waits for the current one.
    fn await_end(&mut self, slot: u32) -> bool {
        let owner = self.cleanup_owner();
        let waits = self.tasks.is_living(slot) && !self.cleaning.awaits(slot, owner);
        if waits {
            self.cleaning.add_awaited(owner, slot);
        }
        waits
    }

    /// The unfinished cleanups that the task in `slot` has left.
    pub(crate) fn left_cleanups(&mut self, slot: u32) -> Option<LeftCleanups> {
        let cleanups = self.cleaning.of_tasks.get_mut(slot)?;
        let wait = self.cleaning.waits.add();
        cleanups.waits.push(wait);
        Some(LeftCleanups { run: self.run_number(), wait })
    }
}

/// A wait for cleanups that were left.
#[derive(Debug)]
pub(crate) struct LeftCleanups {
    run: RunNumber,
    wait: u32,
}

impl LeftCleanups {
    /// Ready when the cleanups have ended, or were cut off.
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
            // If its loop does not run here, there is nothing to wait for.
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

/// Calls `f`, which drops something. Returns a wait for the cleanups that the drop has left to the
/// current task, and for the waits that it gave up, if there are any.
pub(crate) fn dropping(f: impl FnOnce()) -> Option<LeftCleanups> {
    let collecting = Collecting::new();
    f();
    collecting?.end()
}

/// While this exists, new cleanups count for one wait.
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

/// This also runs after a panic. The wait then has no holder, and goes with the last cleanup.
impl Drop for Collecting {
    fn drop(&mut self) {
        let end = |state: &mut State| {
            state.cleaning.waits.collector = self.outer;
            // The wait counted itself as one thing, so that it could not end early.
            state.tell_wait(self.wait);
        };
        with_loop(self.run, end).ok();
    }
}
