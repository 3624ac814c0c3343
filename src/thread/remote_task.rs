//! `RemoteTask`: a task of another thread's loop that this thread can wait for.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use crate::runtime::{
    self, CancelReason, CleanupError, ClockHold, Failure, Handle, Place, TaskHandle, TaskId, Vars,
    hold_while_pending, output_of,
};
use crate::task::JoinError;

impl Handle {
    /// Has the loop call `f` on its own thread and run the returned future as a task. This is
    /// asyncio's `run_coroutine_threadsafe`, and can be called from any thread. Only the async
    /// closure moves to the loop's thread, so its future need not be `Send`.
    ///
    /// This thread can wait for the output, or another loop can await it. The result is an error if
    /// the loop has ended or ends first, just as if the task was cancelled.
    ///
    /// Creating tasks never waits. A thread that can create tasks faster than the loop runs them
    /// should send its work through a [`thread::channel`](crate::thread::channel()) to a task that
    /// receives it, or wait for each task before it creates the next: a channel's `send` blocks
    /// while the channel is full.
    ///
    /// The task starts with the caller's [context variables](crate::ContextVar) that are
    /// [`threadsafe`](crate::ContextVar::threadsafe).
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::thread::to_thread;
    /// use std::rc::Rc;
    ///
    /// oneloop::run(async {
    ///     let home = oneloop::Handle::current();
    ///     let sum = to_thread(move || {
    ///         // On another thread, in code that blocks: ask the loop, and wait for the answer.
    ///         let task = home.create_task_threadsafe(async || {
    ///             let local = Rc::new(20);
    ///             oneloop::yield_now().await;
    ///             *local + 1
    ///         });
    ///         task.wait().unwrap() * 2
    ///     });
    ///     assert_eq!(sum.await, 42);
    /// });
    /// ```
    ///
    /// One loop can await a task of another:
    ///
    /// ```
    /// use oneloop::thread::to_thread;
    ///
    /// oneloop::run(async {
    ///     let first = oneloop::Handle::current();
    ///     let second = async move {
    ///         let answer = first.create_task_threadsafe(async || 20).await;
    ///         answer.unwrap() + 1
    ///     };
    ///     assert_eq!(to_thread(|| oneloop::run(second)).await, 21);
    /// });
    /// ```
    #[doc(alias = "run_coroutine_threadsafe")]
    #[doc(alias = "block_on")]
    #[doc(alias = "from_thread")]
    #[track_caller]
    pub fn create_task_threadsafe<T, F>(&self, f: F) -> RemoteTask<T>
    where
        T: Send + 'static,
        F: AsyncFnOnce() -> T + Send + 'static,
    {
        let place = std::panic::Location::caller();
        let waiting = Waiting { is_awaited: true, ..Waiting::default() };
        let shared = Arc::new(Shared {
            home: *self,
            place,
            stage: Mutex::new(Stage::Waiting(waiting)),
            is_done: Condvar::new(),
        });
        let answer = Answer { shared: Arc::clone(&shared) };
        let vars = runtime::copy_threadsafe_vars();
        // If the call is refused, dropping it completes the answer.
        let _ = self.call_soon_threadsafe(move || {
            let chosen = (!vars.is_empty()).then(|| runtime::choose_vars(Vars::Own(vars.into())));
            let task = runtime::create_at(place, async move { f().await }, None, false);
            drop(chosen);
            answer.start(task);
        });
        RemoteTask { shared, hold: None }
    }
}

/// A task of another thread's loop, made by [`Handle::create_task_threadsafe`].
///
/// It can be waited for with or without blocking the thread. Dropping it detaches the task, which
/// goes on; its output is dropped on the loop's thread when it ends. A panic, or a failure of a
/// [cleanup](crate::with_cleanup), that was not seen is
/// [reported](crate::Builder::on_unhandled) there.
///
/// # Cancel safety
///
/// Dropping a future that awaits `&mut task` loses nothing; the task goes on.
///
/// # Panics
///
/// Polling it again after it was ready panics.
#[must_use = "waiting for the task gives its output; dropped, it lets the task go on"]
#[doc(alias = "concurrent.futures.Future")]
pub struct RemoteTask<T: Send + 'static> {
    shared: Arc<Shared<T>>,
    /// Held while a loop waits for the task of another thread's.
    hold: Option<ClockHold>,
}

struct Shared<T> {
    home: Handle,
    place: Place,
    stage: Mutex<Stage<T>>,
    is_done: Condvar,
}

enum Stage<T> {
    Waiting(Waiting),
    Done(Result<T, JoinError>),
    /// The result has been returned.
    Over,
}

