//! The state of a loop, held by value, and the operations that touch more than one part of it.
//!
//! One rule makes the rest simple: nothing here runs user code. Wakers to wake and values to drop
//! go into [`State::deferred`], and `context.rs` runs them as soon as the borrow of the state has
//! ended. Calls and reports go into [`Postponed`], for the look around.

use std::any::Any;
use std::collections::VecDeque;
use std::io;
use std::mem;
use std::panic::Location;
use std::rc::Rc;
use std::task::Waker;

use super::budget;
use super::data::cleanups::Cleaning;
use super::data::clock::{self, Clock, Nanos};
use super::data::effort::Effort;
use super::data::ended::{Ended, Unclaimed};
use super::data::errands::Errands;
use super::data::failed_cleanup::FailedCleanup;
use super::data::job::BoxedJob;
use super::data::key::{NO_SLOT, RunNumber, WakerKey};
use super::data::locals::Locals;
use super::data::outbox::Outbox;
use super::data::own_process::OwnProcess;
use super::data::pace::Pace;
use super::data::ready_list::ReadyList;
use super::data::record::{CancelReason, Ending, PanicCopy, Place, TaskLabel};
use super::data::room::Slots;
use super::data::run_queue::RunQueue;
use super::data::tasks::{MAIN, Step, Tasks};
use super::data::timers::Timers;
use super::data::vars::{VarTable, Vars};
use super::data::waiter::ForeignWakers;
use super::forks::Owner;
use super::host::Host;
use super::postponed::{Postponed, Report};
use super::reactor::{Reactor, Wait};
use super::report::failures::SharedFailures;
use super::report::unhandled::Unhandled;
use super::threads::calls::Calls;
use super::threads::inbox::Inbox;
use super::threads::registry::Place as Registered;
use crate::sys::edges::EventSource;

pub(crate) type UnhandledHook = Rc<dyn Fn(&Unhandled)>;

/// Calls the function that it gets, which parks.
pub(crate) type ParkHook = Rc<dyn Fn(&mut dyn FnMut())>;

pub(crate) struct State {
    pub(super) registered: Registered,
    /// The next loop in the thread's list of idle loops, while this one is idle.
    pub(super) next_idle: Option<Box<Self>>,
    pub(super) queue: RunQueue,
    pub(super) tasks: Tasks,
    pub(super) ready_lists: Slots<ReadyList>,
    /// Context variables.
    pub(super) vars: VarTable,
    pub(super) foreign: ForeignWakers,
    /// Made when the first timer is armed.
    pub(super) timers: Option<Box<Timers>>,
    /// Made when first needed: a loop that never waits has no descriptors.
    pub(super) reactor: Option<Box<Reactor>>,
    pub(super) clock: Clock,
    pub(super) pace: Pace,
    pub(super) effort: Effort,
    /// The task that is being polled or dropped.
    pub(super) current: u32,
    /// The index of the cleanup that runs as the current task, if one does.
    pub(super) cleanup: u32,
    /// How many tasks are starting eagerly, inside one another.
    pub(super) eager_depth: u32,
    /// The task that the round polls. `current` may be another one inside it. Outside a round it is
    /// the last one that was polled.
    pub(super) in_turn: u32,
    /// How many naps there were in a row; see [`State::nap`].
    pub(super) naps: u32,
    /// The place where `run` was called, while it runs.
    pub(super) running_since: Option<Place>,
    /// The loop is ending: all tasks were cancelled, and cleanups have a last time limit.
    pub(super) closing: bool,
    /// The futures of tasks that were refused meanwhile. They are to be dropped.
    pub(super) refused: Vec<BoxedJob>,
    pub(super) refused_count: u32,
    pub(super) cleaning: Cleaning,
    pub(super) errands: Errands,
    pub(super) outbox: Outbox,
    pub(super) on_unhandled: Option<UnhandledHook>,
    /// Present if reports make `run` fail.
    pub(super) failures: Option<SharedFailures>,
    pub(super) owner: Owner,
    /// The host that drives this loop, if it does so by polls.
    pub(super) host: Option<Host>,
    pub(super) around_park: Option<ParkHook>,
    /// The loop is to park inside the hook, until this deadline.
    pub(super) to_park: Option<Nanos>,
    /// Values that the layers above keep here.
    pub(super) locals: Locals,
    pub(super) deferred: VecDeque<Deferred>,
    /// A caller further out on the stack is running them.
    pub(super) runs_deferred: bool,
    /// User code that waits for the look around.
    pub(super) postponed: Postponed,
}

