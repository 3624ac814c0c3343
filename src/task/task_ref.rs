//! Tasks seen from outside: which tasks exist, their names, and who created them.

use std::fmt;
use std::panic::Location;

use crate::runtime::{self, TaskId};

/// Returns the running task, or `None` where no loop runs and in callbacks from other threads.
///
/// Inside `run` this is main, as in asyncio.
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

/// Returns the tasks of this thread's loop that have not ended, including main.
///
/// # Panics
///
/// Panics if no loop runs on this thread.
#[track_caller]
pub fn all_tasks() -> Vec<TaskRef> {
    let Some(all) = TaskId::all() else { runtime::no_loop("`all_tasks`") };
    all.into_iter().map(|id| TaskRef { id }).collect()
}

/// A reference to a task that can inspect and cancel it, but not await it. It is plain data and
/// keeps nothing alive.
///
/// Once its task has gone, a `TaskRef` refers to no task; it never refers to a later one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[doc(alias = "AbortHandle")]
pub struct TaskRef {
    id: TaskId,
}

/// The identity of a task. Two keys are equal only for the same task: no later task of the process
/// gets the same key, however many there are.
///
/// The keys of one loop order its tasks by their creation.
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

    /// The identity of this task.
    pub fn key(&self) -> TaskKey {
        TaskKey { id: self.id }
    }

    /// The task's name, or `Task-N` if the task has gone or lives on another thread. This method
    /// and the following ones work on the loop's own thread, also between two runs of the loop.
    pub fn name(&self) -> String {
        self.id.label().map_or_else(|| format!("Task-{}", self.id.number()), |label| label.name())
    }

    /// Where the task was created, or `None` if it has gone or lives on another thread.
    pub fn place(&self) -> Option<&'static Location<'static>> {
        self.id.place()
    }

    /// The task that created this one. `None` for main, and once the creator has gone.
    pub fn parent(&self) -> Option<Self> {
        self.id.parent().map(|id| Self { id })
    }

    /// Whether the task has ended, or lives on another thread.
    pub fn is_finished(&self) -> bool {
        self.id.is_finished()
    }

    /// Cancels the task, like [`Task::cancel`](crate::Task::cancel).
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

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::rc::Rc;

    use super::*;
    use crate::runtime::skip_task_numbers;
    use crate::sync::CapacityLimiter;
    use crate::{Runtime, create_task, yield_now};

    /// Serial numbers of wakers have 20 bits.
    const SERIALS: u64 = 1 << 20;

    /// Returns a task that has gone, and a new one with the same slot and serial number.
    async fn gone_and_successor() -> (TaskRef, crate::Task<()>) {
        let task = create_task(async { current_task().unwrap() });
        let gone = task.await.unwrap();
        skip_task_numbers(SERIALS - 1);
        let successor = create_task(pending());
        let created = successor.handle().id();
        assert_eq!(created.number() - gone.id.number(), SERIALS);
        (gone, successor)
    }

    #[test]
    fn a_reference_never_names_a_later_task() {
        crate::run(async {
            let (gone, successor) = gone_and_successor().await;
            assert_ne!(gone.key(), successor.key());
            assert!(gone.is_finished() && !gone.cancel());
            assert_eq!(gone.place(), None);
            assert_ne!(gone.name(), successor.name());
            yield_now().await;
            assert!(!successor.is_finished());
        });
    }

    #[test]
    fn a_name_is_not_given_twice() {
        crate::run(async {
            let (gone, successor) = gone_and_successor().await;
            let number = |name: String| name.strip_prefix("Task-").unwrap().parse::<u64>().unwrap();
            assert_eq!(number(successor.name()) - number(gone.name()), SERIALS);
        });
    }

    #[test]
    fn a_token_whose_task_has_gone_does_not_count_for_a_later_task() {
        crate::run(async {
            let limiter = Rc::new(CapacityLimiter::new(2));
            let task = create_task(Rc::clone(&limiter).acquire_owned());
            let token = task.await.unwrap();
            skip_task_numbers(SERIALS - 1);
            let shared = Rc::clone(&limiter);
            let second = create_task(async move { shared.acquire().await.borrower() });
            assert_ne!(second.await.unwrap(), token.borrower());
            assert_eq!(limiter.borrowed(), 1);
        });
    }

    #[test]
    fn main_of_a_later_run_is_another_task() {
        let mut runtime = Runtime::new().unwrap();
        let (main, child) = runtime.run(async {
            let child = create_task(async {
                yield_now().await;
                current_task().unwrap().parent()
            });
            (current_task().unwrap(), child)
        });
        runtime.run(async {
            let next = current_task().unwrap();
            assert_ne!(main, next);
            assert!(main.is_finished() && !next.is_finished());
            assert_eq!(child.await.unwrap(), None);
        });
    }
}