#[derive(Default)]
struct Waiting {
    /// Set once the task has been created.
    task: Option<TaskId>,
    /// Cancelled before it was created.
    is_cancelled: bool,
    /// Whether the handle still exists.
    is_awaited: bool,
    /// Whether a thread blocks until the task has ended.
    is_blocking: bool,
    waker: Option<Waker>,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, Stage<T>> {
        // Nothing panics under the lock.
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns `Some` only once.
    fn take_result(&self) -> Option<Result<T, JoinError>> {
        let mut stage = self.lock();
        if let Stage::Waiting(_) = *stage {
            return None;
        }
        match mem::replace(&mut *stage, Stage::Over) {
            Stage::Done(result) => Some(result),
            Stage::Waiting(_) | Stage::Over => {
                drop(stage);
                panic!("this `RemoteTask` has given its output already: wait for it only once")
            }
        }
    }

    fn finish(&self, result: Result<T, JoinError>) {
        let mut stage = self.lock();
        let Stage::Waiting(waiting) = &mut *stage else { return };
        let Waiting { is_awaited, is_blocking, ref mut waker, .. } = *waiting;
        let waker = waker.take();
        let unclaimed = if is_awaited {
            *stage = Stage::Done(result);
            None
        } else {
            *stage = Stage::Over;
            Some(result)
        };
        drop(stage);
        if is_blocking {
            // A system call, even if no thread waits.
            self.is_done.notify_all();
        }
        if let Some(waker) = waker {
            runtime::wake_guarded(waker);
        }
        if let Some(Err(error)) = unclaimed {
            self.report(error);
        }
    }

    /// Reports an unseen panic and unseen failures of cleanups, on the loop's thread or, if the
    /// loop is gone, on this one.
    fn report(&self, error: JoinError) {
        let task_name = error.task_name().to_owned();
        let (payload, cleanups) = error.into_unseen();
        if payload.is_none() && cleanups.is_empty() {
            return;
        }
        let unseen = Unseen { task_name, place: self.place, payload, cleanups };
        let _ = self.home.call_soon_threadsafe(move || drop(unseen));
    }
}

/// An unseen panic and unseen failures of cleanups, reported wherever this is dropped.
struct Unseen {
    task_name: String,
    place: Place,
    payload: Option<runtime::Payload>,
    cleanups: Vec<CleanupError>,
}

impl Drop for Unseen {
    fn drop(&mut self) {
        if let Some(payload) = self.payload.take() {
            runtime::report_task_panic(mem::take(&mut self.task_name), self.place, payload);
        }
        mem::take(&mut self.cleanups).into_iter().for_each(runtime::report_unseen_cleanup);
    }
}

impl<T: Send + 'static> RemoteTask<T> {
    /// Waits until the task and its cleanups have ended, and blocks the thread meanwhile.
    ///
    /// # Errors
    ///
    /// A [`JoinError`] if the task panicked or was cancelled, or if its loop has ended.
    ///
    /// # Panics
    ///
    /// Panics on the loop's own thread if the task has not ended: the loop cannot run while its
    /// thread waits.
    #[track_caller]
    #[doc(alias = "result")]
    #[doc(alias = "join")]
    pub fn wait(mut self) -> Result<T, JoinError> {
        match self.wait_timeout(Duration::MAX) {
            Some(result) => result,
            None => unreachable!("there is no limit"),
        }
    }

    /// Like [`wait`](RemoteTask::wait), but waits no longer than `timeout`. Returns `None` if the
    /// task has not ended by then; the task goes on.
    ///
    /// # Errors
    ///
    /// Same as [`wait`](RemoteTask::wait).
    ///
    /// # Panics
    ///
    /// Same as [`wait`](RemoteTask::wait). Also panics if the output has been returned before.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::thread::to_thread;
    /// use std::time::Duration;
    ///
    /// oneloop::run(async {
    ///     let home = oneloop::Handle::current();
    ///     to_thread(move || {
    ///         let mut task = home.create_task_threadsafe(async || std::future::pending::<()>().await);
    ///         assert!(task.wait_timeout(Duration::from_millis(1)).is_none());
    ///         assert!(task.cancel());
    ///         assert!(task.wait().unwrap_err().is_cancelled());
    ///     })
    ///     .await;
    /// });
    /// ```
    #[track_caller]
    pub fn wait_timeout(&mut self, timeout: Duration) -> Option<Result<T, JoinError>> {
        let deadline = runtime::real_now().saturating_add(runtime::nanos(timeout));
        loop {
            if let Some(result) = self.shared.take_result() {
                return Some(result);
            }
            self.check_thread();
            let left = deadline.saturating_sub(runtime::real_now());
            if left == 0 {
                return None;
            }
            let mut stage = self.shared.lock();
            if let Stage::Waiting(waiting) = &mut *stage {
                // It may stay set: a later end then notifies in vain.
                waiting.is_blocking = true;
                let waited = self.shared.is_done.wait_timeout(stage, Duration::from_nanos(left));
                drop(waited.unwrap_or_else(PoisonError::into_inner));
            }
        }
    }