/// User code to run as soon as the state is not borrowed: foreign wakers, which may be woken
/// anywhere, and drops of values that the current task or the caller has given up. Code of other
/// tasks and threads is [`Postponed`].
pub(super) enum Deferred {
    Wake(Waker),
    DropWaker(Waker),
    DropOutput {
        job: BoxedJob,
        task: TaskLabel,
    },
    DropVars(Vars),
    DropCalls(Box<Calls>),
    DropMaker(Box<dyn Any>),
    /// See `host.rs`.
    AskHost,
}

/// A waker that is to be stored and, if it is one of ours, its key.
pub(crate) struct Candidate<'a> {
    pub(super) waker: &'a Waker,
    pub(super) key: Option<WakerKey>,
}

/// The next action of a round.
pub(super) enum Next {
    Step(Step),
    /// The last poll has written data, which is sent before anything else runs.
    RunOutbox,
    /// Deferred drops come before the next task, because they may cancel it.
    RunDeferred,
    /// Nothing is runnable, or the round has had its polls.
    LookAround {
        polls: u32,
    },
}

/// The task inside whose poll another one is polled.
#[derive(Clone, Copy)]
pub(super) struct Outer {
    current: u32,
    cleanup: u32,
    budget: u32,
    collector: Option<u32>,
}

/// The result of a step, to be put away.
pub(super) enum Settled {
    /// There was no step, or it was main's.
    Nothing,
    Suspended(u32, BoxedJob),
    Ended(u32, Ending),
}

impl State {
    pub(super) fn new(
        registered: Registered,
        clock: Clock,
        cleanup_timeout: Nanos,
        on_unhandled: Option<UnhandledHook>,
    ) -> Self {
        OwnProcess::note_first();
        let first = registered.first_task();
        Self {
            queue: RunQueue::default(),
            tasks: Tasks::new(first, Location::caller()),
            ready_lists: Slots::new(),
            vars: VarTable::default(),
            foreign: ForeignWakers::default(),
            timers: None,
            reactor: None,
            pace: Pace::new(clock.is_virtual()),
            effort: Effort::of_thread(),
            clock,
            current: NO_SLOT,
            cleanup: NO_SLOT,
            eager_depth: 0,
            in_turn: NO_SLOT,
            naps: 0,
            running_since: None,
            closing: false,
            refused: Vec::new(),
            refused_count: 0,
            cleaning: Cleaning::new(cleanup_timeout),
            errands: Errands::new(),
            outbox: Outbox::default(),
            on_unhandled,
            failures: None,
            owner: Owner::default(),
            host: None,
            around_park: None,
            to_park: None,
            locals: Locals::default(),
            deferred: VecDeque::new(),
            runs_deferred: false,
            postponed: Postponed::default(),
            registered,
            next_idle: None,
        }
    }

    pub(crate) fn run_number(&self) -> RunNumber {
        self.registered.run()
    }

    pub(super) fn key_of_main(&self) -> WakerKey {
        self.key_of(MAIN)
    }

    /// The key that the wakers of the task in `slot` carry.
    #[inline]
    pub(super) fn key_of(&self, slot: u32) -> WakerKey {
        WakerKey::new(self.run_number().index(), self.tasks.serial(slot), slot)
    }

    // The steps of a task's life that the event loop takes.

    /// A round of polls begins.
    pub(super) fn start_round(&mut self) {
        self.queue.start_round();
        self.pace.start_round();
    }

    /// The usual next action of a round: polls the first task in the run queue, or main, which has
    /// no job. Returns `None` in all other cases, which [`State::next`] handles.
    #[inline]
    pub(super) fn next_poll(&mut self) -> Option<(WakerKey, Option<BoxedJob>)> {
        let may_poll = self.deferred.is_empty() && self.outbox.is_empty();
        if !(may_poll && self.pace.may_poll(clock::real_now)) {
            return None;
        }
        let key = self.queue.first()?;
        let (key, job) = self.tasks.begin_poll(key)?;
        self.queue.pop();
        self.start_turn_of_round(key);
        Some((key, job))
    }

    /// The next action of a round, of any kind.
    pub(super) fn next(&mut self) -> Next {
        if !self.deferred.is_empty() {
            return Next::RunDeferred;
        }
        if !self.outbox.is_empty() {
            return Next::RunOutbox;
        }
        if self.pace.may_poll(clock::real_now) {
            while let Some(key) = self.queue.pop() {
                let key = self.key_of(key.slot());
                if let Some(step) = self.tasks.begin(key) {
                    self.start_turn_of_round(key);
                    return Next::Step(step);
                }
            }
        }
        Next::LookAround { polls: self.pace.polls() }
    }

