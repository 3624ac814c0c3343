//! The slab of tasks, and the life cycle of a task.
//!
//! ```text
//!            1 create           2 begin
//!   (free) ----------> Waiting ---------> Running
//!     ^                   ^                 |  |
//!     |                   +-----------------+  | 4 end
//!     |                       3 suspend        v
//!     +------------------------- Done, Cancelled, Panicked
//!          5 free: the handle is gone, and no entry of the run queue names the slot
//! ```
//!
//! Beside this cycle runs another one, of the flag `queued`: set by whoever puts the slot on the run queue, cleared when
//! it is popped. So a slot stands in the queue once at most, and a wake during the task's own poll queues it again.
//! `cancel` only leaves a mark: the next `begin` hands the future out to be dropped instead of polled.
//!
//! Everything here is data. Whatever could run user code (a future, an output, a waker) is handed to the caller.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::panic::Location;

use slab::Slab;

use super::job::BoxedJob;
use super::key::{self, NO_SLOT, Serial};
use super::members::Member;
use super::waiter::Waiter;

/// What a panic carries.
pub(crate) type Payload = Box<dyn Any + Send>;

/// The place in the program where something was called.
pub(crate) type Place = &'static Location<'static>;

/// Says what error, if any, a task's output is.
pub(crate) type ErrorReporter = fn(BoxedJob) -> Option<String>;

/// The slot of main: the first, in every loop.
pub(super) const MAIN: u32 = 0;

/// Names a task in messages, also after it is gone; costs nothing until it is shown.
#[derive(Debug, Clone)]
pub(crate) struct TaskLabel {
    name: Option<String>,
    number: u32,
    pub(crate) place: Place,
}

impl TaskLabel {
    pub(crate) fn name(&self) -> String {
        self.name.clone().unwrap_or_else(|| format!("Task-{}", self.number))
    }
}

/// Why a task was cancelled.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[non_exhaustive]
pub enum CancelReason {
    /// Somebody called `cancel`.
    Requested,
    /// Its `CancelOnDrop` handle was dropped.
    HandleDropped,
    /// Its event loop came to its end.
    LoopEnded,
}

impl fmt::Display for CancelReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Requested => "by request",
            Self::HandleDropped => "because its handle was dropped",
            Self::LoopEnded => "because its event loop ended",
        })
    }
}

pub(super) struct Tasks {
    pub(super) slots: Slab<Slot>,
    next_serial: Serial,
    /// How many tasks, without main, have not ended.
    living: usize,
    /// What few tasks have lies beside the slots, which stay small.
    names: HashMap<u32, String>,
    panics: HashMap<u32, Payload>,
    reporters: HashMap<u32, ErrorReporter>,
}

pub(super) struct Slot {
    pub(super) tenant: Tenant,
    pub(super) serial: Serial,
    /// In the run queue or, for a member, in its ready list.
    pub(super) queued: bool,
}

const _: () = assert!(size_of::<Slot>() <= 56);

pub(super) enum Tenant {
    Task(Record),
    Member(Member),
}

pub(super) struct Record {
    /// The future while waiting, the output when done.
    job: Option<BoxedJob>,
    joiner: Waiter,
    place: Place,
    parent: u32,
    phase: Phase,
    cancel: Option<CancelReason>,
    has_handle: bool,
    is_named: bool,
    /// Somebody said that nobody will await it: errors are reported.
    is_detached: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Main lives on the stack of `run`; its slot gives it a name and a place in the run queue.
    Main,
    Waiting,
    Running,
    Done,
    Cancelled,
    Panicked,
}

impl Phase {
    fn has_ended(self) -> bool {
        matches!(self, Self::Done | Self::Cancelled | Self::Panicked)
    }
}

/// What to do with the slot that came up.
pub(super) enum Step {
    PollMain,
    Poll(BoxedJob),
    /// Drop the future: the task was cancelled.
    Cancel(BoxedJob),
}

/// How a task ended.
pub(super) enum Ending {
    Done(BoxedJob),
    Cancelled,
    Panicked(Payload),
}

