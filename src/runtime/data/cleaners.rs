//! Tasks that run cleanups, and tasks whose cleanups run.

use super::job::BoxedJob;
use super::key::NO_SLOT;
use super::record::{Flags, Phase, Place, Record};
use super::tasks::{MAIN, Tasks};

impl Tasks {
    /// Arrow 1, for a task that runs the cleanups of `owner` or, if `owner` is [`NO_SLOT`], an
    /// errand. It has no handle.
    pub(crate) fn create_cleaner(&mut self, job: BoxedJob, place: Place, owner: u32) -> u32 {
        let slot = self.create(job, place, owner);
        if let Some(record) = self.record(slot) {
            record.flags.clear(Flags::HAS_HANDLE);
            record.flags.set(Flags::IS_CLEANER);
        }
        slot
    }

    /// The first part of arrow 4, if the task has left cleanups. Returns `false` if it has left
    /// none.
    pub(crate) fn start_cleaning(&mut self, slot: u32) -> bool {
        let Some(record) = self.record(slot) else { return false };
        if record.has(Flags::HAS_CLEANUPS) {
            record.phase = Phase::Cleaning;
        }
        record.has(Flags::HAS_CLEANUPS)
    }

    /// If the task in `slot` is a cleaner, the task whose cleanups it runs. The owner of a cleaner
    /// may be a cleaner too, so this follows the chain to its end.
    pub(crate) fn cleaned_task(&self, mut slot: u32) -> u32 {
        let owner = |record: &Record| record.has(Flags::IS_CLEANER).then_some(record.parent);
        while let Some(owner) = self.get(slot).and_then(owner).filter(|&owner| owner != NO_SLOT) {
            slot = owner;
        }
        slot
    }

    /// The slots of errands that have not ended. An errand has no owner.
    pub(crate) fn errands(&self) -> impl Iterator<Item = u32> + '_ {
        let is_errand = |record: &Record| {
            let is_nobodys = record.has(Flags::IS_CLEANER) && record.parent == NO_SLOT;
            is_nobodys && !record.phase.has_ended()
        };
        self.records().filter(move |(_, record)| is_errand(record)).map(|(slot, _)| slot)
    }

    pub(crate) fn has_cleanups(&self, slot: u32) -> bool {
        self.get(slot).is_some_and(|record| record.has(Flags::HAS_CLEANUPS))
    }

    pub(crate) fn set_has_cleanups(&mut self, slot: u32, has: bool) {
        if let Some(record) = self.record(slot) {
            if has {
                record.flags.set(Flags::HAS_CLEANUPS);
            } else {
                record.flags.clear(Flags::HAS_CLEANUPS);
            }
        }
    }

    /// Whether the task may still leave cleanups.
    pub(crate) fn may_clean(&self, slot: u32) -> bool {
        self.get(slot).is_some_and(|record| !record.has(Flags::IS_HURRIED))
    }

    pub(crate) fn hurry(&mut self, slot: u32) {
        if let Some(record) = self.record(slot) {
            record.flags.set(Flags::IS_HURRIED);
        }
    }

    /// Gives main time for cleanups again, for its next run.
    pub(crate) fn calm_main(&mut self) {
        if let Some(record) = self.record(MAIN) {
            record.flags.clear(Flags::IS_HURRIED);
        }
    }

    pub(crate) fn is_cleaning(&self, slot: u32) -> bool {
        self.get(slot).is_some_and(|record| record.phase == Phase::Cleaning)
    }

    /// The owner of this cleaner is about to go, and another task may get its slot. Reports of a
    /// slow round still find the owner's label.
    pub(crate) fn orphan(&mut self, cleaner: u32) {
        if self.is_task(cleaner) {
            let (serial, owner) = (self.serial(cleaner), self.cleaned_task(cleaner));
            self.gone.push(cleaner, serial, owner, self.label(owner));
        }
        if let Some(record) = self.record(cleaner) {
            record.parent = NO_SLOT;
        }
    }
}
