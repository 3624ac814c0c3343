//! A gathering as `gather` holds it: the keys of its members. It polls a member only after a wake.

use std::mem;
use std::ops::ControlFlow;
use std::task::{Context, Poll, ready};

use crate::runtime::context::{self, NotHere, candidate, with, with_loop};
use crate::runtime::data::key::{self, HandleKey, NO_SLOT, WakerKey};
use crate::runtime::data::ready_list::{Member, ReadyList, ReadyMember};
use crate::runtime::data::tasks::Tenant;
use crate::runtime::data::waiter::Waiter;
use crate::runtime::event_loop::{has_time_after, polls_at_once};
use crate::runtime::scope::Scope;
use crate::runtime::state::State;

/// The members of one future, which polls them.
#[derive(Debug)]
pub(crate) struct Gathering {
    /// The slot is that of the ready list.
    key: HandleKey,
    /// The slots of the members that have started. [`NO_SLOT`] replaces a member that has ended.
    members: Vec<u32>,
    living: usize,
    /// The number of members, including those that have not started.
    total: usize,
    /// The scope of the first member.
    scope: Scope,
}

impl Gathering {
    /// Creates a gathering of `total` members on the loop that runs here. At most `limit` run at
    /// once, and each counts as woken when it starts. The members have consecutive scopes, from
    /// `scope` on.
    #[track_caller]
    pub(crate) fn new(what: &str, total: usize, limit: usize, scope: Scope) -> Self {
        let living = total.min(limit);
        let mut members = Vec::with_capacity(living);
        let new = |state: &mut State| {
            let key = state.new_list();
            state.start_members(key.slot, &mut members, living);
            key
        };
        let Some(key) = with(new) else { context::no_loop(what) };
        Self { key, members, living, total, scope }
    }

    /// Adds a member, which counts as woken.
    pub(crate) fn add(&mut self) {
        self.total += 1;
        self.start(1);
    }

    fn start(&mut self, count: usize) {
        let Self { key: HandleKey { run, slot: list }, ref mut members, .. } = *self;
        here(with_loop(run, |state| state.start_members(list, members, count)));
        self.living += count;
    }

