//! The slab of tasks, and the life cycle of a task.
//!
//! ```text
//!            1 create           2 begin
//!   (free) ----------> Waiting ---------> Running
//!     ^                   ^                 |  |
//!     |                   +-----------------+  | 4 end
//!     |                       3 suspend        v
//!     +------------------------- Done, Cancelled, Panicked, Failed
//!          5 free: the handle is gone, and no entry of the run queue names the slot
//! ```
//!
//! A task that leaves cleanups behind takes arrow 4 by way of Cleaning (`start_cleaning`): its
//! future is gone, and the task ends after the cleanups. The children of a group follow the same
//! cycle. Their futures are in the group instead of here, and the ready list of their group takes
//! the place of the run queue.
//!
//! The flag `queued` has a cycle of its own. The code that puts the slot on the run queue sets it,
//! and the code that pops the slot clears it. So a slot is in the queue at most once, and a wake
//! during the task's own poll queues it again. `cancel` only leaves a mark: the next `begin` hands
//! the future out to be dropped instead of polled.
//!
//! Everything here is data. Values whose drop or call could run user code (a future, an output, a
//! waker) go to the caller.

use std::any::Any;
use std::panic::Location;

use super::ended::{Ended, Failure, FailureCause, Joined, Unclaimed};
use super::gone::Gone;
use super::job::BoxedJob;
use super::key::{self, NO_SLOT, Serial, TaskNumber, Tenancy, WakerKey};
use super::ready_list::Member;
use super::record::{
    CancelReason, Ending, ErrorReporter, Flags, Name, Payload, Peer, Phase, Place, Record,
    TaskLabel,
};
use super::room::Slots;
use super::side_table::SideTable;
use super::waiter::Waiter;

/// The slot of main: the first slot of every loop.
pub(crate) const MAIN: u32 = 0;

pub(crate) struct Tasks {
    pub(crate) slots: Slots<Slot>,
    next_number: TaskNumber,
    /// The number of tasks that have not ended, without main and the children of groups.
    living: usize,
    /// Rarely used fields are in side tables, so slots stay small.
    names: SideTable<Name>,
    panics: SideTable<Payload>,
    reporters: SideTable<ErrorReporter>,
    /// For the report of a slow round.
    pub(crate) gone: Gone,
}

pub(crate) struct Slot {
    pub(crate) tenant: Tenant,
    /// The number of the tenant, and whether it is in the run queue or, for a member, on its ready
    /// list.
    pub(crate) tenancy: Tenancy,
}

const _: () = assert!(size_of::<Slot>() <= 56);

pub(crate) enum Tenant {
    Task(Record),
    Member(Member),
}

impl Tenant {
    /// Whether wakes of the tenant go to a ready list.
    #[inline]
    fn is_member(&self) -> bool {
        match self {
            Self::Task(record) => record.child().is_some(),
            Self::Member(_) => true,
        }
    }
}

/// The action for a task that was taken off the run queue.
pub(crate) enum Step {
    PollMain(WakerKey),
    Poll(WakerKey, BoxedJob),
    /// Drop the future: the task was cancelled.
    Drop(WakerKey, BoxedJob),
}

/// The action for a child that was taken off its group's ready list.
pub(crate) struct ChildStep {
    pub(crate) serial: Serial,
    /// Drop the child instead of polling it.
    pub(crate) is_cancelled: bool,
    pub(crate) has_handle: bool,
}

impl Tasks {
    pub(crate) fn new(first: TaskNumber, place: Place) -> Self {
        let mut tasks = Self {
            slots: Slots::new(),
            next_number: first,
            living: 0,
            names: SideTable::new(),
            panics: SideTable::new(),
            reporters: SideTable::new(),
            gone: Gone::default(),
        };
        let main = Record { phase: Phase::Main, ..Record::new(None, place, NO_SLOT) };
        let slot = tasks.insert(Tenant::Task(main));
        debug_assert_eq!(slot, MAIN);
        tasks
    }

    /// Gives main a new number for a new run. Main is another task in each run, so no waker or
    /// reference of the last run reaches it.
    pub(crate) fn renew_main(&mut self, place: Place) {
        let number = self.next_number();
        let slot = &mut self.slots[MAIN as usize];
        let was_queued = slot.tenancy.is_queued();
        slot.tenancy = Tenancy::new(number);
        if was_queued {
            slot.tenancy.queue();
        }
        if let Tenant::Task(record) = &mut slot.tenant {
            record.place = place;
        }
    }

