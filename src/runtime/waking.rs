//! Waking: takes a waker's key, or the waiter that a timer or a socket stores, to the run queue.

use super::data::key::{NO_SLOT, WakerKey};
use super::data::ready_list::{Member, ReadyMember};
use super::data::waiter::Waiter;
use super::state::{Candidate, Deferred, State};

impl State {
    #[inline]
    pub(super) fn wake(&mut self, waiter: Waiter) {
        match waiter.key() {
            Some(key) => {
                self.wake_key(key);
            }
            None if waiter.is_foreign() => self.wake_foreign(waiter),
            None => {
                if let Some((list, index)) = waiter.entry() {
                    self.wake_member(NO_SLOT, Member { list, index });
                }
            }
        }
    }

    #[cold]
    fn wake_foreign(&mut self, waiter: Waiter) {
        let waker = self.foreign.take(waiter);
        self.deferred.extend(waker.map(Deferred::Wake));
    }

    /// Does what a waker of this loop asks for. A stale waker does nothing. Returns `false` if this
    /// queued nothing.
    ///
    /// A task that wakes itself yields. If polls take long, it goes behind the tasks that the next
    /// look around wakes: otherwise I/O would always wait for one more of its polls. It waits for
    /// one look only.
    #[inline]
    pub(super) fn wake_key(&mut self, key: WakerKey) -> bool {
        let Some(slot) = self.tasks.slots.get_mut(key.slot() as usize) else { return false };
        if !slot.tenancy.queue_if(key) {
            return false;
        }
        if slot.tenancy.is_member() {
            self.wake_member_in(key.slot());
        } else if self.yields(key.slot()) {
            self.queue.push_behind(key);
        } else {
            self.queue.push(key);
        }
        true
    }

    /// Like [`State::wake_key`], but the task runs behind those that the next look wakes. That look
    /// finds the sockets, too.
    pub(super) fn wake_key_after_look(&mut self, key: WakerKey) {
        self.pace.want_reactor();
        let Some(slot) = self.tasks.slots.get_mut(key.slot() as usize) else { return };
        if !slot.tenancy.queue_if(key) {
            return;
        }
        if slot.tenancy.is_member() {
            self.wake_member_in(key.slot());
        } else {
            self.queue.push_behind(key);
        }
    }

    /// Wakes the member in `slot`, which is marked as queued already.
    #[inline(never)]
    fn wake_member_in(&mut self, slot: u32) {
        if let Some(member) = self.tasks.member(slot) {
            self.wake_member(slot, member);
        }
    }

    /// Whether the task in `slot` wakes itself while polls take long.
    #[inline]
    fn yields(&self, slot: u32) -> bool {
        self.pace.is_slow() && slot == self.in_turn && self.current != NO_SLOT
    }

    #[inline(never)]
    pub(super) fn wake_member(&mut self, slot: u32, Member { list, index }: Member) {
        // The list may be gone if it belonged to a watch.
        let Some(list) = self.ready_lists.get_mut(list as usize) else { return };
        list.ready.push_back(ReadyMember { slot, index });
        let owner = list.owner.take();
        self.wake(owner);
    }

    /// Puts a new member on its ready list, so that it is polled for the first time.
    pub(super) fn queue_member(&mut self, slot: u32, member: Member) {
        self.tasks.slots[slot as usize].tenancy.queue();
        self.wake_member(slot, member);
    }

    /// Stores `candidate` as the waiter at the place `at`. Returns `false` if that takes a clone of
    /// its waker: a clone runs user code, so `context::wait_cloned` makes it outside.
    #[must_use]
    pub(crate) fn set_waiter(
        &mut self,
        candidate: &Candidate<'_>,
        at: impl Fn(&mut Self) -> Option<&mut Waiter>,
    ) -> bool {
        let waiter = self.waiter_of(candidate);
        let Some(place) = at(self) else { return true };
        let former = *place;
        let Some(waiter) = waiter else {
            return self.foreign.is(former, candidate.waker);
        };
        if former != waiter {
            *place = waiter;
            self.release(former);
        }
        true
    }

    /// The waiter for `candidate`, or `None` if its waker has to be cloned.
    pub(super) fn waiter_of(&self, candidate: &Candidate<'_>) -> Option<Waiter> {
        let index = self.run_number().index();
        candidate.key.filter(|key| key.index() == index).map(Waiter::of_key)
    }

    /// Releases a waiter that will not be woken.
    #[inline]
    pub(super) fn release(&mut self, waiter: Waiter) {
        if waiter.is_foreign() {
            self.release_foreign(waiter);
        }
    }

    #[cold]
    fn release_foreign(&mut self, waiter: Waiter) {
        let waker = self.foreign.take(waiter);
        self.deferred.extend(waker.map(Deferred::DropWaker));
    }

    /// Puts a task on the run queue, or on the ready list of its group, unless it is there already.
    pub(super) fn queue(&mut self, slot: u32) {
        let entry = &mut self.tasks.slots[slot as usize];
        if entry.tenancy.queue() {
            match self.tasks.child(slot) {
                None => {
                    let key = self.key_of(slot);
                    self.queue.push(key);
                }
                Some(member) => self.wake_member(slot, member),
            }
        }
    }
}
