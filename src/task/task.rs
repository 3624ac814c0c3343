//! `Task<T>`, the handle of a task.

use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::outcome::reportable_error;
use super::{JoinError, Outcome, Reportable, TaskKey, TaskRef};
use crate::runtime::{self, CancelReason, Runtime, TaskHandle, Timer, When, nanos, output_of};

/// Creates a task: the loop polls `future` beside everything else, from the next round on. Asyncio's `create_task`.
///
/// The caller goes on first, and tasks take their first step in the order in which they were created. The loop owns the
/// task: dropping the handle [detaches](Task) it.
///
/// # Panics
///
/// If no loop runs on this thread.
///
/// # Examples
///
/// ```
/// oneloop::run(async {
///     let task = oneloop::create_task(async { 6 * 7 });
///     assert_eq!(task.await.unwrap(), 42);
/// });
/// ```
#[must_use = "awaiting the task gives its output; `detach` says that nobody will"]
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
    /// Creates a task, as [`create_task`] does inside the loop. It starts in the next run or turn.
    ///
    /// # Panics
    ///
    /// Never because no loop runs here: that is what it is for.
    #[must_use = "awaiting the task gives its output; `detach` says that nobody will"]
    #[track_caller]
    pub fn create_task<F>(&self, future: F) -> Task<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let place = std::panic::Location::caller();
        let handle = self.inside(|| runtime::create_at(place, future, None, false));
        self.tell_host();
        Task::of(handle)
    }
}

/// A task's handle: await it for the output, or cancel the task. Eight bytes, `Send` and `Sync` whatever the task is.
///
/// Awaiting gives the output or, if the task panicked or was cancelled, a [`JoinError`]. Dropping the handle detaches the task:
/// it goes on, and its output is dropped when it ends; a panic is reported then, through
/// [`Builder::on_unhandled`](crate::Builder::on_unhandled).
///
/// A handle that outlives its loop is harmless: awaiting it gives the error "cancelled". On a thread other than its
/// loop's it can be dropped and cancelled; to await it, or to ask it, go home.
///
/// # Cancel safety
///
/// Dropping a future that awaits `&mut task` loses nothing; the task goes on.
///
/// # Panics
///
/// Polling panics after it was ready, in the task itself (it would wait for ever), and on another thread than the loop's.
// Not `must_use`: a group's children may well go without. The functions that create tasks are.
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

    /// Asks the task to stop: its future is dropped in its next turn, with it as the current task, never inside this call.
    /// `false` if it has ended.
    ///
    /// Before its first step, it never starts. A task that cancels itself goes on until its next `await` that waits; if
    /// it ends without one, its output counts. Main cannot be cancelled.
    ///
    /// Also legal on other threads: there the answer says whether the loop could be told.
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

    /// Asks the task to stop, as [`cancel`](Task::cancel) does, and waits until it has ended, with the cleanups that it leaves. When
    /// `grace` is over, those that are left are dropped and reported, and it ends.
    ///
    /// The output of a task that was ready before it could be cancelled is not lost.
    ///
    /// # Cancel safety
    ///
    /// Dropped half way, it detaches the task, which is cancelled all the same.
    ///
    /// # Errors
    ///
    /// As awaiting the task: normally that it was cancelled.
    ///
    /// # Panics
    ///
    /// As awaiting the task.
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

    /// This task for others to look at and to cancel, while the handle stays here to be awaited. Plain data, which may be copied and
    /// kept as long as one likes.
    ///
    /// # Panics
    ///
    /// On another thread than the loop's, while the loop lives.
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

    /// Whether the task has ended, in whichever way. Between two runs of its loop too.
    ///
    /// # Panics
    ///
    /// On another thread than the loop's, while the loop lives.
    #[doc(alias = "done")]
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    /// Which task this is; see [`TaskKey`]. Between two runs of its loop too.
    ///
    /// # Panics
    ///
    /// On another thread than the loop's, while the loop lives.
    #[doc(alias = "id")]
    pub fn key(&self) -> TaskKey {
        TaskKey::of(self.handle.id())
    }

    /// The task's name: the one that it was given, or `Task-N`, where N counts. Empty when it and its loop have gone.
    /// Between two runs of its loop too.
    ///
    /// # Panics
    ///
    /// On another thread than the loop's, while the loop lives.
    #[doc(alias = "get_name")]
    pub fn name(&self) -> String {
        self.handle.label().map_or_else(String::new, |label| label.name())
    }

    /// Gives the task a name, for messages and listings.
    ///
    /// # Panics
    ///
    /// On another thread than the loop's, while the loop lives.
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

    /// Ties the task's life to the handle: when that is dropped, the task is cancelled.
    ///
    /// The task that drops the handle ends after the cancelled one, and so does a [`timeout`](crate::timeout) that drops it. Two
    /// tasks that hold each other's handles do not wait for each other.
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

    /// `true` once, when it has passed; until then `cx` is woken then. It begins with the first call.
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
    /// Says on purpose that nobody will await the task. If it ends with an `Err` or a panic, that is reported once, with its
    /// name and the place where it was created, through [`Builder::on_unhandled`](crate::Builder::on_unhandled). An `Err` is
    /// reported with its causes.
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
    /// A value that would be lost unseen is refused; to let it go on purpose, drop the handle:
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
        let joined = ready!(self.handle.poll_join(cx));
        runtime::take_budget();
        Poll::Ready(joined.map(output_of).map_err(JoinError::of))
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.handle.label_if_here() {
            Some(label) => write!(f, "Task(`{}`)", label.name()),
            // On another thread, or its output was taken, or its loop has ended.
            None => f.write_str("Task(..)"),
        }
    }
}

/// A task whose life is tied to this handle: dropped, it cancels the task, and the task that dropped it ends after that one. See
/// [`Task::cancel_on_drop`].
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
    /// The handle without the tie: dropping that only detaches the task.
    pub fn into_inner(mut self) -> Task<T> {
        // What is left to be dropped, and cancels nothing, is an empty handle.
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
