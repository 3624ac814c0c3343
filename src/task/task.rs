//! `Task<T>`: the handle of a task.

use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::outcome::reportable_error;
use super::shield::shield_task;
use super::{JoinError, Outcome, Reportable, Shield, ShieldOutput, TaskKey, TaskRef};
use crate::runtime::{self, CancelReason, Runtime, TaskHandle, Timer, When, nanos, output_of};

/// Creates a task: the loop polls `future` alongside everything else, starting with the next round.
/// Asyncio's `create_task`.
///
/// The caller continues first. Tasks take their first step in the order in which they were created.
/// The loop owns the task: dropping the handle [detaches](Task) it.
///
/// # Panics
///
/// Panics if no loop runs on this thread.
///
/// # Examples
///
/// ```
/// oneloop::run(async {
///     let task = oneloop::create_task(async { 6 * 7 });
///     assert_eq!(task.await.unwrap(), 42);
/// });
/// ```
#[must_use = "await the task for its output, or call `detach` to let it run by itself"]
#[doc(alias = "spawn")]
#[doc(alias = "spawn_local")]
#[doc(alias = "ensure_future")]
#[track_caller]
pub fn create_task<F>(future: F) -> Task<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    Task::of(runtime::create(future, None, false))
}

impl Runtime {
    /// Creates a task, like [`create_task`] inside the loop. It starts in the next run or turn.
    ///
    /// # Panics
    ///
    /// Unlike [`create_task`], never panics because no loop is running: that is its purpose.
    #[must_use = "await the task for its output, or call `detach` to let it run by itself"]
    #[track_caller]
    pub fn create_task<F>(&self, future: F) -> Task<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let place = Location::caller();
        let handle = self.inside(|| runtime::create_at(place, future, None, false));
        self.tell_host();
        Task::of(handle)
    }
}

/// The handle of a task: await it for the output, or use it to cancel the task. The handle takes 12
/// bytes, and is `Send` and `Sync` for every task.
///
/// Awaiting the handle gives the output, or a [`JoinError`] if the task panicked or was cancelled.
/// Dropping the handle detaches the task: it continues, and its output is dropped when it ends. A
/// panic is then reported through [`Builder::on_unhandled`](crate::Builder::on_unhandled).
///
/// A handle that outlives its loop is harmless: awaiting it gives the error "cancelled". On a
/// thread other than its loop's, the handle can be dropped and the task cancelled. Awaiting and
/// inspecting the task need the loop's thread.
///
/// # Cancel safety
///
/// Dropping a future that awaits `&mut task` loses nothing; the task continues.
///
/// # Panics
///
/// Panics when polled after it was ready, when polled in the task itself (the wait would never
/// end), and when polled on a thread other than the loop's.
// Not `must_use`, because a group's children may run without their handles. The functions that
// create tasks are `must_use`.
#[doc(alias = "JoinHandle")]
#[doc(alias = "add_done_callback")]
pub struct Task<T> {
    handle: TaskHandle,
    output: PhantomData<fn() -> T>,
}

const _: () = assert!(size_of::<Task<String>>() == 12);

impl<T> Task<T> {
    pub(super) fn of(handle: TaskHandle) -> Self {
        Self { handle, output: PhantomData }
    }

    pub(super) fn handle(&self) -> &TaskHandle {
        &self.handle
    }

    pub(super) fn into_handle(self) -> TaskHandle {
        self.handle
    }

    /// Leaves an empty handle behind.
    pub(super) fn take(&mut self) -> Self {
        Self::of(self.handle.take())
    }

    /// Asks the task to stop. Its future is dropped in the task's next turn, with it as the current
    /// task, never inside this call. Returns `false` if the task has ended.
    ///
    /// A task cancelled before its first step never starts. A task that cancels itself continues
    /// until its next `await` that waits; if it ends without one, its output counts. Main cannot be
    /// cancelled.
    ///
    /// This also works on other threads. There the return value says whether the loop could be
    /// told.
    ///
    /// # Examples
    ///
    /// ```
    /// oneloop::run(async {
    ///     let task = oneloop::create_task(std::future::pending::<()>());
    ///     assert!(task.cancel());
    ///     assert!(!task.is_finished(), "it ends in its next turn");
    ///     assert!(task.await.unwrap_err().is_cancelled());
    /// });
    /// ```
    #[doc(alias = "abort")]
    #[doc(alias = "kill")]
    pub fn cancel(&self) -> bool {
        self.handle.cancel(CancelReason::Requested)
    }