/// What the end of a task leaves to do.
pub(super) struct Ended {
    pub(super) joiner: Waiter,
    /// A handle will take what there is.
    pub(super) is_awaited: bool,
    pub(super) unclaimed: Unclaimed,
}

/// What nobody will ask for any more.
pub(super) enum Unclaimed {
    Nothing,
    Output(BoxedJob),
    /// The output of a detached task, to be asked for its error.
    Result(BoxedJob, ErrorReporter),
    Panic(Payload),
}

impl Unclaimed {
    fn of_output(job: BoxedJob, report: Option<ErrorReporter>) -> Self {
        match report {
            Some(report) => Self::Result(job, report),
            None => Self::Output(job),
        }
    }
}

/// What a handle finds.
pub(super) enum Joined {
    NotYet,
    Output(BoxedJob),
    /// See [`Tasks::take_failure`].
    Failed,
}

/// Why a task has no output.
pub(crate) struct Failure {
    pub(crate) task: Option<TaskLabel>,
    pub(crate) cause: FailureCause,
}

pub(crate) enum FailureCause {
    Cancelled(CancelReason),
    Panicked(Payload),
}

impl Failure {
    /// Nothing else is known of the task.
    pub(super) const LOOP_ENDED: Self =
        Self { task: None, cause: FailureCause::Cancelled(CancelReason::LoopEnded) };
}

impl Tasks {
    pub(super) fn new(first_serial: Serial, place: Place) -> Self {
        let mut tasks = Self {
            slots: Slab::new(),
            next_serial: first_serial,
            living: 0,
            names: HashMap::new(),
            panics: HashMap::new(),
            reporters: HashMap::new(),
        };
        let main = Record { phase: Phase::Main, ..Record::new(None, place, NO_SLOT) };
        let slot = tasks.insert(Tenant::Task(main));
        debug_assert_eq!(slot, MAIN);
        tasks
    }

    /// Gives main a new serial for a new run, so that wakers of the last run do not reach it.
    pub(super) fn renew_main(&mut self, place: Place) {
        let serial = self.next_serial();
        let slot = &mut self.slots[MAIN as usize];
        slot.serial = serial;
        if let Tenant::Task(record) = &mut slot.tenant {
            record.place = place;
        }
    }

    /// Arrow 1.
    pub(super) fn create(&mut self, job: BoxedJob, place: Place, parent: u32) -> u32 {
        self.living += 1;
        self.insert(Tenant::Task(Record::new(Some(job), place, parent)))
    }

    /// A task that was cancelled before it was born: its loop is ending.
    pub(super) fn create_cancelled(&mut self, place: Place, parent: u32) -> u32 {
        let mut record = Record::new(None, place, parent);
        record.phase = Phase::Cancelled;
        record.cancel = Some(CancelReason::LoopEnded);
        self.insert(Tenant::Task(record))
    }

    pub(super) fn insert(&mut self, tenant: Tenant) -> u32 {
        let serial = self.next_serial();
        key::slot(self.slots.insert(Slot { tenant, serial, queued: false }))
    }

    fn next_serial(&mut self) -> Serial {
        let serial = self.next_serial;
        self.next_serial = serial.next();
        serial
    }

    pub(super) fn last_serial(&self) -> Serial {
        self.next_serial
    }

    pub(super) fn serial(&self, slot: u32) -> Serial {
        self.slots[slot as usize].serial
    }

    pub(super) fn serial_is(&self, slot: u32, serial: Serial) -> bool {
        self.slots.get(slot as usize).is_some_and(|slot| slot.serial == serial)
    }

    pub(super) fn living(&self) -> usize {
        self.living
    }

