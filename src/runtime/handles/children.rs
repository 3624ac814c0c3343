//! The children of a task group: tasks whose futures are in the group. The poll of the task that
//! awaits the group polls them.
//!
//! A child has a slot, a name, a place, a parent and a handle like any task. Its wakes put it on
//! the group's ready list, and wake the task that polled the group last, as with the members of a
//! `gather`. While a child is polled or dropped, it is the current task. The body of the group is a
//! member without a name: it runs as the task that awaits the group.
//!
//! Only the group knows what `J`, the future of a child, is. The group takes it out of its entry
//! while user code runs in it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::task::Context;

use super::gathering::{new_list, wait_for};
use super::leaving::leave_wait;
use super::task::TaskHandle;
use crate::runtime::context::{self, with, with_loop};
use crate::runtime::data::failed_cleanup::FailedCleanup;
use crate::runtime::data::key::{self, HandleKey, NO_SLOT, WakerKey};
use crate::runtime::data::ready_list::{Member, ReadyList, ReadyMember};
use crate::runtime::data::record::{CancelReason, Ending, Place, TaskLabel};
use crate::runtime::data::room::{Slots, trim_queue};
use crate::runtime::data::tasks::{ChildStep, Tenant};
use crate::runtime::deferred::run_outbox;
use crate::runtime::scope::{self, Scope};
use crate::runtime::state::{Outer, State};
use crate::runtime::threads::registry;

/// Marks the body in the ready list, in place of a child's index.
const BODY: u32 = NO_SLOT;

/// Marks a child whose cleanups are done, in place of its slot in the ready list. The list may also
/// contain entries without a slot, from a watch that had this list before.
const CLEANED: u32 = NO_SLOT - 1;

const ELSEWHERE: &str = "use it where it was polled first";

/// The children of one group that have not ended, and the group's ready list.
pub(crate) struct Children<J> {
    /// The slot is that of the ready list.
    key: HandleKey,
    body: u32,
    scope_of_body: Scope,
    entries: RefCell<Slots<Entry<J>>>,
    /// How many children run, and how many may.
    running: Cell<usize>,
    limit: Cell<usize>,
    /// Children that run once others have ended.
    held: RefCell<VecDeque<Held>>,
    /// The number of children created so far. It tells one tenant of an entry from the next.
    created: Cell<u64>,
}

struct Entry<J> {
    /// Another task may have this slot once the child has ended, because the group learns of the
    /// end only in its next poll.
    slot: u32,
    number: u64,
    is_running: bool,
    /// `None` while the child is polled, and once its future is gone.
    job: Option<J>,
}

struct Held {
    index: usize,
    number: u64,
}

/// The next action of a group.
pub(crate) enum Woken<J> {
    /// Poll the body.
    Body(BodyTurn),
    /// Poll a child.
    Child(ChildTurn, J),
    /// Drop a child that was cancelled.
    Cancelled(ChildTurn, J),
    /// The child with this index has ended, after its cleanups. If it failed, these are the
    /// failures of the cleanups.
    Ended(usize, Vec<FailedCleanup>),
}

/// The body's turn.
pub(crate) struct BodyTurn {
    key: WakerKey,
    scope: Scope,
}

/// A child's turn: it is the current task, until [`Children::suspend`] or [`Children::end`].
#[must_use = "`suspend` or `end` makes the outer task current again"]
pub(crate) struct ChildTurn {
    key: WakerKey,
    index: usize,
    /// The child had a handle when its turn began. It may have lost it since.
    had_handle: bool,
    outer: Outer,
}

impl<J> Children<J> {
    /// A group without children, on the loop that runs here. The body counts as woken.
    #[track_caller]
    pub(crate) fn new(what: &str) -> Self {
        let key = new_list(what);
        let new_body = |state: &mut State| {
            let body = Member { list: key.slot, index: BODY };
            let slot = state.tasks.insert(Tenant::Member(body));
            state.queue_member(slot, body);
            slot
        };
        let body = with(new_body).unwrap_or(NO_SLOT);
        Self {
            key,
            body,
            scope_of_body: Scope::new(),
            entries: RefCell::new(Slots::new()),
            running: Cell::new(0),
            limit: Cell::new(usize::MAX),
            held: RefCell::default(),
            created: Cell::new(0),
        }
    }