    /// Asks the task to stop, like [`cancel`](Task::cancel), and waits until it has ended,
    /// including the cleanups it leaves. After `grace`, the remaining cleanups are dropped and
    /// reported, and the task ends.
    ///
    /// If the task was ready before it could be cancelled, its output is not lost.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped halfway, the task is detached, but still cancelled.
    ///
    /// # Errors
    ///
    /// The same as when awaiting the task: normally the error says that it was cancelled.
    ///
    /// # Panics
    ///
    /// Panics in the same cases as awaiting the task.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// oneloop::run(async {
    ///     let task = oneloop::create_task(std::future::pending::<()>());
    ///     let error = task.cancel_and_wait(Duration::from_secs(1)).await.unwrap_err();
    ///     assert!(error.is_cancelled());
    /// });
    /// ```
    #[doc(alias = "abort_and_wait")]
    pub async fn cancel_and_wait(mut self, grace: Duration) -> Result<T, JoinError>
    where
        T: 'static,
    {
        self.cancel();
        let mut grace = Grace::new(grace);
        poll_fn(move |cx| {
            let joined = Pin::new(&mut self).poll(cx);
            if joined.is_pending() && grace.is_over(cx) {
                self.handle.cut_off();
            }
            joined
        })
        .await
    }

    /// Returns a reference with which other code can inspect and cancel the task, while this handle
    /// remains to be awaited. It is plain data, which may be copied and kept indefinitely.
    ///
    /// # Panics
    ///
    /// Panics on a thread other than the loop's, while the loop lives.
    ///
    /// # Examples
    ///
    /// ```
    /// oneloop::run(async {
    ///     let task = oneloop::create_task(std::future::pending::<()>()).named("reader");
    ///     let reader = task.task_ref();
    ///     oneloop::call_soon(move || {
    ///         assert_eq!(reader.name(), "reader");
    ///         reader.cancel();
    ///     });
    ///     assert!(task.await.unwrap_err().is_cancelled());
    ///     assert!(reader.is_finished());
    /// });
    /// ```
    #[doc(alias = "abort_handle")]
    #[doc(alias = "AbortHandle")]
    pub fn task_ref(&self) -> TaskRef {
        TaskRef::of(self.handle.id())
    }

    /// Whether the task has ended in any way. Also works between two runs of its loop.
    ///
    /// # Panics
    ///
    /// Panics on a thread other than the loop's, while the loop lives.
    #[doc(alias = "done")]
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    /// The identity of this task; see [`TaskKey`]. Also works between two runs of its loop.
    ///
    /// # Panics
    ///
    /// Panics on a thread other than the loop's, while the loop lives.
    #[doc(alias = "id")]
    pub fn key(&self) -> TaskKey {
        TaskKey::of(self.handle.id())
    }

    /// The task's name: the given name, or `Task-N` with a running number. Empty if both the task
    /// and its loop have gone. Also works between two runs of its loop.
    ///
    /// # Panics
    ///
    /// Panics on a thread other than the loop's, while the loop lives.
    #[doc(alias = "get_name")]
    pub fn name(&self) -> String {
        self.handle.label().map_or_else(String::new, |label| label.name())
    }

    /// Names the task, for messages and listings.
    ///
    /// # Panics
    ///
    /// Panics on a thread other than the loop's, while the loop lives.
    ///
    /// # Examples
    ///
    /// ```
    /// oneloop::run(async {
    ///     let task = oneloop::create_task(async { oneloop::current_task().unwrap().name() }).named("reader");
    ///     assert_eq!(task.await.unwrap(), "reader");
    /// });
    /// ```
    #[doc(alias = "set_name")]
    #[expect(
        clippy::return_self_not_must_use,
        reason = "a group's child may go without its handle"
    )]
    pub fn named(self, name: impl Into<String>) -> Self {
        self.handle.set_name(name.into());
        self
    }

    /// Awaits the task, and has its error reported if this is dropped earlier by a cancel, a
    /// timeout or a lost race: asyncio's `shield(task)`.
    ///
    /// The task goes on in any case, as it does when its handle is dropped. If it then ends with an
    /// `Err` or panics, that is [reported](crate::Builder::on_unhandled) once, with the place of
    /// this call. To await the task again instead, keep it: `timeout(limit, &mut task)`.
    ///
    /// # Cancel safety
    ///
    /// If the returned future is dropped, the task goes on. Its output can no longer be awaited.
    ///
    /// # Panics
    ///
    /// The returned future panics where a [`Task`] does when awaited.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::Cell;
    /// use std::rc::Rc;
    /// use std::time::Duration;
    ///
    /// let reported = Rc::new(Cell::new(false));
    /// let flag = reported.clone();
    /// let builder = oneloop::Builder::new().virtual_time(true);
    /// builder.on_unhandled(move |unhandled| flag.set(unhandled.message() == "no route")).run(async {
    ///     let second = Duration::from_secs(1);
    ///     let task = oneloop::create_task(async move {
    ///         oneloop::sleep(2 * second).await;
    ///         Err::<(), _>("no route")
    ///     });
    ///     assert!(oneloop::timeout(second, task.shield()).await.is_err());
    ///     oneloop::sleep(2 * second).await;
    /// });
    /// assert!(reported.get());
    /// ```
    #[track_caller]
    pub fn shield<How>(self) -> Shield<Self>
    where
        T: ShieldOutput<How>,
    {
        shield_task(self, Location::caller())
    }

    /// Binds the task to the handle: dropping the handle cancels the task.
    ///
    /// The task that drops the handle ends after the cancelled one, and so does a
    /// [`timeout`](crate::timeout) that drops it. Two tasks that hold each other's handles do not
    /// wait for each other.
    #[doc(alias = "AbortOnDrop")]
    pub fn cancel_on_drop(self) -> CancelOnDrop<T> {
        CancelOnDrop { task: self }
    }
}

