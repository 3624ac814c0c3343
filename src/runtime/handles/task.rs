//! Creating tasks, and the untyped handle of a task.

use std::any::Any;
use std::mem;
use std::panic::Location;
use std::task::{Context, Poll};

use crate::runtime::context::{self, NotHere, candidate, with, with_loop, with_loop_of_thread};
use crate::runtime::data::ended::{Failure, Joined};
use crate::runtime::data::job;
use crate::runtime::data::job::BoxedJob;
use crate::runtime::data::key::{HandleKey, NO_SLOT, RunNumber, TaskNumber, WakerKey};
use crate::runtime::data::record::{CancelReason, ErrorReporter, Peer, Place, TaskLabel};
use crate::runtime::event_loop;
use crate::runtime::state::State;
use crate::runtime::threads::inbox::Cancel;
use crate::runtime::threads::registry;

/// Keeps a task's slot reserved until it is dropped.
#[derive(Debug)]
pub(crate) struct TaskHandle {
    /// The slot is [`NO_SLOT`] once the output has been taken.
    key: HandleKey,
}

/// Identifies a task. Never used again for another one, and ordered by creation within a loop.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct TaskId {
    run: RunNumber,
    number: TaskNumber,
    /// The slot of the task. The number tells whether the task is still there.
    slot: u32,
}

/// See `Tasks::skip_numbers`.
#[cfg(test)]
pub(crate) fn skip_task_numbers(count: u64) {
    with(|state| state.tasks.skip_numbers(count));
}

/// The most eager tasks that may start inside one another. More would exhaust the stack.
const EAGER_DEPTH_MAX: u32 = 64;

/// Creates a task on this thread's loop.
#[track_caller]
pub(crate) fn create<F>(future: F, name: Option<String>, eager: bool) -> TaskHandle
where
    F: Future + 'static,
    F::Output: 'static,
{
    create_at(Location::caller(), future, name, eager)
}

/// Like [`create`], but records `place` as the place of creation.
#[track_caller]
pub(crate) fn create_at<F>(
    place: Place,
    future: F,
    name: Option<String>,
    mut is_eager: bool,
) -> TaskHandle
where
    F: Future + 'static,
    F::Output: 'static,
{
    let job = job::boxed(future);
    let create = |state: &mut State| {
        let run = state.run_number();
        if state.refuses_tasks() {
            let slot = state.tasks.create_cancelled(CancelReason::LoopEnded, place, state.current);
            state.refuse(job);
            is_eager = false;
            return HandleKey { run, slot };
        }
        is_eager &= state.eager_depth < EAGER_DEPTH_MAX;
        let slot = if is_eager {
            state.tasks.create(job, place, state.current)
        } else {
            let (slot, serial) = state.tasks.create_queued(job, place, state.current);
            state.queue.push(WakerKey::new(run.index(), serial, slot));
            slot
        };
        state.start_vars(slot);
        if let Some(name) = name {
            state.tasks.set_name(slot, name);
        }
        HandleKey { run, slot }
    };
    let Some(key) = with(create) else { context::no_loop("`create_task`") };
    if is_eager {
        event_loop::start_eagerly(key.slot);
    }
    TaskHandle { key }
}

#[track_caller]
pub(crate) fn create_detached(future: impl Future<Output = ()> + 'static) {
    drop(create(future, None, false));
}

impl TaskHandle {
    /// The handle of a new task.
    pub(crate) fn of(state: &State, slot: u32) -> Self {
        Self { key: HandleKey { run: state.run_number(), slot } }
    }