    /// Arrow 2, for a slot that was popped from the run queue; `None` if it has nothing to do any more.
    pub(super) fn begin(&mut self, slot: u32) -> Option<(Serial, Step)> {
        let entry = &mut self.slots[slot as usize];
        entry.queued = false;
        let Tenant::Task(record) = &mut entry.tenant else { return None };
        if record.phase == Phase::Waiting {
            record.phase = Phase::Running;
            let job = record.job.take()?;
            let step = if record.cancel.is_some() { Step::Cancel(job) } else { Step::Poll(job) };
            return Some((entry.serial, step));
        }
        if record.phase == Phase::Main {
            return Some((entry.serial, Step::PollMain));
        }
        self.free_if_unused(slot);
        None
    }

    /// Arrow 3.
    pub(super) fn suspend(&mut self, slot: u32, job: BoxedJob) {
        if let Some(record) = self.record(slot) {
            record.job = Some(job);
            record.phase = Phase::Waiting;
        }
    }

    /// Arrow 4.
    pub(super) fn end(&mut self, slot: u32, ending: Ending) -> Ended {
        self.living -= 1;
        let Tenant::Task(record) = &mut self.slots[slot as usize].tenant else {
            unreachable!("only tasks are polled from the run queue");
        };
        let joiner = record.joiner.take();
        let is_awaited = record.has_handle;
        let mut unclaimed = Unclaimed::Nothing;
        match ending {
            Ending::Done(job) => {
                record.phase = Phase::Done;
                if is_awaited {
                    record.job = Some(job);
                } else {
                    let report =
                        if record.is_detached { self.reporters.remove(&slot) } else { None };
                    unclaimed = Unclaimed::of_output(job, report);
                }
            }
            Ending::Cancelled => record.phase = Phase::Cancelled,
            Ending::Panicked(payload) => {
                record.phase = Phase::Panicked;
                if is_awaited {
                    self.panics.insert(slot, payload);
                } else {
                    unclaimed = Unclaimed::Panic(payload);
                }
            }
        }
        Ended { joiner, is_awaited, unclaimed }
    }

    /// Arrow 5, if its conditions hold.
    pub(super) fn free_if_unused(&mut self, slot: u32) {
        let entry = &self.slots[slot as usize];
        let Tenant::Task(record) = &entry.tenant else { return };
        if record.phase.has_ended() && !record.has_handle && !entry.queued {
            self.free(slot);
        }
    }

    fn free(&mut self, slot: u32) {
        let Tenant::Task(record) = self.slots.remove(slot as usize).tenant else { return };
        if record.is_named {
            self.names.remove(&slot);
        }
        if record.is_detached {
            self.reporters.remove(&slot);
        }
    }

    /// Marks the task for cancellation. `true`: it was not marked, so its slot must be queued.
    pub(super) fn mark_cancelled(&mut self, slot: u32, reason: CancelReason) -> bool {
        match self.record(slot) {
            Some(record) if matches!(record.phase, Phase::Waiting | Phase::Running) => {
                record.cancel.replace(reason).is_none()
            }
            _ => false,
        }
    }

    /// The handle asks for the output. If it gets it, it has given the slot up.
    pub(super) fn take_output(&mut self, slot: u32) -> Joined {
        let entry = &mut self.slots[slot as usize];
        let queued = entry.queued;
        let Tenant::Task(record) = &mut entry.tenant else { return Joined::Failed };
        match record.phase {
            Phase::Main | Phase::Waiting | Phase::Running => return Joined::NotYet,
            Phase::Cancelled | Phase::Panicked => return Joined::Failed,
            Phase::Done => {}
        }
        let Some(job) = record.job.take() else { return Joined::Failed };
        record.has_handle = false;
        if !queued {
            self.free(slot);
        }
        Joined::Output(job)
    }

    /// The output of a task that is done, where it lies.
    pub(super) fn output(&self, slot: u32) -> Option<&dyn Any> {
        let record = self.get(slot).filter(|record| record.phase == Phase::Done)?;
        record.job.as_ref()?.as_ref().get_ref().peek()
    }

    pub(super) fn has_panicked(&self, slot: u32) -> bool {
        self.get(slot).is_some_and(|record| record.phase == Phase::Panicked)
    }