/// The time that cancelled tasks have for their cleanups.
pub(super) struct Grace {
    duration: Duration,
    timer: Option<Timer>,
    is_over: bool,
}

impl Grace {
    pub(super) fn new(duration: Duration) -> Self {
        Self { duration, timer: None, is_over: false }
    }

    /// Returns `true` once, when the time has passed. Until then, `cx` is woken when it passes. The
    /// time starts with the first call.
    pub(super) fn is_over(&mut self, cx: &Context<'_>) -> bool {
        if self.is_over {
            return false;
        }
        let when = When::After(nanos(self.duration));
        self.is_over = Timer::poll_in(&mut self.timer, when, cx, "`cancel_and_wait`").is_ready();
        self.is_over
    }
}

impl<T: 'static> Task<T> {
    /// States that no code will await the task. If it ends with an `Err` or a panic, that is
    /// reported once through [`Builder::on_unhandled`](crate::Builder::on_unhandled), with the
    /// task's name and the place where it was created. An `Err` is reported with its causes.
    ///
    /// An `Err` inside an `Ok`, such as a [`timeout`](crate::timeout) around a future that fails,
    /// is not reported: [flatten the result](super::Outcome#nested-results).
    ///
    /// # Examples
    ///
    /// ```
    /// oneloop::run(async {
    ///     oneloop::create_task(async {
    ///         let _text = std::fs::read_to_string("no such file")?;
    ///         std::io::Result::Ok(())
    ///     })
    ///     .detach();
    ///     oneloop::yield_now().await; // writes one line to the log
    /// });
    /// ```
    ///
    /// A value that would be lost unseen is rejected. To discard it on purpose, drop the handle:
    ///
    /// ```compile_fail
    /// oneloop::run(async { oneloop::create_task(async { 42 }).detach() });
    /// ```
    pub fn detach<How>(self)
    where
        T: Outcome<Error: Reportable<How>>,
    {
        self.handle.set_reporter(reportable_error::<T, How>);
    }
}

impl<T: 'static> Future for Task<T> {
    type Output = Result<T, JoinError>;

    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if !runtime::may_finish(cx) {
            return Poll::Pending;
        }
        let output = ready!(self.handle.poll_output(cx));
        runtime::take_budget();
        Poll::Ready(match output {
            Some(job) => Ok(output_of(job)),
            None => Err(JoinError::of(self.handle.take_failure())),
        })
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.handle.label_if_here() {
            Some(label) => write!(f, "Task(`{}`)", label.name()),
            // The task is on another thread, its output was taken, or its loop has ended.
            None => f.write_str("Task(..)"),
        }
    }
}

/// A handle that cancels its task when dropped. The task that drops it ends after the cancelled
/// one. See [`Task::cancel_on_drop`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// oneloop::run(async {
///     let task = oneloop::create_task(std::future::pending::<()>());
///     let key = task.key();
///     // The timed-out future is dropped, and the task with it.
///     let result = oneloop::timeout(Duration::from_millis(1), task.cancel_on_drop()).await;
///     assert!(result.is_err());
///     assert!(!oneloop::all_tasks().iter().any(|task| task.key() == key));
/// });
/// ```
#[must_use = "dropped, it cancels the task"]
pub struct CancelOnDrop<T> {
    task: Task<T>,
}

impl<T> CancelOnDrop<T> {
    /// Returns the plain handle, which only detaches the task when dropped.
    pub fn into_inner(mut self) -> Task<T> {
        // An empty handle remains to be dropped, and cancels nothing.
        self.task.take()
    }
}

impl<T> Deref for CancelOnDrop<T> {
    type Target = Task<T>;

    fn deref(&self) -> &Task<T> {
        &self.task
    }
}

impl<T: 'static> Future for CancelOnDrop<T> {
    type Output = Result<T, JoinError>;

    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.task).poll(cx)
    }
}

impl<T> Drop for CancelOnDrop<T> {
    fn drop(&mut self) {
        if self.task.handle.cancel(CancelReason::HandleDropped) {
            runtime::leave_tasks(vec![self.task.handle.take()]);
        }
    }
}

impl<T> fmt::Debug for CancelOnDrop<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CancelOnDrop").field(&self.task).finish()
    }
}