    #[inline]
    fn start_turn_of_round(&mut self, key: WakerKey) {
        self.start_turn(key);
        self.in_turn = key.slot();
        self.pace.count_poll();
    }

    /// Takes the job of the task of `key`, which is not in the run queue, out of its slot. The task
    /// is the current one until [`State::settle`].
    pub(super) fn begin(&mut self, key: WakerKey) -> Option<Step> {
        let step = self.tasks.begin(key)?;
        self.start_turn(key);
        Some(step)
    }

    /// Makes the task of `key` the current one.
    #[inline]
    pub(super) fn start_turn(&mut self, key: WakerKey) {
        self.current = key.slot();
        self.outbox.start_poll();
        budget::renew();
        self.pace.note(key);
    }

    /// Prepares to poll another task inside the current one, or to call other code, with a budget
    /// of its own.
    pub(super) fn step_in(&mut self) -> Outer {
        let cleanup = mem::replace(&mut self.cleanup, NO_SLOT);
        let budget = budget::step_in();
        let collector = self.cleaning.waits.collector.take();
        Outer { current: self.current, cleanup, budget, collector }
    }

    /// Returns to the outer task.
    pub(super) fn step_out(&mut self, outer: Outer) {
        let Outer { current, cleanup, budget, collector } = outer;
        (self.current, self.cleanup) = (current, cleanup);
        budget::step_out(budget);
        self.cleaning.waits.collector = collector;
    }

    /// Puts the result of a step away. The current task, if there was one, was polled or dropped.
    pub(super) fn settle(&mut self, settled: Settled) {
        match settled {
            Settled::Nothing => self.current = NO_SLOT,
            Settled::Suspended(slot, job) => self.suspend(slot, job),
            Settled::Ended(slot, ending) => {
                self.current = NO_SLOT;
                self.finish(slot, ending);
            }
        }
    }

    /// The current task was polled, and waits.
    #[inline]
    pub(super) fn suspend(&mut self, slot: u32, job: BoxedJob) {
        self.current = NO_SLOT;
        self.tasks.suspend(slot, job);
    }

    /// The task's future is gone. If it has left no cleanups, the task has ended: this wakes the
    /// task that awaits it, or defers the drop or report of an output that no handle will take.
    pub(super) fn finish(&mut self, slot: u32, ending: Ending) {
        if self.tasks.start_cleaning(slot) {
            if let Some(cleanups) = self.cleaning.of_tasks.get_mut(slot) {
                cleanups.ending = Some(ending);
            }
            return;
        }
        let Ended { joiner, unclaimed } = self.tasks.end(slot, ending);
        self.wake(joiner);
        self.end_vars(slot);
        if let Some(unclaimed) = unclaimed {
            self.defer_unclaimed(slot, unclaimed);
            self.tasks.free_if_unused(slot);
        }
    }

    /// Drops the handle of a task.
    pub(super) fn drop_handle(&mut self, slot: u32) {
        // A cancellation from another thread may be in the inbox. It names only the slot, so this
        // reads it while this tenant has the slot.
        self.read_inbox();
        self.tasks.give_up_handle(slot);
        if let Some(joiner) = self.tasks.joiner(slot) {
            let joiner = joiner.take();
            self.release(joiner);
        }
        self.defer_unclaimed_of(slot);
        self.tasks.free_if_unused(slot);
    }

    pub(super) fn defer_unclaimed_of(&mut self, slot: u32) {
        let unclaimed = self.tasks.unclaimed(slot);
        self.defer_unclaimed(slot, unclaimed);
        if let Some(failed) = self.cleaning.failed_of_tasks.remove(slot) {
            self.report_failed_cleanups(failed);
        }
    }

    pub(super) fn report_failed_cleanups(&mut self, failed: Vec<FailedCleanup>) {
        for failed in failed {
            self.postponed.report(Report::Cleanup(failed));
        }
    }

    #[inline]
    fn defer_unclaimed(&mut self, slot: u32, unclaimed: Unclaimed) {
        if !matches!(unclaimed, Unclaimed::Nothing) {
            self.defer_some_unclaimed(slot, unclaimed);
        }
    }

    fn defer_some_unclaimed(&mut self, slot: u32, unclaimed: Unclaimed) {
        match unclaimed {
            Unclaimed::Nothing => {}
            Unclaimed::Panic(payload) if payload.is::<PanicCopy>() => {}
            Unclaimed::Output(job) => {
                let task = self.task_label(slot);
                self.deferred.push_back(Deferred::DropOutput { job, task });
            }
            Unclaimed::Result(job, report) => {
                let task = self.task_label(slot);
                self.postponed.report(Report::Error { job, report, task });
            }
            Unclaimed::Panic(payload) => {
                let task = self.task_label(slot);
                self.postponed.report(Report::Panic { payload, task });
            }
        }
    }

