//! The end of the loop: it cancels everything, and awaits the cleanups that this leaves, for a
//! limited time.

use std::mem::{self, ManuallyDrop};
use std::task::Poll;
use std::thread;

use super::context::with;
use super::data::clock::Nanos;
use super::data::job::BoxedJob;
use super::data::key::TaskNumber;
use super::data::record::CancelReason;
use super::data::tasks::MAIN;
use super::data::waiter::Waiter;
use super::deferred::drop_reported;
use super::event_loop::{Park, PollMain, Turn, look_around, park_in_hook, round};
use super::postponed::{Report, deliver};
use super::state::{Deferred, State};
use super::threads::calls::Calls;

/// The end of the loop: cancels every task, waits for their cleanups, and refuses new tasks. Once
/// `hurry` is ready, it stops waiting.
pub(super) fn close(hurry: &mut PollMain<'_>) {
    let mut end = End::start();
    while end.turn(hurry, Park::Here).is_some() {}
}

/// Drops everything that ended tasks and unread calls still hold, and the futures of tasks that
/// these drops create.
pub(super) fn drop_what_is_left() {
    loop {
        with(State::drop_what_is_left);
        if !drop_refused() {
            return;
        }
    }
}

/// The most futures that a closing loop drops. It leaks the rest, because a drop that always
/// creates the next task has to end somewhere.
const REFUSED_MAX: u32 = 100_000;

/// Drops the futures of tasks that were created while the loop closes, one level at a time. Returns
/// `false` if there were none.
///
/// `create_task` does not drop them, because such a drop may create the next task, and the drops
/// would nest on the stack.
fn drop_refused() -> bool {
    let mut some = false;
    while with(|state| !state.refused.is_empty()).unwrap_or(false) {
        let level = with(|state| mem::take(&mut state.refused)).unwrap_or_default();
        some = true;
        level.into_iter().for_each(drop_reported);
    }
    some
}

impl State {
    /// Defers the drop of everything that ended tasks with a handle still hold, and of everything
    /// that was sent and not read.
    fn drop_what_is_left(&mut self) {
        if !self.holds_nothing() {
            self.defer_what_it_holds();
        }
        if self.registered.is_closed() {
            return;
        }
        let (unread, unpark) = self.registered.close();
        self.defer_calls(unread);
        self.deferred.extend(unpark.map(Deferred::DropWaker));
    }

    fn defer_what_it_holds(&mut self) {
        // Main, the first task, leaves nothing.
        let slots: Vec<u32> = self.tasks.all().skip(1).collect();
        for slot in slots {
            self.defer_unclaimed_of(slot);
        }
        self.deferred.extend(self.vars.drain().map(Deferred::DropVars));
        self.deferred.extend(self.cleaning.take_makers().map(Deferred::DropMaker));
        let calls = self.postponed.take_calls();
        self.defer_calls(calls);
        self.deferred.extend(self.foreign.drain().map(Deferred::DropWaker));
    }

    fn defer_calls(&mut self, calls: Calls) {
        if !calls.is_empty() {
            self.deferred.push_back(Deferred::DropCalls(Box::new(calls)));
        }
    }

    /// Whether there is nothing to drop, which is usual.
    fn holds_nothing(&self) -> bool {
        let has_tasks = self.tasks.slots.len() > 1;
        let has_values = self.vars.is_used() || self.cleaning.has_makers();
        !(has_tasks || has_values || self.postponed.has_calls() || self.foreign.has_some())
    }

    /// Takes the future of a task that is created while the loop closes.
    pub(super) fn refuse(&mut self, job: BoxedJob) {
        self.refused_count = self.refused_count.saturating_add(1);
        if self.refused_count == REFUSED_MAX {
            self.postponed.report(Report::Warning(format!(
                "{REFUSED_MAX} tasks were created while the event loop ended, and the futures of later ones are leaked: does the \
                 drop of a future create tasks without end?"
            )));
        }
        if self.refused_count < REFUSED_MAX {
            self.refused.push(job);
        } else {
            let _leaked = ManuallyDrop::new(job);
        }
    }
}

/// Passes over the run queue before the cleanup timeout starts. The first drops every task; the
/// second starts the cleanups they left.
const PASSES: u32 = 2;

/// How often to cancel tasks that cleanups have created. Such a task may leave a cleanup that
/// creates another one, without end.
const SWEEPS_MAX: u32 = 64;

/// The progress of the end of the loop.
#[derive(Default)]
pub(super) struct End {
    passes: u32,
    deadline: Option<Nanos>,
    is_hurried: bool,
    sweeps: u32,
    /// The number of the next task when all tasks were last cancelled.
    swept: Option<TaskNumber>,
}