    #[track_caller]
    fn check_thread(&self) {
        assert!(
            !self.shared.home.is_of_this_thread(),
            "the loop of this `RemoteTask` runs on this thread, so it would wait for itself: `await` it instead"
        );
    }

    /// Asks the task to stop, like [`Task::cancel`](crate::Task::cancel). A task that has not
    /// started never starts. Returns `false` if the task has ended.
    #[doc(alias = "abort")]
    pub fn cancel(&self) -> bool {
        let mut stage = self.shared.lock();
        let Stage::Waiting(waiting) = &mut *stage else { return false };
        let Some(task) = waiting.task else {
            waiting.is_cancelled = true;
            return true;
        };
        drop(stage);
        task.cancel()
    }

    /// Returns whether the task has ended, so that waiting for it would return at once.
    #[doc(alias = "done")]
    pub fn is_finished(&self) -> bool {
        !matches!(*self.shared.lock(), Stage::Waiting(_))
    }
}

impl<T: Send + 'static> Future for RemoteTask<T> {
    type Output = Result<T, JoinError>;

    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.shared.home.is_of_this_thread() {
            return self.poll_result(cx);
        }
        let polled = self.poll_result(cx);
        hold_while_pending(&mut self.hold, polled)
    }
}

impl<T: Send + 'static> RemoteTask<T> {
    #[track_caller]
    fn poll_result(&self, cx: &mut Context<'_>) -> Poll<Result<T, JoinError>> {
        if !runtime::may_finish(cx) {
            return Poll::Pending;
        }
        // Cloning and dropping a waker runs foreign code.
        let mut waker = Some(cx.waker().clone());
        if let Stage::Waiting(waiting) = &mut *self.shared.lock() {
            mem::swap(&mut waiting.waker, &mut waker);
            return Poll::Pending;
        }
        runtime::take_budget();
        self.shared.take_result().map_or(Poll::Pending, Poll::Ready)
    }
}

impl<T: Send + 'static> Drop for RemoteTask<T> {
    fn drop(&mut self) {
        let mut stage = self.shared.lock();
        let result = match &mut *stage {
            Stage::Waiting(waiting) => {
                waiting.is_awaited = false;
                let waker = waiting.waker.take();
                drop(stage);
                drop(waker);
                return;
            }
            Stage::Done(_) | Stage::Over => mem::replace(&mut *stage, Stage::Over),
        };
        drop(stage);
        if let Stage::Done(Err(error)) = result {
            self.shared.report(error);
        }
    }
}

impl<T: Send + 'static> fmt::Debug for RemoteTask<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteTask")
            .field("is_finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}

/// Owes the result. If it is dropped without one, anywhere, the result is that the loop has ended.
struct Answer<T: Send + 'static> {
    shared: Arc<Shared<T>>,
}

impl<T: Send + 'static> Answer<T> {
    /// The task was created.
    fn start(self, task: TaskHandle) {
        let mut is_cancelled = false;
        if let Stage::Waiting(waiting) = &mut *self.shared.lock() {
            waiting.task = Some(task.id());
            is_cancelled = waiting.is_cancelled;
        }
        if is_cancelled {
            task.cancel(CancelReason::Requested);
        }
        let collector = Collector { task: Mutex::new(Some(task)), answer: self };
        Arc::new(collector).wake();
    }
}

impl<T: Send + 'static> Drop for Answer<T> {
    fn drop(&mut self) {
        self.shared.finish(Err(JoinError::of(Failure::LOOP_ENDED)));
    }
}

/// Awaits the task on behalf of its remote handle. It is itself the waker used for that: when
/// woken, it looks for the output. The loop keeps it until then, and drops it when the loop ends.
struct Collector<T: Send + 'static> {
    task: Mutex<Option<TaskHandle>>,
    answer: Answer<T>,
}

impl<T: Send + 'static> Collector<T> {
    fn task(&self) -> MutexGuard<'_, Option<TaskHandle>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send + 'static> Wake for Collector<T> {
    fn wake(self: Arc<Self>) {
        let Some(mut task) = self.task().take() else { return };
        let waker = Waker::from(Arc::clone(&self));
        match task.poll_join(&Context::from_waker(&waker)) {
            Poll::Pending => *self.task() = Some(task),
            Poll::Ready(joined) => {
                let result = joined.map(output_of).map_err(JoinError::of);
                self.answer.shared.finish(result);
            }
        }
    }
}
