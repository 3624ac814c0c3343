//! `TaskSet`: tasks of one output type that are kept together, and their results in order of
//! completion.

use std::fmt;
use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use futures_core::Stream;

use super::task::Grace;
use super::{JoinError, Outcome, Reportable, Task, TaskRef, create_task};
use crate::runtime::{self, CancelReason, Watch};

/// An empty set keeps at most this many places allocated.
const PLACES_KEPT: usize = 1024;

/// A set of tasks with one output type, to be kept in a struct. It yields results in the order in
/// which the tasks end. Dropping it cancels them all.
///
/// The cost of creating a task or taking a result does not depend on the number of tasks. A task
/// that panics or is cancelled yields a [`JoinError`] in its turn and does not affect the others.
/// Results of ended tasks are kept until they are taken.
///
/// If the tasks should not outlive a function, and the first error should stop the rest, a task
/// group is the better choice.
///
/// Like a [`Task`], a set holds only keys. It is `Send` whatever its tasks are, but must be used on
/// its loop's thread.
///
/// # Examples
///
/// ```
/// use oneloop::TaskSet;
/// use std::time::Duration;
///
/// oneloop::run(async {
///     let mut tasks = TaskSet::new();
///     for n in [3, 1, 2] {
///         tasks.create_task(async move {
///             oneloop::sleep(Duration::from_millis(n)).await;
///             n
///         });
///     }
///     let mut order = Vec::new();
///     while let Some(result) = tasks.next().await {
///         order.push(result.unwrap());
///     }
///     assert_eq!(order, [1, 2, 3]);
/// });
/// ```
#[doc(alias = "JoinSet")]
#[doc(alias = "TaskTracker")]
#[doc(alias = "JoinMap")]
pub struct TaskSet<T> {
    /// Indexed by the places that the watch assigns.
    tasks: Vec<Option<Task<T>>>,
    len: usize,
    /// Lives on the tasks' loop. Created with the first task.
    watch: Option<Watch>,
}

impl<T> TaskSet<T> {
    /// Creates an empty set. Needs no loop.
    #[must_use]
    pub fn new() -> Self {
        Self { tasks: Vec::new(), len: 0, watch: None }
    }

    /// Creates a task in the set, like [`create_task`](crate::create_task).
    ///
    /// # Panics
    ///
    /// Panics if no loop runs on this thread, or if the set's tasks belong to another loop.
    #[doc(alias = "spawn")]
    #[doc(alias = "spawn_local")]
    #[track_caller]
    pub fn create_task<F>(&mut self, future: F) -> TaskRef
    where
        F: Future<Output = T> + 'static,
        T: 'static,
    {
        // This call reports that no loop runs, if so.
        self.watch();
        self.add(create_task(future))
    }

    /// Adds a task to the set, for example a named or an [eager](crate::task::Builder::eager) one.
    ///
    /// # Panics
    ///
    /// Panics in the same cases as [`create_task`](Self::create_task).
    #[track_caller]
    pub fn add(&mut self, task: Task<T>) -> TaskRef {
        let (place, id) = self.watch().add(task.handle());
        match self.tasks.get_mut(place) {
            Some(place) => *place = Some(task),
            None => self.tasks.push(Some(task)),
        }
        self.len += 1;
        TaskRef::of(id)
    }

    /// Returns the watch on the loop that runs here, creating one if necessary.
    #[track_caller]
    fn watch(&mut self) -> &mut Watch {
        let is_left_over = |watch: &mut Watch| !watch.is_here();
        if self.is_empty() && self.watch.take_if(is_left_over).is_some() {
            self.tasks.clear();
        }
        self.watch.get_or_insert_with(|| Watch::new("a `TaskSet`"))
    }

    /// Returns the result of the next task that ends, or `None` if the set is empty. Results come
    /// in the order in which the tasks end.
    ///
    /// In `select!` and the like, use the pattern `Some(result) = tasks.next()`: an empty set then
    /// disables the branch.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, it has taken nothing.
    ///
    /// # Panics
    ///
    /// Panics on a thread other than that of the tasks' loop, while the loop lives.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::{TaskSet, create_task, sleep};
    /// use std::time::Duration;
    ///
    /// oneloop::Builder::new().virtual_time(true).run(async {
    ///     let mut tasks = TaskSet::new();
    ///     for n in [3, 1, 2] {
    ///         tasks.add(create_task(async move {
    ///             sleep(Duration::from_secs(n)).await;
    ///             n
    ///         }));
    ///     }
    ///     let mut order = Vec::new();
    ///     while let Some(result) = tasks.next().await {
    ///         order.push(result.unwrap());
    ///     }
    ///     assert_eq!(order, [1, 2, 3]);
    /// });
    /// ```
    #[doc(alias = "join_next")]
    pub async fn next(&mut self) -> Option<Result<T, JoinError>>
    where
        T: 'static,
    {
        poll_fn(|cx| {
            if self.is_empty() {
                runtime::poll_budget(cx).map(|()| None)
            } else {
                self.poll_next_result(cx)
            }
        })
        .await
    }

