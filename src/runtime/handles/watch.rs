//! A watch: tasks that are awaited together, by their handles. The end of each makes an entry in
//! one ready list.
//!
//! A watched task has an entry of the list as its joiner. So it needs no poll, and no slot beside
//! its own, and the cost of a watch grows with the tasks that end. An entry is a hint, because an
//! earlier watch may have left it.

use std::mem;
use std::task::{Context, Poll};

use super::gathering::{drop_list, new_list, wait_for};
use super::task::{TaskHandle, TaskId};
use crate::runtime::budget;
use crate::runtime::context::{NotHere, with_loop};
use crate::runtime::data::key::HandleKey;
use crate::runtime::data::ready_list::ReadyMember;
use crate::runtime::data::waiter::Waiter;
use crate::runtime::state::State;

/// Tasks whose ends are collected in one list. The watch knows a task by the place that it gave it.
/// Its holder has the handles.
#[derive(Debug)]
pub(crate) struct Watch {
    /// The slot is that of the ready list.
    key: HandleKey,
    /// The places of tasks that have ended. New tasks take them.
    vacant: Vec<u32>,
    /// The number of places.
    places: u32,
}

impl Watch {
    /// Creates a watch on the loop that runs here, on behalf of `what`.
    #[track_caller]
    pub(crate) fn new(what: &str) -> Self {
        Self { key: new_list(what), vacant: Vec::new(), places: 0 }
    }

    /// Watches `task`. Returns its place and its identity. A task that has ended already makes its
    /// entry at once. If other code awaited the task before, that code is not woken any more.
    ///
    /// # Panics
    ///
    /// If the loop of the task or of the watch is elsewhere.
    #[track_caller]
    pub(crate) fn add(&mut self, task: &TaskHandle) -> (usize, TaskId) {
        let HandleKey { run, slot: list } = self.key;
        let place = self.vacant.last().copied().unwrap_or(self.places);
        let HandleKey { run: task_run, slot: task_slot } = task.key();
        // `is_finished` panics if the loop lives elsewhere.
        let has_gone = task_run != run && task.is_finished();
        let watch = |state: &mut State| {
            let entry = Waiter::of_entry(list, place);
            if has_gone {
                state.wake(entry);
            } else {
                state.watch(task_slot, entry);
            }
            task.id_in(state)
        };
        let id = match with_loop(run, watch) {
            Ok(id) => id,
            Err(elsewhere) => {
                panic!("{}", elsewhere.message("set of tasks", "make a new one here"))
            }
        };
        if self.vacant.pop().is_none() {
            self.places += 1;
        }
        (place as usize, id)
    }

    /// Calls [`add`](Self::add) for one task after the other, in a new watch. A task's place is its
    /// number. This lends the state once for all of them: waiting for the first of ten thousand
    /// tasks takes 2.4 ns per task, instead of 11.7.
    #[track_caller]
    pub(crate) fn add_all<'a>(&mut self, task_at: impl Fn(usize) -> Option<&'a TaskHandle>) {
        let HandleKey { run, slot: list } = self.key;
        // Adds tasks up to the first one of another loop. Asking that one whether it has ended
        // needs the state to be free.
        let add_those_here = |places: &mut u32| {
            with_loop(run, |state| {
                loop {
                    let task = task_at(*places as usize)?;
                    if task.key().run != run {
                        return Some(task);
                    }
                    state.watch(task.key().slot, Waiter::of_entry(list, *places));
                    *places += 1;
                }
            })
        };
        while let Ok(Some(task)) = add_those_here(&mut self.places) {
            self.add(task);
        }
    }

    /// Takes the place of the next task that has ended, in the order of the ends. The place is
    /// vacant then.
    pub(crate) fn take_ended<'a>(
        &mut self,
        task_at: impl Fn(usize) -> Option<&'a TaskHandle>,
    ) -> Result<Option<usize>, NotHere> {
        self.take(task_at, || true)
    }

    /// Like [`take_ended`](Self::take_ended), but waits for the next end, and takes it off the
    /// budget of the current poll.
    pub(crate) fn poll_ended<'a>(
        &mut self,
        cx: &Context<'_>,
        task_at: impl Fn(usize) -> Option<&'a TaskHandle>,
    ) -> Result<Poll<usize>, NotHere> {
        let mut may_take = true;
        let spend = || {
            may_take = budget::spend();
            may_take
        };
        if let Some(place) = self.take(task_at, spend)? {
            return Ok(Poll::Ready(place));
        }
        if may_take {
            self.wait(cx);
        } else {
            cx.waker().wake_by_ref();
        }
        Ok(Poll::Pending)
    }

    fn take<'a>(
        &mut self,
        task_at: impl Fn(usize) -> Option<&'a TaskHandle>,
        may_take: impl FnOnce() -> bool,
    ) -> Result<Option<usize>, NotHere> {
        let HandleKey { run, slot: list } = self.key;
        let next = |state: &mut State| {
            let is_none = state.ready_lists[list as usize].ready.is_empty();
            if is_none || !may_take() {
                return None;
            }
            loop {
                let ReadyMember { index, .. } = state.ready_lists[list as usize].pop()?;
                let task = task_at(index as usize).map(TaskHandle::key);
                if task.is_some_and(|task| task.run != run || !state.tasks.is_living(task.slot)) {
                    return Some(index);
                }
            }
        };
        let ended = with_loop(run, next)?;
        self.vacant.extend(ended);
        Ok(ended.map(|index| index as usize))
    }

    /// From now on, the end of a task wakes `cx`.
    pub(crate) fn wait(&self, cx: &Context<'_>) {
        wait_for(self.key, cx);
    }

    /// Whether the watch's loop runs on this thread.
    pub(crate) fn is_here(&self) -> bool {
        with_loop(self.key.run, |_| ()).is_ok()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop_list(self.key, Vec::new());
    }
}

impl State {
    /// Makes an entry of a ready list when the task ends, or at once if it has ended.
    fn watch(&mut self, slot: u32, entry: Waiter) {
        if !self.tasks.is_living(slot) {
            self.wake(entry);
        } else if let Some(joiner) = self.tasks.joiner(slot) {
            let former = mem::replace(joiner, entry);
            self.release(former);
        }
    }
}