    fn with<R>(&self, f: impl FnOnce(&mut State, u32) -> R) -> R {
        let HandleKey { run, slot: list } = self.key;
        match with_loop(run, |state| f(state, list)) {
            Ok(result) => result,
            Err(elsewhere) => {
                panic!("{}", elsewhere.message("task group", ELSEWHERE))
            }
        }
    }

    /// The number of children.
    pub(crate) fn len(&self) -> usize {
        self.entries.borrow().len()
    }

    /// Creates a child. It runs as soon as the limit allows.
    pub(crate) fn create(&self, job: J, place: Place) -> TaskHandle {
        let number = self.created.replace(self.created.get() + 1);
        let is_running = self.running.get() < self.limit.get();
        let entry = Entry { slot: NO_SLOT, number, is_running, job: Some(job) };
        let index = self.entries.borrow_mut().insert(entry);
        let member = self.member(index);
        let handle = with_loop(self.key.run, |state| {
            let slot = state.tasks.create_child(member, place, state.current);
            state.start_vars(slot);
            // Queueing may wake the group's waiter, which can run foreign code as soon as the state
            // is free. It must find the entry complete.
            self.entries.borrow_mut()[index].slot = slot;
            if is_running {
                self.running.set(self.running.get() + 1);
                state.queue_member(slot, member);
            }
            TaskHandle::of(state, slot)
        });
        let handle = handle.unwrap_or_else(|elsewhere| {
            let _entry = self.entries.borrow_mut().remove(index);
            panic!("{}", elsewhere.message("task group", ELSEWHERE))
        });
        if !is_running {
            self.hold(Held { index, number });
        }
        handle
    }

    fn hold(&self, child: Held) {
        let (mut held, entries) = (self.held.borrow_mut(), self.entries.borrow());
        // Children that were cancelled while they were held must not pile up.
        if held.len() > 2 * entries.len() {
            let is_there = |Held { index, number }: &Held| {
                entries.get(*index).is_some_and(|entry| entry.number == *number)
            };
            held.retain(is_there);
        }
        held.push_back(child);
    }

    /// Starts a child that was held. Queueing may wake the group's waiter, which can run foreign
    /// code, so no entry is borrowed then.
    fn start(&self, index: usize, number: u64) {
        let mut entries = self.entries.borrow_mut();
        // The child may have been cancelled while it was held.
        let entry = entries.get_mut(index).filter(|entry| entry.number == number);
        let Some(Entry { slot, is_running, .. }) = entry else { return };
        let slot = *slot;
        *is_running = true;
        drop(entries);
        self.running.set(self.running.get() + 1);
        let member = self.member(index);
        self.with(|state, _| {
            // It may also have been cancelled and cleaned up, and another task may have its slot.
            if state.tasks.child(slot) == Some(member) {
                state.queue(slot);
            }
        });
    }

    /// Creates a task that is cancelled from the start, for a group that takes no more children.
    pub(crate) fn create_cancelled(&self, place: Place) -> TaskHandle {
        self.with(|state, _| {
            let (reason, parent) = (CancelReason::GroupCancelled, state.current);
            let slot = state.tasks.create_cancelled(reason, place, parent);
            TaskHandle::of(state, slot)
        })
    }

    /// Sets how many children may run at once.
    pub(crate) fn set_limit(&self, limit: usize) {
        self.limit.set(limit);
        self.start_held();
    }

    fn start_held(&self) {
        while self.running.get() < self.limit.get() {
            let mut held = self.held.borrow_mut();
            let Some(Held { index, number }) = held.pop_front() else { return };
            trim_queue(&mut held);
            drop(held);
            self.start(index, number);
        }
    }