    /// Polls the woken members with `poll`, which gets the member's index. A member that is ready
    /// is not polled again. Ready when `poll` breaks, or no member is left.
    pub(crate) fn poll_woken(
        &mut self,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(usize, &mut Context<'_>) -> Poll<ControlFlow<()>>,
    ) -> Poll<()> {
        let entered = self.scope.enter();
        for polls in 0..polls_at_once() {
            if !has_time_after(polls) {
                break;
            }
            let Some((index, key)) = self.next_woken() else {
                return self.wait(cx);
            };
            entered.switch_to(self.scope.of_member(index));
            match context::with_waker(key, |cx| poll(index, cx)) {
                Poll::Pending => continue,
                Poll::Ready(ControlFlow::Continue(())) => self.end(index),
                Poll::Ready(ControlFlow::Break(())) => return Poll::Ready(()),
            }
            if self.living == 0 {
                return Poll::Ready(());
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Polls the woken members with `poll` until one is ready. Returns its index and its output, or
    /// `None` if no member is left.
    pub(crate) fn poll_next<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(usize, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<Option<(usize, T)>> {
        let entered = self.scope.enter();
        for polls in 0..polls_at_once() {
            if !has_time_after(polls) {
                break;
            }
            let Some((index, key)) = self.next_woken() else {
                ready!(self.wait(cx));
                return Poll::Ready(None);
            };
            entered.switch_to(self.scope.of_member(index));
            let mut polled = Polled { gathering: self, index, has_ended: true };
            match context::with_waker(key, |cx| poll(index, cx)) {
                Poll::Pending => polled.has_ended = false,
                Poll::Ready(output) => return Poll::Ready(Some((index, output))),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn next_woken(&self) -> Option<(usize, WakerKey)> {
        let Self { key: HandleKey { run, slot: list }, ref members, .. } = *self;
        here(with_loop(run, |state| {
            let (slot, index) = state.next_woken(list, members)?;
            let serial = state.tasks.serial(slot);
            Some((index, WakerKey::new(run.index(), serial, slot)))
        }))
    }

    /// From now on, a wake of a member wakes `cx`. Ready if no member is left.
    fn wait(&self, cx: &Context<'_>) -> Poll<()> {
        if self.living == 0 {
            return Poll::Ready(());
        }
        wait_for(self.key, cx);
        Poll::Pending
    }

    /// The member has ended, so the next one starts in its place.
    fn end(&mut self, index: usize) {
        let slot = mem::replace(&mut self.members[index], NO_SLOT);
        self.living -= 1;
        with_loop(self.key.run, |state| drop(state.tasks.remove(slot))).ok();
        if self.members.len() < self.total {
            self.start(1);
        }
    }
}

/// A member that is being polled. Its drop, also after a panic, ends the member unless the poll was
/// pending.
struct Polled<'a> {
    gathering: &'a mut Gathering,
    index: usize,
    has_ended: bool,
}

impl Drop for Polled<'_> {
    fn drop(&mut self) {
        if self.has_ended {
            self.gathering.end(self.index);
        }
    }
}

fn here<R>(result: Result<R, NotHere>) -> R {
    match result {
        Ok(result) => result,
        Err(elsewhere) => {
            panic!("{}", elsewhere.message("future", "await it where it was polled first"))
        }
    }
}

impl Drop for Gathering {
    fn drop(&mut self) {
        drop_list(self.key, mem::take(&mut self.members));
    }
}

impl State {
    fn new_list(&mut self) -> HandleKey {
        let list = self.ready_lists.insert(ReadyList::new());
        HandleKey { run: self.run_number(), slot: key::slot(list) }
    }

    /// Starts `count` more members of a list, and appends their slots to `members`.
    fn start_members(&mut self, list: u32, members: &mut Vec<u32>, count: usize) {
        for _ in 0..count {
            let index = key::slot(members.len());
            let slot = self.tasks.insert(Tenant::Member(Member { list, index }));
            self.tasks.slots[slot as usize].tenancy.queue();
            self.ready_lists[list as usize].ready.push_back(ReadyMember { slot, index });
            members.push(slot);
        }
    }

    /// Takes the first of the woken `members` off their ready list. Returns its slot and its index.
    fn next_woken(&mut self, list: u32, members: &[u32]) -> Option<(u32, usize)> {
        let list = &mut self.ready_lists[list as usize];
        while let Some(ReadyMember { slot, index }) = list.pop() {
            // A member that was woken while it became ready has freed its slot, and another tenant
            // may have it. An entry without a slot is from an earlier list at this place.
            if slot != NO_SLOT && members[index as usize] == slot {
                self.pace.count_member();
                self.tasks.slots[slot as usize].tenancy.unqueue();
                return Some((slot, index as usize));
            }
        }
        None
    }
}

// Ready lists of gatherings, groups and watches.

/// Creates a ready list on the loop that runs here.
#[track_caller]
pub(crate) fn new_list(what: &str) -> HandleKey {
    let Some(key) = with(State::new_list) else { context::no_loop(what) };
    key
}

/// From now on, a new entry of the list wakes `cx`.
pub(crate) fn wait_for(list: HandleKey, cx: &Context<'_>) {
    let HandleKey { run, slot: list } = list;
    let candidate = candidate(cx.waker());
    let waits = with_loop(run, |state| state.set_waiter(&candidate, |state| owner(state, list)));
    if let Ok(false) = waits {
        context::wait_cloned(run, cx.waker(), |state| owner(state, list));
        // The clone may have woken a member while the list had no waiter.
        let is_woken = with_loop(run, |state| !state.ready_lists[list as usize].ready.is_empty());
        if let Ok(true) = is_woken {
            cx.waker().wake_by_ref();
        }
    }
}

/// Drops the list, and frees the slots of its `members`.
pub(crate) fn drop_list(list: HandleKey, members: Vec<u32>) {
    let HandleKey { run, slot: list } = list;
    context::at_home(run, move |state| disband(state, list, &members));
}

fn owner(state: &mut State, list: u32) -> Option<&mut Waiter> {
    state.ready_lists.get_mut(list as usize).map(|list| &mut list.owner)
}

fn disband(state: &mut State, list: u32, members: &[u32]) {
    for &slot in members.iter().filter(|&&slot| slot != NO_SLOT) {
        drop(state.tasks.remove(slot));
    }
    if let Some(list) = state.ready_lists.try_remove(list as usize) {
        state.release(list.owner);
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;
    use crate::runtime::run;

    #[test]
    fn members_that_wait_when_their_gathering_goes_leave_no_slots() {
        let slots = || with(|state| state.tasks.slots.len()).unwrap_or(0);
        run(async {
            let before = slots();
            let mut gathering = Gathering::new("a gathering", 3, 2, Scope::first_of(3));
            assert_eq!(slots(), before + 2, "two run at once");
            let mut cx = Context::from_waker(Waker::noop());
            let polled = gathering.poll_woken(&mut cx, |index, _| match index {
                0 => Poll::Ready(ControlFlow::Continue(())),
                _ => Poll::Pending,
            });
            assert!(polled.is_pending());
            assert_eq!(slots(), before + 2, "the third has taken the place of the first");
            drop(gathering);
            assert_eq!(slots(), before);
        });
    }
}
