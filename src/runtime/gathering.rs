//! A gathering as `gather` holds it: the keys of its members, each polled only when it was woken.
//!
//! A member is a future that its holder polls, or stands for a task and is woken when that ends ([`Gathering::watch`]).

use std::mem;
use std::ops::ControlFlow;
use std::task::{Context, Poll, ready};

use super::context::{self, NotHere, candidate, with, with_loop};
use super::key::{self, HandleKey, NO_SLOT, WakerKey};
use super::members::{Member, ReadyList, ReadyMember};
use super::registry;
use super::spawn::TaskHandle;
use super::state::State;
use super::tasks::Tenant;
use super::waiter::Waiter;

/// So many members are polled in one poll of the task; then others have their turn.
const POLLS_MAX: usize = 64;

/// Members of one future that are polled inside it.
#[derive(Debug)]
pub(crate) struct Gathering {
    /// The slot is that of the ready list.
    key: HandleKey,
    /// The slots of the members that have started; [`NO_SLOT`] where one has ended.
    members: Vec<u32>,
    /// The places of those that stood for a task and were dismissed: the next such members take them.
    vacant: Vec<u32>,
    living: usize,
    /// How many members there will be.
    total: usize,
}

impl Gathering {
    /// A gathering, on the loop that runs here, of `total` members; `limit` at once, of which each starts as woken.
    #[track_caller]
    pub(crate) fn new(what: &str, total: usize, limit: usize) -> Self {
        let new = |state: &mut State| {
            let list = state.ready_lists.insert(ReadyList::new());
            HandleKey { run: state.run_number(), slot: key::slot(list) }
        };
        let Some(key) = with(new) else { context::no_loop(what) };
        let at_once = total.min(limit);
        let members = Vec::with_capacity(at_once);
        let mut gathering = Self { key, members, vacant: Vec::new(), living: 0, total };
        gathering.start(at_once);
        gathering
    }

    /// One more member than was said, which starts as woken.
    pub(crate) fn add(&mut self) {
        self.total += 1;
        self.start(1);
    }

    /// A member that stands for `task`: woken when that has ended, at once if it has already. Gives its index; whoever
    /// awaited the task before is not woken any more.
    pub(crate) fn watch(&mut self, task: &TaskHandle) -> usize {
        let index = self.vacant.pop().map_or(self.members.len(), |index| index as usize);
        let HandleKey { run, slot: list } = self.key;
        let task_key = task.key();
        // That panics for a task of a loop that lives elsewhere.
        let has_gone = task_key.run != run && task.is_finished();
        let watch = |state: &mut State| {
            let slot = state.tasks.insert(Tenant::Member(Member { list, index: key::slot(index) }));
            let key = WakerKey::new(run.index(), state.tasks.serial(slot), slot);
            if has_gone || !state.tasks.is_living(task_key.slot) {
                state.wake_key(key);
            } else if let Some(joiner) = state.tasks.joiner(task_key.slot) {
                let former = mem::replace(joiner, Waiter::of_key(key));
                state.release(former);
            }
            slot
        };
        let slot = here(with_loop(run, watch));
        match self.members.get_mut(index) {
            Some(place) => *place = slot,
            None => self.members.push(slot),
        }
        self.living += 1;
        index
    }

    /// The next member that was woken, in the order of the wakes: for those that stand for tasks.
    pub(crate) fn take_woken(&self) -> Result<Option<usize>, NotHere> {
        self.try_next_woken().map(|next| next.map(|(index, _)| index))
    }

    /// A member that stood for a task goes, and leaves its place to the next one.
    pub(crate) fn dismiss(&mut self, index: usize) {
        self.free(index);
        self.vacant.push(key::slot(index));
    }

    /// Whether its loop runs on this thread.
    pub(crate) fn is_here(&self) -> bool {
        with_loop(self.key.run, |_| ()).is_ok()
    }