    /// Marks all children for cancellation. Each is dropped in its turn.
    pub(crate) fn cancel_all(&self) {
        let children: Vec<_> = {
            let entries = self.entries.borrow();
            entries.iter().map(|(index, entry)| (entry.slot, self.member(index))).collect()
        };
        // Without children this is legal on any thread, so that a group that has ended can be
        // cancelled anywhere.
        if children.is_empty() {
            return;
        }
        self.with(|state, _| {
            for (slot, member) in children {
                if state.tasks.child(slot) == Some(member) {
                    state.cancel(slot, CancelReason::GroupCancelled);
                }
            }
        });
    }

    /// Wakes the group without giving a child its turn.
    pub(crate) fn wake_group(&self) {
        let HandleKey { run, slot: list } = self.key;
        with_loop(run, |state| state.wake_member(NO_SLOT, Member { list, index: BODY })).ok();
    }

    /// How many entries of the ready list wait for a turn.
    pub(crate) fn woken(&self) -> usize {
        self.with(|state, list| state.ready_lists[list as usize].ready.len())
    }

    /// Takes the first entry off the ready list.
    pub(crate) fn next_woken(&self) -> Option<Woken<J>> {
        loop {
            match self.with(State::next_woken_of_group)? {
                Next::Body(key) => {
                    let turn = BodyTurn { key, scope: self.scope_of_body };
                    return Some(Woken::Body(turn));
                }
                Next::Ended { index, failed } => {
                    self.remove(index as usize);
                    return Some(Woken::Ended(index as usize, failed));
                }
                Next::Child { turn, is_cancelled } => {
                    let job = self.take_job(turn.index);
                    match job {
                        Some(job) if is_cancelled => return Some(Woken::Cancelled(turn, job)),
                        Some(job) => return Some(Woken::Child(turn, job)),
                        None => {
                            self.end(turn, Ending::Cancelled);
                        }
                    }
                }
            }
        }
    }

    fn take_job(&self, index: usize) -> Option<J> {
        self.entries.borrow_mut().get_mut(index)?.job.take()
    }

    /// The child waits, so its turn ends.
    #[expect(clippy::needless_pass_by_value, reason = "the turn is over")]
    pub(crate) fn suspend(&self, turn: ChildTurn, job: J) {
        let ChildTurn { key, index, outer, .. } = turn;
        if let Some(entry) = self.entries.borrow_mut().get_mut(index) {
            entry.job = Some(job);
        }
        let has_written = self.with(|state, _| {
            state.step_out(outer);
            state.tasks.suspend_child(key.slot());
            !state.outbox.is_empty()
        });
        if has_written {
            run_outbox();
        }
    }

    /// The child's turn ends, and its future is gone. If it has cleanups, it has not ended yet:
    /// this returns its index, and [`Woken::Ended`] follows.
    #[expect(clippy::needless_pass_by_value, reason = "the turn is over")]
    pub(crate) fn end(&self, turn: ChildTurn, ending: Ending) -> Option<usize> {
        let ChildTurn { key, index, outer, .. } = turn;
        let (has_ended, has_written) = self.with(|state, _| {
            state.step_out(outer);
            state.finish(key.slot(), ending);
            (!state.tasks.is_cleaning(key.slot()), !state.outbox.is_empty())
        });
        if has_written {
            run_outbox();
        }
        if has_ended {
            self.remove(index);
        }
        (!has_ended).then_some(index)
    }

    fn remove(&self, index: usize) {
        let entry = self.entries.borrow_mut().remove(index);
        if entry.is_running {
            self.running.set(self.running.get() - 1);
            self.start_held();
        }
    }

    /// From now on a wake of a child or of the body wakes `cx`.
    pub(crate) fn wait(&self, cx: &Context<'_>) {
        wait_for(self.key, cx);
    }