    /// Arrow 1.
    pub(crate) fn create(&mut self, job: BoxedJob, place: Place, parent: u32) -> u32 {
        self.living += 1;
        self.insert(Tenant::Task(Record::new(Some(job), place, parent)))
    }

    /// Like [`Tasks::create`], but marks the task as queued. The caller puts its key on the run
    /// queue.
    #[inline]
    pub(crate) fn create_queued(
        &mut self,
        job: BoxedJob,
        place: Place,
        parent: u32,
    ) -> (u32, Serial) {
        let slot = self.create(job, place, parent);
        let tenancy = &mut self.slots[slot as usize].tenancy;
        tenancy.queue();
        (slot, tenancy.serial())
    }

    /// Arrow 1, for a child of a group.
    pub(crate) fn create_child(&mut self, member: Member, place: Place, parent: u32) -> u32 {
        let record = Record { member, ..Record::new(None, place, parent) };
        self.insert(Tenant::Task(record))
    }

    /// Creates a task that is cancelled from the start, because its loop or its group is ending.
    pub(crate) fn create_cancelled(
        &mut self,
        reason: CancelReason,
        place: Place,
        parent: u32,
    ) -> u32 {
        let mut record = Record::new(None, place, parent);
        record.phase = Phase::Cancelled;
        record.cancel = Some(reason);
        self.insert(Tenant::Task(record))
    }

    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "as a call it copies what was written just before, and waits for that: 6 ns of 74"
    )]
    pub(crate) fn insert(&mut self, tenant: Tenant) -> u32 {
        let mut tenancy = Tenancy::new(self.next_number());
        if tenant.is_member() {
            tenancy.begin_membership();
        }
        key::slot(self.slots.insert(Slot { tenant, tenancy }))
    }

    pub(crate) fn remove(&mut self, slot: u32) -> Option<Slot> {
        self.slots.try_remove(slot as usize)
    }

    fn next_number(&mut self) -> TaskNumber {
        let number = self.next_number;
        self.next_number = number.next();
        number
    }

    /// Skips numbers, so that a test can make serials wrap without creating a million tasks.
    #[cfg(test)]
    pub(crate) fn skip_numbers(&mut self, count: u64) {
        self.next_number = self.next_number.after(count);
    }

    /// The number of the next task.
    pub(crate) fn number_to_come(&self) -> TaskNumber {
        self.next_number
    }

    pub(crate) fn serial(&self, slot: u32) -> Serial {
        self.number(slot).serial()
    }

    pub(crate) fn number(&self, slot: u32) -> TaskNumber {
        self.slots[slot as usize].tenancy.number()
    }

    pub(crate) fn number_is(&self, slot: u32, number: TaskNumber) -> bool {
        self.slots.get(slot as usize).is_some_and(|slot| slot.tenancy.number() == number)
    }

    /// The number of the youngest task with this serial.
    pub(crate) fn youngest_with(&self, serial: Serial) -> u64 {
        let next = self.next_number;
        next.number().saturating_sub(u64::from(next.serial().since(serial)))
    }

    /// For wakers only, because serials repeat.
    pub(crate) fn serial_is(&self, slot: u32, serial: Serial) -> bool {
        self.slots.get(slot as usize).is_some_and(|slot| slot.tenancy.serial() == serial)
    }

    pub(crate) fn living(&self) -> usize {
        self.living
    }

    /// Arrow 2, for a slot that was popped from the run queue. Returns `None` if the slot has
    /// nothing left to do.
    pub(crate) fn begin(&mut self, key: WakerKey) -> Option<Step> {
        let entry = &mut self.slots[key.slot() as usize];
        entry.tenancy.unqueue();
        let Tenant::Task(record) = &mut entry.tenant else { return None };
        if record.phase == Phase::Waiting {
            let job = record.job.take()?;
            record.phase = Phase::Running;
            let is_cancelled = record.cancel.is_some();
            return Some(if is_cancelled { Step::Drop(key, job) } else { Step::Poll(key, job) });
        }
        if record.phase == Phase::Main {
            return Some(Step::PollMain(key));
        }
        self.free_if_unused(key.slot());
        None
    }

    /// Like [`Tasks::begin`], for the first key of the run queue. Returns `None`, and leaves the
    /// slot queued, if the task is not simply to be polled.
    #[inline]
    pub(crate) fn begin_poll(&mut self, key: WakerKey) -> Option<(WakerKey, Option<BoxedJob>)> {
        let entry = self.slots.get_mut(key.slot() as usize)?;
        let Tenant::Task(record) = &mut entry.tenant else { return None };
        if record.phase == Phase::Waiting && record.cancel.is_none() {
            record.phase = Phase::Running;
            entry.tenancy.unqueue();
            return Some((key, Some(record.job.take()?)));
        }
        if record.phase == Phase::Main {
            entry.tenancy.unqueue();
            // Main is another tenant in each run, and the key may be from the last one.
            return Some((key.with_serial(entry.tenancy.serial()), None));
        }
        None
    }

    /// Arrow 3.
    #[inline]
    pub(crate) fn suspend(&mut self, slot: u32, job: BoxedJob) {
        if let Some(record) = self.record(slot) {
            record.job = Some(job);
            record.phase = Phase::Waiting;
        }
    }

    /// Arrow 2, for a child that was popped from its group's ready list.
    pub(crate) fn begin_child(&mut self, slot: u32) -> Option<ChildStep> {
        let entry = &mut self.slots[slot as usize];
        entry.tenancy.unqueue();
        if let Tenant::Task(record) = &mut entry.tenant {
            if record.phase == Phase::Waiting {
                record.phase = Phase::Running;
                return Some(ChildStep {
                    serial: entry.tenancy.serial(),
                    is_cancelled: record.cancel.is_some(),
                    has_handle: record.has(Flags::HAS_HANDLE),
                });
            }
        }
        self.free_if_unused(slot);
        None
    }

    /// Arrow 3, for a child.
    pub(crate) fn suspend_child(&mut self, slot: u32) {
        if let Some(record) = self.record(slot) {
            record.phase = Phase::Waiting;
        }
    }

    /// Arrow 4.
    pub(crate) fn end(&mut self, slot: u32, ending: Ending) -> Ended {
        let Slot { tenant: Tenant::Task(record), tenancy } = &mut self.slots[slot as usize] else {
            unreachable!("only tasks are polled from the run queue");
        };
        if record.child().is_some() {
            record.member = Member::NONE;
            tenancy.end_membership();
        } else {
            self.living -= 1;
        }
        let joiner = record.joiner.take();
        record.phase = match ending {
            Ending::Done(_) | Ending::DoneUnseen => Phase::Done,
            Ending::Cancelled => Phase::Cancelled,
            Ending::Failed => Phase::Failed,
            Ending::Panicked(_) => Phase::Panicked,
        };
        if record.has(Flags::HAS_HANDLE) {
            match ending {
                Ending::Done(job) => record.job = Some(job),
                Ending::Panicked(payload) => self.panics.insert(slot, payload),
                Ending::DoneUnseen | Ending::Cancelled | Ending::Failed => {}
            }
            return Ended { joiner, unclaimed: None };
        }
        let unclaimed = match ending {
            Ending::Done(job) => {
                let is_detached = record.has(Flags::IS_DETACHED);
                let report = if is_detached { self.reporters.remove(slot) } else { None };
                Unclaimed::of_output(job, report)
            }
            Ending::Panicked(payload) => Unclaimed::Panic(payload),
            Ending::DoneUnseen | Ending::Cancelled | Ending::Failed => Unclaimed::Nothing,
        };
        Ended { joiner, unclaimed: Some(unclaimed) }
    }

    /// Clears the queued mark of a slot whose ready list is gone.
    pub(crate) fn unqueue(&mut self, slot: u32) {
        self.slots[slot as usize].tenancy.unqueue();
        self.free_if_unused(slot);
    }

    /// Arrow 5, if its conditions hold.
    pub(crate) fn free_if_unused(&mut self, slot: u32) {
        let entry = &self.slots[slot as usize];
        let Tenant::Task(record) = &entry.tenant else { return };
        if record.phase.has_ended() && !record.has(Flags::HAS_HANDLE) && !entry.tenancy.is_queued()
        {
            self.free(slot);
        }
    }

    fn free(&mut self, slot: u32) {
        let Some(Slot { tenant: Tenant::Task(record), tenancy }) = self.remove(slot) else {
            return;
        };
        let is_call = record.has(Flags::IS_CALL);
        if record.has(Flags::IS_NAMED) || is_call {
            let (name, peer) = Name::parts(self.names.remove(slot));
            let number = tenancy.number();
            let place = record.place;
            let label = TaskLabel { name, number: number.number(), place, peer, is_call };
            self.gone.push(slot, number.serial(), slot, label);
        }
        if record.has(Flags::IS_DETACHED) {
            self.reporters.remove(slot);
        }
    }

    /// Marks the task for cancellation. Returns `true` if it was not marked yet, so that its slot
    /// must be queued.
    pub(crate) fn mark_cancelled(&mut self, slot: u32, reason: CancelReason) -> bool {
        match self.record(slot) {
            Some(record) if matches!(record.phase, Phase::Waiting | Phase::Running) => {
                record.cancel.replace(reason).is_none()
            }
            _ => false,
        }
    }

    /// Takes the output for the task's handle. If there is one, the handle has given its slot up.
    pub(crate) fn take_output(&mut self, slot: u32) -> Joined {
        let entry = &mut self.slots[slot as usize];
        let queued = entry.tenancy.is_queued();
        let Tenant::Task(record) = &mut entry.tenant else { return Joined::Failed };
        match record.phase {
            Phase::Main | Phase::Waiting | Phase::Running | Phase::Cleaning => {
                return Joined::NotYet;
            }
            Phase::Cancelled | Phase::Panicked | Phase::Failed => return Joined::Failed,
            Phase::Done => {}
        }
        let Some(job) = record.job.take() else { return Joined::Failed };
        record.flags.clear(Flags::HAS_HANDLE);
        if !queued {
            self.free(slot);
        }
        Joined::Output(job)
    }

    /// The output of a task that is done, in its place.
    pub(crate) fn output(&self, slot: u32) -> Option<&dyn Any> {
        let record = self.get(slot).filter(|record| record.phase == Phase::Done)?;
        record.job.as_ref()?.as_ref().get_ref().peek()
    }

    pub(crate) fn has_panicked(&self, slot: u32) -> bool {
        self.get(slot).is_some_and(|record| record.phase == Phase::Panicked)
    }

    /// Takes the reason why there is no output. The handle gives its slot up.
    pub(crate) fn take_failure(&mut self, slot: u32) -> Failure {
        let task = Some(self.label(slot));
        let cause = match (self.panics.remove(slot), self.get(slot)) {
            (Some(payload), _) => FailureCause::Panicked(payload),
            (None, Some(record)) if record.phase == Phase::Failed => FailureCause::Failed,
            (None, record) => {
                let reason = record.and_then(|record| record.cancel);
                FailureCause::Cancelled(reason.unwrap_or(CancelReason::LoopEnded))
            }
        };
        self.give_up_handle(slot);
        self.free_if_unused(slot);
        Failure { task, cause, cleanups: Vec::new() }
    }

    pub(crate) fn give_up_handle(&mut self, slot: u32) {
        if let Some(record) = self.record(slot) {
            record.flags.clear(Flags::HAS_HANDLE);
        }
    }

    /// The remains of an ended task, once its handle or its loop goes.
    pub(crate) fn unclaimed(&mut self, slot: u32) -> Unclaimed {
        let Some(record) = self.record(slot) else { return Unclaimed::Nothing };
        match record.phase {
            Phase::Done => match record.job.take() {
                Some(job) => Unclaimed::of_output(job, self.reporters.remove(slot)),
                None => Unclaimed::Nothing,
            },
            Phase::Panicked => {
                self.panics.remove(slot).map_or(Unclaimed::Nothing, Unclaimed::Panic)
            }
            Phase::Main
            | Phase::Waiting
            | Phase::Running
            | Phase::Cleaning
            | Phase::Cancelled
            | Phase::Failed => Unclaimed::Nothing,
        }
    }

    pub(crate) fn joiner(&mut self, slot: u32) -> Option<&mut Waiter> {
        self.record(slot).map(|record| &mut record.joiner)
    }

    pub(crate) fn set_name(&mut self, slot: u32, name: String) {
        if let Some(record) = self.record(slot) {
            record.flags.set(Flags::IS_NAMED);
            let peer = self.names.get(slot).and_then(|name| name.peer);
            self.names.insert(slot, Name { text: name, peer });
        }
    }

    /// Notes that the task, which has a name, serves the connection with `peer`.
    pub(crate) fn set_peer(&mut self, slot: u32, peer: Peer) {
        if let Some(name) = self.names.get_mut(slot) {
            name.peer = Some(peer);
        }
    }

    pub(crate) fn set_reporter(&mut self, slot: u32, report: ErrorReporter) {
        if let Some(record) = self.record(slot) {
            record.flags.set(Flags::IS_DETACHED);
            self.reporters.insert(slot, report);
        }
    }

    /// The label of the task. A cleaner has the label of its owner.
    pub(crate) fn label(&self, slot: u32) -> TaskLabel {
        let slot = self.cleaned_task(slot);
        let (name, peer) = match self.names.get(slot) {
            None if slot == MAIN => (Some("main".to_owned()), None),
            name => Name::parts(name.cloned()),
        };
        let number = self.slots.get(slot as usize);
        let number = number.map_or(0, |slot| slot.tenancy.number().number());
        let place = self.get(slot).map_or(Location::caller(), |record| record.place);
        let is_call = self.get(slot).is_some_and(|record| record.has(Flags::IS_CALL));
        TaskLabel { name, number, place, peer, is_call }
    }

    /// The task that created the one in `slot`, if it still exists. A later tenant of the parent's
    /// slot was created after the child, so it has a larger number.
    pub(crate) fn parent(&self, slot: u32) -> Option<u32> {
        let parent = self.get(slot)?.parent;
        let is_older = || self.number(parent) < self.number(slot);
        (self.is_task(parent) && is_older()).then_some(parent)
    }

    /// Whether the slot has a tenant that is a task.
    pub(crate) fn is_task(&self, slot: u32) -> bool {
        self.get(slot).is_some()
    }

    /// Whether the tenant of the slot is a task that has not ended.
    pub(crate) fn is_living(&self, slot: u32) -> bool {
        self.get(slot).is_some_and(|record| !record.phase.has_ended())
    }

    /// The slots of all tasks, main first, including ended ones with a handle.
    pub(crate) fn all(&self) -> impl Iterator<Item = u32> + '_ {
        self.records().filter(|(_, record)| !record.has(Flags::IS_CLEANER)).map(|(slot, _)| slot)
    }

    /// The slots of the tasks that the end of the loop cancels. Children end with their group, and
    /// cleaners are shielded.
    pub(crate) fn all_but_children(&self) -> impl Iterator<Item = u32> + '_ {
        let is_own = |record: &Record| !record.has(Flags::IS_CLEANER) && record.child().is_none();
        self.records().filter(move |(_, record)| is_own(record)).map(|(slot, _)| slot)
    }

    pub(super) fn records(&self) -> impl Iterator<Item = (u32, &Record)> {
        self.slots.iter().filter_map(|(slot, entry)| match &entry.tenant {
            Tenant::Task(record) => Some((key::slot(slot), record)),
            Tenant::Member(_) => None,
        })
    }

    pub(crate) fn has_handle(&self, slot: u32) -> bool {
        self.get(slot).is_some_and(|record| record.has(Flags::HAS_HANDLE))
    }

    /// The entry on a ready list to which the wakes of the tenant go, if it has one.
    pub(crate) fn member(&self, slot: u32) -> Option<Member> {
        match &self.slots.get(slot as usize)?.tenant {
            Tenant::Task(record) => record.child(),
            Tenant::Member(member) => Some(*member),
        }
    }

    /// The member of a group to which a child's wakes go, until the child ends.
    pub(crate) fn child(&self, slot: u32) -> Option<Member> {
        self.get(slot).and_then(Record::child)
    }

    /// Makes a child that still cleans up a task of the loop, because its group is gone.
    pub(crate) fn adopt(&mut self, slot: u32) {
        if let Some(record) = self.record(slot) {
            record.member = Member::NONE;
            self.living += 1;
            self.slots[slot as usize].tenancy.end_membership();
        }
    }

    pub(super) fn get(&self, slot: u32) -> Option<&Record> {
        match &self.slots.get(slot as usize)?.tenant {
            Tenant::Task(record) => Some(record),
            Tenant::Member(_) => None,
        }
    }

    pub(super) fn record(&mut self, slot: u32) -> Option<&mut Record> {
        match &mut self.slots.get_mut(slot as usize)?.tenant {
            Tenant::Task(record) => Some(record),
            Tenant::Member(_) => None,
        }
    }
}
