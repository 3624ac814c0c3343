//! Tasks from outside: which there are, what they are called, who created them.

use std::fmt;
use std::panic::Location;

use crate::runtime::{self, TaskId};

/// The task that is running; `None` where no loop runs, and in callbacks from other threads.
///
/// Inside `run` that is main, as in asyncio.
///
/// # Examples
///
/// ```
/// assert!(oneloop::current_task().is_none());
/// oneloop::run(async {
///     assert_eq!(oneloop::current_task().unwrap().name(), "main");
/// });
/// ```
pub fn current_task() -> Option<TaskRef> {
    TaskId::current().map(|id| TaskRef { id })
}

/// The tasks of this thread's loop that have not ended, main among them.
///
/// # Panics
///
/// If no loop runs on this thread.
#[track_caller]
pub fn all_tasks() -> Vec<TaskRef> {
    let Some(all) = TaskId::all() else { runtime::no_loop("`all_tasks`") };
    all.into_iter().map(|id| TaskRef { id }).collect()
}

/// A task from outside: it can be looked at and cancelled, not awaited. Plain data: keeps nothing alive.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[doc(alias = "AbortHandle")]
pub struct TaskRef {
    id: TaskId,
}

/// Which task: equal for the same task, different for others that can be seen beside it. Ordered by nothing in particular.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[doc(alias = "TaskId")]
pub struct TaskKey {
    id: TaskId,
}

impl TaskKey {
    pub(super) fn of(id: TaskId) -> Self {
        Self { id }
    }
}

impl TaskRef {
    pub(super) fn of(id: TaskId) -> Self {
        Self { id }
    }

    /// Which task this is.
    pub fn key(&self) -> TaskKey {
        TaskKey { id: self.id }
    }

    /// The task's name. `Task-N` if it has gone, or lives on another thread. Like all that follows, it answers on the loop's own
    /// thread, also between two runs of the loop.
    pub fn name(&self) -> String {
        self.id.label().map_or_else(|| format!("Task-{}", self.id.number()), |label| label.name())
    }

    /// Where it was created; `None` if it has gone or lives on another thread.
    pub fn place(&self) -> Option<&'static Location<'static>> {
        self.id.place()
    }

    /// The task that created it; `None` for main and where that one has gone.
    ///
    /// Slots are used again: where the parent has gone and another task has its slot, it is that one.
    pub fn parent(&self) -> Option<Self> {
        self.id.parent().map(|id| Self { id })
    }

    /// Whether the task has ended, or lives on another thread.
    pub fn is_finished(&self) -> bool {
        self.id.is_finished()
    }

    /// As [`Task::cancel`](crate::Task::cancel).
    pub fn cancel(&self) -> bool {
        self.id.cancel()
    }
}

impl fmt::Debug for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskRef(`{}`)", self.name())
    }
}

impl fmt::Debug for TaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskKey({:?})", self.id)
    }
}