    /// Whether the child whose turn it is has a handle.
    pub(crate) fn has_handle(&self, turn: &ChildTurn) -> bool {
        turn.had_handle && self.with(|state, _| state.tasks.has_handle(turn.key.slot()))
    }

    /// The label of the current task.
    pub(crate) fn label(&self) -> TaskLabel {
        self.with(|state, _| state.tasks.label(state.current))
    }

    /// Calls `f`, which drops the body, in the body's scope.
    pub(crate) fn drop_body<R>(&self, f: impl FnOnce() -> R) -> R {
        let _entered = self.scope_of_body.enter();
        f()
    }

    /// Takes out the futures of all children, to be dropped one by one, when the group goes before
    /// them.
    pub(crate) fn take_all(&self) -> impl Iterator<Item = (Abandoned, Option<J>)> + use<J> {
        let (key, entries) = (self.key, self.entries.borrow_mut().take());
        entries.into_iter().map(move |(index, Entry { slot, job, .. })| {
            let member = Member { list: key.slot, index: key::slot(index) };
            (Abandoned { key: HandleKey { slot, ..key }, member }, job)
        })
    }

    fn member(&self, index: usize) -> Member {
        Member { list: self.key.slot, index: key::slot(index) }
    }
}

/// A child that its group has given up.
pub(crate) struct Abandoned {
    key: HandleKey,
    member: Member,
}

impl Abandoned {
    /// Calls `f`, which drops the child's future. Cleanups that the drop leaves belong to the
    /// enclosing task, start after the child's own cleanups, and name the child in reports.
    pub(crate) fn end<R>(self, f: impl FnOnce() -> R) -> R {
        let Self { key: key @ HandleKey { run, slot }, member } = self;
        let _entered = Scope::new().enter();
        let mut outer = None;
        let left = with_loop(run, |state| {
            let is_its = state.tasks.child(slot) == Some(member);
            let child = is_its.then(|| state.tasks.label(slot));
            outer = mem::replace(&mut state.cleaning.dropped_child, child);
            if is_its { state.left_cleanups(slot) } else { None }
        });
        if let Ok(Some(left)) = left {
            leave_wait(left, key);
        }
        // The caller catches panics.
        let result = f();
        with_loop(run, |state| state.cleaning.dropped_child = outer).ok();
        let end = move || with_loop(run, |state| state.end_abandoned(slot, member));
        if end().is_err() {
            registry::send_home(run, move || {
                end().ok();
            });
        }
        result
    }
}

/// A woken entry, as the state knows it.
enum Next {
    Body(WakerKey),
    Child { turn: ChildTurn, is_cancelled: bool },
    Ended { index: u32, failed: Vec<FailedCleanup> },
}

impl State {
    fn next_woken_of_group(&mut self, list: u32) -> Option<Next> {
        let run = self.run_number().index();
        while let Some(member) = self.ready_lists[list as usize].pop() {
            let ReadyMember { slot, index } = member;
            if slot == NO_SLOT {
                continue;
            }
            if slot == CLEANED {
                let failed = self.cleaning.take_failed_of_child(Member { list, index });
                return Some(Next::Ended { index, failed });
            }
            if index == BODY {
                let entry = &mut self.tasks.slots[slot as usize];
                entry.tenancy.unqueue();
                let key = WakerKey::new(run, entry.tenancy.serial(), slot);
                return Some(Next::Body(key));
            }
            if let Some(ChildStep { serial, is_cancelled, has_handle }) =
                self.tasks.begin_child(slot)
            {
                let key = WakerKey::new(run, serial, slot);
                let outer = self.step_in();
                let turn = ChildTurn { key, index: index as usize, had_handle: has_handle, outer };
                self.pace.count_member();
                self.start_turn(key);
                return Some(Next::Child { turn, is_cancelled });
            }
        }
        None
    }

    /// Tells the group that a child has ended after its cleanups.
    pub(crate) fn tell_group(&mut self, member: Member) {
        self.wake_member(CLEANED, member);
    }