    // Context variables.

    /// Gives a new task its context.
    #[inline]
    pub(super) fn start_vars(&mut self, slot: u32) {
        if self.vars.is_used() {
            let vars = self.vars.for_child_of(self.current);
            self.set_vars(slot, vars);
        }
    }

    /// Takes the context of a task that has ended.
    #[inline]
    pub(super) fn end_vars(&mut self, slot: u32) {
        if self.vars.is_used() {
            self.set_vars(slot, Vars::default());
        }
    }

    fn set_vars(&mut self, slot: u32, vars: Vars) {
        let former = self.vars.replace(slot, vars);
        if former.may_drop_values() {
            self.deferred.push_back(Deferred::DropVars(former));
        }
    }

    fn task_label(&self, slot: u32) -> TaskLabel {
        self.tasks.label(slot)
    }

    /// Cancels a task. Returns `false` if it has ended.
    pub(super) fn cancel(&mut self, slot: u32, reason: CancelReason) -> bool {
        if slot == MAIN || !self.tasks.is_living(slot) {
            return false;
        }
        if self.tasks.mark_cancelled(slot, reason) {
            self.queue(slot);
        }
        true
    }

    // Looking around.

    /// The loop, or its host, was parked until now.
    pub(super) fn woken(&mut self) -> Nanos {
        self.inbox().woken();
        let real_now = clock::real_now();
        self.pace.woken(real_now);
        if self.clock.is_virtual() { self.clock.now() } else { real_now }
    }

    /// Ends a round of `polls`. Returns the current time.
    pub(super) fn end_round(&mut self, polls: u32) -> Nanos {
        let real_now = clock::real_now();
        let slow = self.pace.end_round(polls, real_now);
        if let Some(took) = slow {
            self.report_slow(took);
        }
        self.effort.note(real_now);
        if self.clock.is_virtual() { self.clock.now() } else { real_now }
    }

    /// Takes in what other threads sent, and the timers that are due.
    pub(super) fn take_in(&mut self, now: Nanos) {
        self.vars.trim(self.tasks.slots.capacity());
        self.read_inbox();
        self.expire_timers(now);
    }

    pub(super) fn inbox(&self) -> &'static Inbox {
        self.registered.inbox()
    }

    /// Reads the mail, but runs no user code: calls wait for the look around.
    #[inline]
    pub(super) fn read_inbox(&mut self) {
        if self.inbox().has_mail() {
            self.read_mail();
        }
    }

    fn expire_timers(&mut self, now: Nanos) {
        if let Some(mut timers) = self.timers.take() {
            let mut some = false;
            timers.expire(now, |waiter| {
                some = true;
                self.wake(waiter);
            });
            self.timers = Some(timers);
            if some {
                self.pace.expired(now);
            }
        }
    }

    pub(super) fn next_deadline(&mut self) -> Option<Nanos> {
        self.timers.as_mut()?.next_deadline()
    }

    /// Takes in events, after waiting for the first one if `wait` says so.
    pub(super) fn poll_reactor(&mut self, wait: Wait) -> io::Result<()> {
        let Some(mut reactor) = self.reactor.take() else { return Ok(()) };
        let result = reactor.wait(wait, |waiter| self.wake(waiter));
        self.reactor = Some(reactor);
        result
    }

    /// The reactor, made at its first use.
    pub(super) fn reactor(&mut self) -> io::Result<&mut Reactor> {
        if self.reactor.is_none() {
            let reactor = Reactor::new()?;
            self.owner.process.get_or_insert_with(|| reactor.process());
            if self.host.is_none() {
                let former = self.registered.inbox().set_unpark(reactor.waker());
                self.deferred.extend(former.map(Deferred::DropWaker));
            }
            self.reactor = Some(Box::new(reactor));
        }
        match &mut self.reactor {
            Some(reactor) => Ok(reactor),
            None => unreachable!("it was made just now"),
        }
    }

    pub(super) fn timers(&mut self) -> &mut Timers {
        self.timers.get_or_insert_default()
    }

    /// Ends the registration of a source. `io` is `None` if it has been closed already.
    pub(super) fn release_source(&mut self, slot: u32, io: Option<&mut dyn EventSource>) {
        if let Some(mut reactor) = self.reactor.take() {
            reactor.release(slot, io, |waiter| self.wake(waiter));
            self.reactor = Some(reactor);
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.registered.set_next_task(self.tasks.number_to_come());
    }
}