impl End {
    /// Cancels every task. From now on new ones are refused.
    pub(super) fn start() -> Self {
        with(|state| {
            state.closing = true;
            // This is still set if the loop itself has panicked.
            state.running_since = None;
            state.cancel_all();
            if state.tasks.living() > 0 {
                state.start_rounds();
                state.queue(MAIN);
            }
        });
        Self::default()
    }

    /// Makes one turn. Returns `None` if no task is left.
    pub(super) fn turn(&mut self, hurry: &mut PollMain<'_>, park: Park) -> Option<Turn> {
        if with(|state| state.tasks.living()).unwrap_or(0) == 0 {
            with(|state| state.cleaning.is_over = true);
            drop_what_is_left();
            return None;
        }
        // Every task is queued now, and only cleaners can follow. Main has finished; its slot marks
        // when the queue has gone round once.
        let _no_main = round(&mut |cx| {
            self.passes += 1;
            if self.passes < PASSES {
                cx.waker().wake_by_ref();
            }
            self.is_hurried = self.is_hurried || hurry(cx).is_ready();
            Poll::Pending
        });
        drop_refused();
        let turn = with(|state| self.wait_for_cleanups(state, park));
        park_in_hook();
        deliver(0);
        turn.or(Some(Turn::Busy))
    }

    /// Waits until something happens, but not longer than cleanups may take.
    fn wait_for_cleanups(&mut self, state: &mut State, park: Park) -> Turn {
        if state.tasks.living() == 0 {
            state.stop_rounds();
            return Turn::Busy;
        }
        if self.sweep(state) {
            return Turn::Busy;
        }
        if state.is_busy() && self.passes < PASSES {
            return Turn::Busy;
        }
        let now = state.clock.now();
        let deadline = *self.deadline.get_or_insert_with(|| {
            let limit = if thread::panicking() { 0 } else { state.cleaning.timeout };
            let deadline = now.saturating_add(limit);
            // The timer wakes main, which has finished, and this ends the park.
            let main = Waiter::of_key(state.key_of_main());
            state.timers().arm(deadline, main);
            deadline
        });
        if now >= deadline || self.is_hurried {
            if !state.cleaning.is_over {
                state.cancel_all();
            }
            state.cut_off_all();
            Turn::Busy
        } else {
            look_around(state, 0, park)
        }
    }

    /// Once no cleanup is left, cancels the tasks that cleanups have created. Returns `false` if
    /// there were none.
    fn sweep(&mut self, state: &mut State) -> bool {
        let next = Some(state.tasks.number_to_come());
        if !state.cleaning.of_tasks.is_empty() || self.swept == next {
            return false;
        }
        self.swept = next;
        let some = state.cancel_all();
        self.sweeps += u32::from(some);
        if self.sweeps > SWEEPS_MAX {
            state.cut_off_all();
        }
        some
    }
}

impl State {
    /// Whether no task can be created any more: the loop is ending, and no cleanup that could need
    /// one is under way.
    pub(super) fn refuses_tasks(&self) -> bool {
        self.closing && (self.cleaning.is_over || self.cleaning.of_tasks.is_empty())
    }

    /// Marks every task for cancellation. Returns `false` if no task was left to mark.
    fn cancel_all(&mut self) -> bool {
        if self.tasks.living() == 0 {
            return false;
        }
        let slots: Vec<u32> = self.tasks.all_but_children().collect();
        let mut some = false;
        for slot in slots {
            if self.tasks.mark_cancelled(slot, CancelReason::LoopEnded) {
                self.queue(slot);
                some = true;
            }
        }
        some
    }
}

/// Runs the loop until every cleanup and every errand that main has to wait for has ended.
pub(super) fn await_what_main_left() {
    start_waiting_for_main();
    while turn_after_main(Park::Here).is_some() {}
}

/// Main has ended, but may have left cleanups and errands.
pub(super) fn start_waiting_for_main() {
    with(|state| {
        state.await_errands();
        if state.is_left_by_main() && state.is_inherited() {
            state.disown();
        }
    });
}

/// Makes one turn. Returns `None` if main has nothing left to wait for.
pub(super) fn turn_after_main(park: Park) -> Option<Turn> {
    if !with(|state| state.is_left_by_main()).unwrap_or(false) {
        return None;
    }
    let _no_main = round(&mut |_| Poll::Pending);
    let turn = with(|state| {
        if state.is_left_by_main() {
            return look_around(state, 0, park);
        }
        state.stop_rounds();
        Turn::Busy
    });
    park_in_hook();
    deliver(0);
    turn.or(Some(Turn::Busy))
}

impl State {
    fn is_left_by_main(&self) -> bool {
        self.tasks.has_cleanups(MAIN) || self.errands.is_awaited()
    }
}