    /// Ready with the output, or with the reason why there is none. The handle is empty then.
    #[track_caller]
    pub(crate) fn poll_join(&mut self, cx: &Context<'_>) -> Poll<Result<BoxedJob, Failure>> {
        match self.poll_output(cx) {
            Poll::Ready(Some(job)) => Poll::Ready(Ok(job)),
            Poll::Ready(None) => Poll::Ready(Err(self.take_failure())),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Ready with the output, and the handle is empty then. Ready with `None` if there is none, and
    /// then [`TaskHandle::take_failure`] has the reason.
    #[track_caller]
    pub(crate) fn poll_output(&mut self, cx: &Context<'_>) -> Poll<Option<BoxedJob>> {
        let HandleKey { run, slot } = self.key;
        let candidate = candidate(cx.waker());
        let found = with_loop(run, |state| {
            if slot == NO_SLOT || state.current == slot {
                return Found::Misuse;
            }
            // For the reason given in `State::drop_handle`.
            state.read_inbox();
            match state.tasks.take_output(slot) {
                Joined::NotYet
                    if state.set_waiter(&candidate, |state| state.tasks.joiner(slot)) =>
                {
                    Found::NotYet
                }
                Joined::NotYet => Found::NotYetForeign,
                Joined::Output(job) => Found::Output(job),
                Joined::Failed => Found::Failed,
            }
        });
        match found {
            Ok(Found::NotYet) => Poll::Pending,
            Ok(Found::Output(job)) => {
                self.key.slot = NO_SLOT;
                Poll::Ready(Some(job))
            }
            other => self.poll_output_slowly(&other, cx),
        }
    }

    /// The rare results, apart from the hot path.
    #[cold]
    #[track_caller]
    fn poll_output_slowly(
        &self,
        found: &Result<Found, NotHere>,
        cx: &Context<'_>,
    ) -> Poll<Option<BoxedJob>> {
        let HandleKey { run, slot } = self.key;
        assert!(slot != NO_SLOT, "this `Task` has given its output already: await it only once");
        match found {
            Err(elsewhere) if !elsewhere.loop_has_ended() => {
                panic!("{}", elsewhere.message("`Task`", "await it on the loop's thread"))
            }
            Ok(Found::Misuse) => {
                let name = self.label().map_or_else(String::new, |label| label.name());
                panic!("the task `{name}` awaits itself, which would never end")
            }
            Ok(Found::NotYetForeign) => {
                context::wait_cloned(run, cx.waker(), |state| state.tasks.joiner(slot));
                Poll::Pending
            }
            _ => Poll::Ready(None),
        }
    }

    /// Takes the reason why there is no output. The handle is empty then.
    #[cold]
    pub(crate) fn take_failure(&mut self) -> Failure {
        let HandleKey { run, slot } = self.key;
        self.key.slot = NO_SLOT;
        with_loop(run, |state| state.take_failure(slot)).unwrap_or(Failure::LOOP_ENDED)
    }

    /// Ready when the task has ended. The output stays.
    pub(crate) fn poll_finished(&self, cx: &Context<'_>) -> Poll<()> {
        let HandleKey { run, slot } = self.key;
        let candidate = candidate(cx.waker());
        let found = with_loop(run, |state| {
            let is_living = state.tasks.is_living(slot);
            is_living.then(|| state.set_waiter(&candidate, |state| state.tasks.joiner(slot)))
        });
        match found {
            Ok(Some(is_set)) => {
                if !is_set {
                    context::wait_cloned(run, cx.waker(), |state| state.tasks.joiner(slot));
                }
                Poll::Pending
            }
            Ok(None) | Err(_) => Poll::Ready(()),
        }
    }

    /// Takes the handle, and leaves an empty one behind.
    pub(crate) fn take(&mut self) -> Self {
        let empty = HandleKey { slot: NO_SLOT, ..self.key };
        Self { key: mem::replace(&mut self.key, empty) }
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.here("ask on the loop's thread", |state, slot| !state.tasks.is_living(slot))
            .unwrap_or(true)
    }

    /// Marks the task as a plain call, which is not a task of the user's.
    pub(crate) fn mark_as_call(&self) {
        let HandleKey { run, slot } = self.key;
        with_loop(run, |state| state.tasks.mark_as_call(slot)).ok();
    }

    /// Whether the call has neither begun nor been called off.
    pub(crate) fn is_to_come(&self) -> bool {
        self.here("ask on the loop's thread", |state, slot| state.tasks.is_to_come(slot))
            .unwrap_or(false)
    }

    /// Cancels a call that has not begun. Returns `false` if it has. On another thread, returns
    /// whether its loop was told.
    pub(crate) fn call_off(&self) -> bool {
        let HandleKey { run, slot } = self.key;
        let call_off = |state: &mut State| {
            if state.tasks.is_to_come(slot) {
                state.cancel(slot, CancelReason::Requested);
            }
            state.tasks.is_called_off(slot)
        };
        with_loop(run, call_off).unwrap_or_else(|_| self.cancel(CancelReason::Requested))
    }

    pub(crate) fn has_panicked(&self) -> bool {
        self.here("ask on the loop's thread", |state, slot| state.tasks.has_panicked(slot))
            .unwrap_or(false)
    }

    /// Calls `look`, which must not run user code, with the output. Returns `None` if there is
    /// none.
    pub(crate) fn peek<R>(&self, look: impl FnOnce(&dyn Any) -> R) -> Option<R> {
        let peek = |state: &mut State, slot| state.tasks.output(slot).map(look);
        self.here("ask on the loop's thread", peek).flatten()
    }

    pub(crate) fn id_in(&self, state: &State) -> TaskId {
        let HandleKey { run, slot } = self.key;
        let is_here = run == state.run_number() && state.tasks.is_task(slot);
        let number = if is_here { state.tasks.number(slot) } else { TaskNumber::FIRST };
        TaskId { run, number, slot }
    }

    pub(crate) fn key(&self) -> HandleKey {
        self.key
    }

    /// Cancels the task. Returns `false` if it has ended. On another thread, returns whether its
    /// loop was told.
    pub(crate) fn cancel(&self, reason: CancelReason) -> bool {
        let HandleKey { run, slot } = self.key;
        if slot == NO_SLOT {
            return false;
        }
        with_loop(run, |state| state.cancel(slot, reason)).unwrap_or_else(|_| {
            if with_loop_of_thread(run, |state| state.tasks.is_living(slot)).is_ok_and(|is| !is) {
                return false;
            }
            let handle_was_dropped = reason == CancelReason::HandleDropped;
            registry::cancel_remote(run, Cancel { slot, number: None, handle_was_dropped })
        })
    }

    /// Allows the task no more cleanups.
    pub(crate) fn cut_off(&self) {
        self.here("ask on the loop's thread", State::cut_off);
    }

    /// The label of the task, or `None` if it is gone.
    pub(crate) fn label(&self) -> Option<TaskLabel> {
        self.here("ask on the loop's thread", |state, slot| state.tasks.label(slot))
    }

    /// Like [`label`](Self::label), but returns `None` on another thread.
    pub(crate) fn label_if_here(&self) -> Option<TaskLabel> {
        let HandleKey { run, slot } = self.key;
        if slot == NO_SLOT {
            return None;
        }
        with_loop_of_thread(run, |state| state.tasks.label(slot)).ok()
    }

    pub(crate) fn set_name(&self, name: String) {
        self.here("name it on the loop's thread", |state, slot| state.tasks.set_name(slot, name));
    }

    pub(crate) fn set_peer(&self, peer: Peer) {
        self.here("ask on the loop's thread", |state, slot| state.tasks.set_peer(slot, peer));
    }

    /// Sets how to find an error in the output. From elsewhere, the loop is told by mail. The
    /// handle is dropped next, by mail too, so it keeps the slot reserved until then.
    pub(crate) fn set_reporter(&self, report: ErrorReporter) {
        let HandleKey { run, slot } = self.key;
        if slot == NO_SLOT {
            return;
        }
        context::at_home(run, move |state| state.tasks.set_reporter(slot, report));
    }

    pub(crate) fn id(&self) -> TaskId {
        let HandleKey { run, slot } = self.key;
        let number = self.here("ask on the loop's thread", |state, slot| state.tasks.number(slot));
        TaskId { run, number: number.unwrap_or(TaskNumber::FIRST), slot }
    }

    /// Calls `f` with the task's loop, which may be between two runs. Returns `None` if the task or
    /// its loop is gone. Panics if the loop is on another thread.
    fn here<R>(&self, remedy: &str, f: impl FnOnce(&mut State, u32) -> R) -> Option<R> {
        let HandleKey { run, slot } = self.key;
        if slot == NO_SLOT {
            return None;
        }
        match with_loop_of_thread(run, |state| f(state, slot)) {
            Ok(result) => Some(result),
            Err(elsewhere) if elsewhere.loop_has_ended() => None,
            Err(elsewhere) => panic!("{}", elsewhere.message("`Task`", remedy)),
        }
    }
}

/// The result of polling a handle.
enum Found {
    NotYet,
    /// The waker has to be cloned first.
    NotYetForeign,
    Output(BoxedJob),
    Failed,
    /// The handle has given its output already, or its own task awaits it.
    Misuse,
}

impl Drop for TaskHandle {
    fn drop(&mut self) {
        let HandleKey { run, slot } = self.key;
        if slot != NO_SLOT {
            context::at_home(run, move |state| state.drop_handle(slot));
        }
    }
}

impl TaskId {
    /// The task that is being polled on this thread.
    pub(crate) fn current() -> Option<Self> {
        with(|state| (state.current != NO_SLOT).then(|| Self::of(state, state.current))).flatten()
    }

    /// The tasks of this thread's loop that have not ended, main first.
    pub(crate) fn all() -> Option<Vec<Self>> {
        with(|state| {
            let living = state.tasks.all().filter(|&slot| state.tasks.is_living(slot));
            living.map(|slot| Self::of(state, slot)).collect()
        })
    }

    fn of(state: &State, slot: u32) -> Self {
        Self { run: state.run_number(), number: state.tasks.number(slot), slot }
    }

    /// Calls `f` with the task's loop, which may be between two runs. Returns `None` if the task is
    /// gone, or its loop is not of this thread.
    fn here<R>(self, f: impl FnOnce(&mut State, u32) -> R) -> Option<R> {
        let f = |state: &mut State| {
            state.tasks.number_is(self.slot, self.number).then(|| f(state, self.slot))
        };
        with_loop_of_thread(self.run, f).ok().flatten()
    }

    pub(crate) fn label(self) -> Option<TaskLabel> {
        self.here(|state, slot| state.tasks.label(slot))
    }

    pub(crate) fn place(self) -> Option<Place> {
        self.label().map(|label| label.place)
    }

    pub(crate) fn parent(self) -> Option<Self> {
        let parent =
            |state: &mut State, slot| state.tasks.parent(slot).map(|slot| Self::of(state, slot));
        self.here(parent).flatten()
    }

    pub(crate) fn is_finished(self) -> bool {
        !self.here(|state, slot| state.tasks.is_living(slot)).unwrap_or(false)
    }

    /// Cancels the task. Returns `false` if it has ended. On another thread, returns whether its
    /// loop was told.
    pub(crate) fn cancel(self) -> bool {
        if with_loop(self.run, |_| ()).is_err_and(|elsewhere| !elsewhere.loop_has_ended()) {
            // A host may sleep between two runs, so the loop is told by mail, which wakes it.
            if with_loop_of_thread(self.run, |_| ()).is_ok() && self.is_finished() {
                return false;
            }
            let (slot, number) = (self.slot, Some(self.number));
            let cancel = Cancel { slot, number, handle_was_dropped: false };
            return registry::cancel_remote(self.run, cancel);
        }
        self.here(|state, slot| state.cancel(slot, CancelReason::Requested)).unwrap_or(false)
    }

    pub(crate) fn number(self) -> u64 {
        self.number.number()
    }
}