    /// The handle asks why there is no output, and gives the slot up.
    pub(super) fn take_failure(&mut self, slot: u32) -> Failure {
        let task = Some(self.label(slot));
        let cancelled = |record: &Record| record.cancel.unwrap_or(CancelReason::LoopEnded);
        let cause = match self.panics.remove(&slot) {
            Some(payload) => FailureCause::Panicked(payload),
            None => {
                FailureCause::Cancelled(self.get(slot).map_or(CancelReason::LoopEnded, cancelled))
            }
        };
        self.give_up_handle(slot);
        self.free_if_unused(slot);
        Failure { task, cause }
    }

    pub(super) fn give_up_handle(&mut self, slot: u32) {
        if let Some(record) = self.record(slot) {
            record.has_handle = false;
        }
    }

    /// What an ended task still holds, when its handle goes, or its loop.
    pub(super) fn unclaimed(&mut self, slot: u32) -> Unclaimed {
        let Some(record) = self.record(slot) else { return Unclaimed::Nothing };
        match record.phase {
            Phase::Done => match record.job.take() {
                Some(job) => Unclaimed::of_output(job, self.reporters.remove(&slot)),
                None => Unclaimed::Nothing,
            },
            Phase::Panicked => {
                self.panics.remove(&slot).map_or(Unclaimed::Nothing, Unclaimed::Panic)
            }
            Phase::Main | Phase::Waiting | Phase::Running | Phase::Cancelled => Unclaimed::Nothing,
        }
    }

    pub(super) fn joiner(&mut self, slot: u32) -> Option<&mut Waiter> {
        self.record(slot).map(|record| &mut record.joiner)
    }

    pub(super) fn set_name(&mut self, slot: u32, name: String) {
        if let Some(record) = self.record(slot) {
            record.is_named = true;
            self.names.insert(slot, name);
        }
    }

    pub(super) fn set_reporter(&mut self, slot: u32, report: ErrorReporter) {
        if let Some(record) = self.record(slot) {
            record.is_detached = true;
            self.reporters.insert(slot, report);
        }
    }

    pub(super) fn label(&self, slot: u32) -> TaskLabel {
        let name = match self.names.get(&slot) {
            None if slot == MAIN => Some("main".to_owned()),
            name => name.cloned(),
        };
        let number = self.slots.get(slot as usize).map_or(0, |slot| slot.serial.number());
        let place = self.get(slot).map_or(Location::caller(), |record| record.place);
        TaskLabel { name, number, place }
    }

    pub(super) fn parent(&self, slot: u32) -> Option<u32> {
        self.get(slot).map(|record| record.parent).filter(|&parent| parent != NO_SLOT)
    }

    /// Whether the slot has a tenant that is a task.
    pub(super) fn is_task(&self, slot: u32) -> bool {
        self.get(slot).is_some()
    }

    /// Whether the tenant of the slot is a task that has not ended.
    pub(super) fn is_living(&self, slot: u32) -> bool {
        self.get(slot).is_some_and(|record| !record.phase.has_ended())
    }

    /// The slots of all tasks, ended ones with a handle included, main first.
    pub(super) fn all(&self) -> impl Iterator<Item = u32> + '_ {
        let tasks = self.slots.iter().filter(|(_, slot)| matches!(slot.tenant, Tenant::Task(_)));
        tasks.map(|(slot, _)| key::slot(slot))
    }

    fn get(&self, slot: u32) -> Option<&Record> {
        match &self.slots.get(slot as usize)?.tenant {
            Tenant::Task(record) => Some(record),
            Tenant::Member(_) => None,
        }
    }

    fn record(&mut self, slot: u32) -> Option<&mut Record> {
        match &mut self.slots.get_mut(slot as usize)?.tenant {
            Tenant::Task(record) => Some(record),
            Tenant::Member(_) => None,
        }
    }
}

impl Record {
    fn new(job: Option<BoxedJob>, place: Place, parent: u32) -> Self {
        Self {
            job,
            joiner: Waiter::NOBODY,
            place,
            parent,
            phase: Phase::Waiting,
            cancel: None,
            has_handle: true,
            is_named: false,
            is_detached: false,
        }
    }
}