    /// The child's future is gone, and its group is about to go. If the child still has cleanups,
    /// it belongs to the loop until they have ended.
    fn end_abandoned(&mut self, slot: u32, member: Member) {
        if self.tasks.child(slot) != Some(member) {
            return;
        }
        if self.tasks.is_living(slot) && !self.tasks.is_cleaning(slot) {
            self.tasks.mark_cancelled(slot, CancelReason::GroupDropped);
            self.finish(slot, Ending::Cancelled);
        }
        if self.tasks.is_cleaning(slot) {
            self.tasks.adopt(slot);
        }
    }

    /// Frees the group's slots once the futures of all children are gone.
    fn disband_group(&mut self, list: u32, body: u32) {
        drop(self.tasks.remove(body));
        let failed = self.cleaning.take_failed_of_group(list);
        self.report_failed_cleanups(failed);
        let list = self.ready_lists.try_remove(list as usize);
        let Some(ReadyList { owner, ready }) = list else { return };
        self.release(owner);
        let is_child = |member: &ReadyMember| member.index != BODY && member.slot < CLEANED;
        for ReadyMember { slot, .. } in ready.into_iter().filter(is_child) {
            self.tasks.unqueue(slot);
        }
    }
}

impl BodyTurn {
    pub(crate) fn poll<R>(self, f: impl FnOnce(&mut Context<'_>) -> R) -> R {
        let _entered = self.scope.enter();
        context::with_waker(self.key, f)
    }
}

impl ChildTurn {
    pub(crate) fn poll<R>(&self, f: impl FnOnce(&mut Context<'_>) -> R) -> R {
        self.drop(|| context::with_waker(self.key, f))
    }

    /// Calls `f`, which drops the rest of the child.
    #[expect(clippy::unused_self, reason = "it is the child's turn")]
    pub(crate) fn drop<R>(&self, f: impl FnOnce() -> R) -> R {
        scope::outside(f)
    }
}

impl<J> Drop for Children<J> {
    fn drop(&mut self) {
        let (HandleKey { run, slot: list }, body) = (self.key, self.body);
        context::at_home(run, move |state| state.disband_group(list, body));
    }
}

impl<J> fmt::Debug for Children<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Children").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::panic::Location;

    use super::*;
    use crate::runtime::run;

    fn slots() -> usize {
        with(|state| state.tasks.slots.len()).unwrap_or(0)
    }

    /// Polls each woken child, which keeps waiting, and ends the cancelled ones.
    fn take_turns(children: &Children<()>) {
        while let Some(woken) = children.next_woken() {
            match woken {
                Woken::Child(turn, ()) => children.suspend(turn, ()),
                Woken::Cancelled(turn, ()) => {
                    children.end(turn, Ending::Cancelled);
                }
                Woken::Body(_) | Woken::Ended(..) => {}
            }
        }
    }

    #[test]
    fn children_that_are_queued_when_their_group_goes_leave_no_slots() {
        run(async {
            let before = slots();
            for has_handles in [false, true] {
                let children = Children::new("a group");
                let handles: Vec<_> =
                    (0..3).map(|_| children.create((), Location::caller())).collect();
                let handles = has_handles.then_some(handles);
                assert_eq!(slots(), before + 4, "three children, and the body");
                for (child, job) in children.take_all() {
                    child.end(|| assert!(job.is_some()));
                }
                drop(children);
                drop(handles);
                assert_eq!(slots(), before);
            }
        });
    }

    #[test]
    fn held_children_that_were_cancelled_do_not_pile_up() {
        run(async {
            let children = Children::new("a group");
            children.set_limit(1);
            let _running = children.create((), Location::caller());
            for _ in 0..1000 {
                children.create((), Location::caller()).cancel(CancelReason::Requested);
                take_turns(&children);
                assert!(children.held.borrow().len() <= 6);
            }
            assert_eq!(children.len(), 1);
            for (child, job) in children.take_all() {
                child.end(|| assert!(job.is_some()));
            }
        });
    }
}