    fn start(&mut self, count: usize) {
        let first = self.members.len();
        let Self { key: HandleKey { run, slot: list }, ref mut members, .. } = *self;
        here(with_loop(run, |state| {
            for index in first..first + count {
                let index = key::slot(index);
                let slot = state.tasks.insert(Tenant::Member(Member { list, index }));
                state.tasks.slots[slot as usize].queued = true;
                state.ready_lists[list as usize].ready.push_back(ReadyMember { slot, index });
                members.push(slot);
            }
        }));
        self.living += count;
    }

    /// Polls the members that were woken, by `poll`, which is told which one; a member that is ready is not polled again.
    /// Ready when `poll` breaks, or no member is left.
    pub(crate) fn poll_woken(
        &mut self,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(usize, &mut Context<'_>) -> Poll<ControlFlow<()>>,
    ) -> Poll<()> {
        for _ in 0..POLLS_MAX {
            let Some((index, key)) = self.next_woken() else {
                return self.wait(cx);
            };
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

    /// Polls the members that were woken, by `poll`, until one is ready, and says which one, and with what. `None`: no member
    /// is left.
    pub(crate) fn poll_next<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(usize, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<Option<(usize, T)>> {
        for _ in 0..POLLS_MAX {
            let Some((index, key)) = self.next_woken() else {
                ready!(self.wait(cx));
                return Poll::Ready(None);
            };
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
        here(self.try_next_woken())
    }

    fn try_next_woken(&self) -> Result<Option<(usize, WakerKey)>, NotHere> {
        let Self { key: HandleKey { run, slot: list }, ref members, .. } = *self;
        with_loop(run, |state| {
            let list = &mut state.ready_lists[list as usize];
            while let Some(ReadyMember { slot, index }) = list.ready.pop_front() {
                // A member that was woken while it became ready has left its slot to somebody else.
                if members[index as usize] == slot {
                    let entry = &mut state.tasks.slots[slot as usize];
                    entry.queued = false;
                    return Some((index as usize, WakerKey::new(run.index(), entry.serial, slot)));
                }
            }
            None
        })
    }

    /// From now on a member's wake wakes `cx`. Ready if no member is left.
    pub(crate) fn wait(&self, cx: &Context<'_>) -> Poll<()> {
        if self.living == 0 {
            return Poll::Ready(());
        }
        let HandleKey { run, slot: list } = self.key;
        let candidate = candidate(cx.waker());
        let waits =
            with_loop(run, |state| state.set_waiter(&candidate, |state| owner(state, list)));
        if let Ok(false) = waits {
            context::wait_cloned(run, cx.waker(), |state| owner(state, list));
            // The clone may have woken a member while nobody was there to be told.
            let is_woken =
                with_loop(run, |state| !state.ready_lists[list as usize].ready.is_empty());
            if let Ok(true) = is_woken {
                cx.waker().wake_by_ref();
            }
        }
        Poll::Pending
    }

    /// The member has ended: the next one starts in its place.
    fn end(&mut self, index: usize) {
        self.free(index);
        if self.members.len() < self.total {
            self.start(1);
        }
    }

    fn free(&mut self, index: usize) {
        let slot = mem::replace(&mut self.members[index], NO_SLOT);
        self.living -= 1;
        with_loop(self.key.run, |state| drop(state.tasks.slots.try_remove(slot as usize))).ok();
    }
}

/// A member that is being polled, and has ended when this goes, also by a panic: it is not waited for any more.
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
        let HandleKey { run, slot: list } = self.key;
        let members = mem::take(&mut self.members);
        if with_loop(run, |state| disband(state, list, &members)).is_err() {
            registry::send_home(run, move || {
                let _ = with_loop(run, |state| disband(state, list, &members));
            });
        }
    }
}

fn owner(state: &mut State, list: u32) -> Option<&mut Waiter> {
    state.ready_lists.get_mut(list as usize).map(|list| &mut list.owner)
}

fn disband(state: &mut State, list: u32, members: &[u32]) {
    for &slot in members.iter().filter(|&&slot| slot != NO_SLOT) {
        drop(state.tasks.slots.try_remove(slot as usize));
    }
    if let Some(list) = state.ready_lists.try_remove(list as usize) {
        state.release(list.owner);
    }
}