    /// Returns the result of a task that has ended, or `None` if there is none right now.
    ///
    /// # Panics
    ///
    /// Panics in the same cases as [`next`](Self::next).
    #[doc(alias = "try_join_next")]
    pub fn try_next(&mut self) -> Option<Result<T, JoinError>>
    where
        T: 'static,
    {
        self.take_ended().map(result_of)
    }

    /// The number of tasks in the set: running tasks, and ended tasks whose results were not taken.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the set has no tasks.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Cancels all tasks. They remain in the set until their results are taken.
    #[doc(alias = "abort_all")]
    pub fn cancel_all(&self) {
        for task in self.tasks.iter().flatten() {
            task.cancel();
        }
    }

    /// Cancels all tasks, waits until they have ended, including the
    /// [cleanups](crate::with_cleanup) they leave, and empties the set. After `grace`, the
    /// remaining cleanups are dropped and reported. The outputs are dropped. A panic is reported,
    /// like that of a detached task.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, all tasks are cancelled, and the set has the
    /// tasks that have not ended yet.
    #[doc(alias = "shutdown")]
    pub async fn cancel_and_wait(&mut self, grace: Duration) {
        self.cancel_all();
        let mut grace = Grace::new(grace);
        poll_fn(|cx| {
            let ended = self.poll_all_ended(cx);
            if ended.is_pending() && grace.is_over(cx) {
                for task in self.tasks.iter().flatten() {
                    task.handle().cut_off();
                }
            }
            ended
        })
        .await;
    }

    fn poll_next_result(&mut self, cx: &Context<'_>) -> Poll<Option<Result<T, JoinError>>>
    where
        T: 'static,
    {
        if self.is_empty() {
            return Poll::Ready(None);
        }
        let Some(watch) = &mut self.watch else { return Poll::Ready(None) };
        let task_at = |place: usize| self.tasks.get(place)?.as_ref().map(Task::handle);
        let ended = match watch.poll_ended(cx, task_at) {
            Ok(polled) => self.take_from(ready!(polled)),
            Err(_) => self.take_of_ended_loop(),
        };
        Poll::Ready(ended.map(result_of))
    }

    fn poll_all_ended(&mut self, cx: &Context<'_>) -> Poll<()> {
        while let Some(task) = self.take_ended() {
            // Dropping the handle detaches the task, so that a panic is reported.
            drop(task);
        }
        match &self.watch {
            Some(watch) if self.len > 0 => watch.wait(cx),
            _ => return Poll::Ready(()),
        }
        Poll::Pending
    }

    fn take_ended(&mut self) -> Option<Task<T>> {
        let watch = self.watch.as_mut()?;
        let task_at = |place: usize| self.tasks.get(place)?.as_ref().map(Task::handle);
        match watch.take_ended(task_at) {
            Ok(place) => self.take_from(place?),
            Err(_) => self.take_of_ended_loop(),
        }
    }

    fn take_from(&mut self, place: usize) -> Option<Task<T>> {
        self.len -= 1;
        let task = self.tasks[place].take();
        self.trim();
        task
    }

    /// Frees the places and the watch's places if there were many and none is in use.
    fn trim(&mut self) {
        if self.len == 0 && self.tasks.len() > PLACES_KEPT {
            self.tasks = Vec::new();
            self.watch = None;
        }
    }

    /// Takes a task of an ended loop. Nothing wakes the set there any more, and each task has ended
    /// with its loop.
    #[cold]
    fn take_of_ended_loop(&mut self) -> Option<Task<T>> {
        let place = self.tasks.iter_mut().find(|place| place.is_some())?;
        // Panics if the loop still lives on another thread.
        let task = place.take_if(|task| task.is_finished());
        self.len -= usize::from(task.is_some());
        task
    }

    /// Takes all tasks out, leaving the set as new.
    fn drain(&mut self) -> impl Iterator<Item = Task<T>> + use<T> {
        self.watch = None;
        self.len = 0;
        mem::take(&mut self.tasks).into_iter().flatten()
    }
}

/// The result of a task that has ended.
fn result_of<T: 'static>(mut task: Task<T>) -> Result<T, JoinError> {
    // The set has already spent the budget for this result.
    let _lifted = runtime::lift();
    match Pin::new(&mut task).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => unreachable!("it has ended"),
    }
}

impl<T: 'static> TaskSet<T> {
    /// Empties the set and lets its tasks continue. Each is [detached](Task::detach), so an error
    /// or a panic is reported.
    pub fn detach_all<How>(&mut self)
    where
        T: Outcome<Error: Reportable<How>>,
    {
        self.drain().for_each(Task::detach);
    }
}

impl<T: 'static> Stream for TaskSet<T> {
    type Item = Result<T, JoinError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_next_result(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len, None)
    }
}

/// Cancels all tasks.
impl<T> Drop for TaskSet<T> {
    fn drop(&mut self) {
        let cancel = |task: &Task<T>| task.handle().cancel(CancelReason::HandleDropped);
        let cancelled: Vec<_> = self.drain().filter(cancel).map(Task::into_handle).collect();
        if !cancelled.is_empty() {
            runtime::leave_tasks(cancelled);
        }
    }
}

impl<T> Default for TaskSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for TaskSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskSet").field("len", &self.len).finish_non_exhaustive()
    }
}
