//! `TaskSet`: equal tasks that are kept together, and their results as they come.

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

/// An empty set keeps no more places than this.
const PLACES_KEPT: usize = 1024;

/// A set of tasks with outputs of one type, for a struct to keep: it gives the results in the order in which the tasks end, and
/// dropping it cancels them all.
///
/// Creating a task, and taking a result, costs the same however many there are. A task that panics or is cancelled gives a
/// [`JoinError`] in its turn and does nothing to the others. What has ended and has not been taken is kept.
///
/// Where the tasks should not outlive a function, and the first error is to stop the rest, a task group is the better choice.
///
/// Like a [`Task`], a set is a matter of keys: it is `Send` whatever the tasks are, and is used on its loop's thread.
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
    /// By the places that the watch gives.
    tasks: Vec<Option<Task<T>>>,
    len: usize,
    /// On the loop of the tasks; made with the first of them.
    watch: Option<Watch>,
}

impl<T> TaskSet<T> {
    /// An empty set. Needs no loop.
    #[must_use]
    pub fn new() -> Self {
        Self { tasks: Vec::new(), len: 0, watch: None }
    }

    /// Creates a task in the set, as [`create_task`](crate::create_task) does.
    ///
    /// # Panics
    ///
    /// If no loop runs on this thread, or another one than that of the tasks in the set.
    #[doc(alias = "spawn")]
    #[doc(alias = "spawn_local")]
    #[track_caller]
    pub fn create_task<F>(&mut self, future: F) -> TaskRef
    where
        F: Future<Output = T> + 'static,
        T: 'static,
    {
        // Where no loop runs, this is what says so.
        self.watch();
        self.add(create_task(future))
    }

    /// Puts a task into the set: one with a name, say, or an [eager](crate::task::Builder::eager) one.
    ///
    /// # Panics
    ///
    /// As [`create_task`](Self::create_task).
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

    /// The watch on the loop that runs here, if need be a new one.
    #[track_caller]
    fn watch(&mut self) -> &mut Watch {
        let is_left_over = |watch: &mut Watch| !watch.is_here();
        if self.is_empty() && self.watch.take_if(is_left_over).is_some() {
            self.tasks.clear();
        }
        self.watch.get_or_insert_with(|| Watch::new("a `TaskSet`"))
    }

    /// The result of the next task that ends; `None` if the set is empty. Results come in the order in which the tasks end.
    ///
    /// In `select!` and the like, `Some(result) = tasks.next()` is the pattern: an empty set then disables the branch.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has taken nothing.
    ///
    /// # Panics
    ///
    /// On another thread than that of the tasks' loop, while the loop lives.
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
        poll_fn(|cx| match self.is_empty() {
            true => runtime::poll_budget(cx).map(|()| None),
            false => self.poll_next_result(cx),
        })
        .await
    }

    /// The result of a task that has ended; `None` if there is none at this moment.
    ///
    /// # Panics
    ///
    /// As [`next`](Self::next).
    #[doc(alias = "try_join_next")]
    pub fn try_next(&mut self) -> Option<Result<T, JoinError>>
    where
        T: 'static,
    {
        self.take_ended().map(result_of)
    }

    /// How many tasks are in the set: those that run, and those whose results have not been taken.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no task is in the set.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Cancels all tasks. They stay in the set until their results are taken.
    #[doc(alias = "abort_all")]
    pub fn cancel_all(&self) {
        for task in self.tasks.iter().flatten() {
            task.cancel();
        }
    }

    /// Cancels all tasks, waits until they have ended, with the [cleanups](crate::with_cleanup) that they leave, and empties the set. When
    /// `grace` is over, the cleanups that are left are dropped, and reported. The outputs are dropped; a panic is reported, as
    /// that of a detached task.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has cancelled all, and the set has those that have not ended yet.
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
            // The drop of a handle has a panic reported.
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

    /// Gives the places back, and those of the watch, where there were many and none is in use.
    fn trim(&mut self) {
        if self.len == 0 && self.tasks.len() > PLACES_KEPT {
            self.tasks = Vec::new();
            self.watch = None;
        }
    }

    /// Nobody wakes anybody any more there, and each task has ended with its loop.
    #[cold]
    fn take_of_ended_loop(&mut self) -> Option<Task<T>> {
        let place = self.tasks.iter_mut().find(|place| place.is_some())?;
        // Panics if the loop lives, elsewhere.
        let task = place.take_if(|task| task.is_finished());
        self.len -= usize::from(task.is_some());
        task
    }

    /// Takes all tasks out; the set is as new.
    fn drain(&mut self) -> impl Iterator<Item = Task<T>> + use<T> {
        self.watch = None;
        self.len = 0;
        mem::take(&mut self.tasks).into_iter().flatten()
    }
}

/// Of a task that has ended.
fn result_of<T: 'static>(mut task: Task<T>) -> Result<T, JoinError> {
    // The set has taken its share of the budget.
    let _lifted = runtime::lift();
    match Pin::new(&mut task).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => unreachable!("it has ended"),
    }
}

impl<T: 'static> TaskSet<T> {
    /// Empties the set; the tasks go on, each [detached](Task::detach): an error or a panic is reported.
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
