//! A job: a call on its way to a thread of a pool, and its result on the way back.
//!
//! One allocation holds the call, its result, and the waiter:
//!
//! ```text
//!          1 poll           2 run            3 return        4 poll
//!    New ----------> Queued -------> Running --------> Done --------> Over
//!     ^                |  |             |                |              ^
//!     +- 5 send_back --+  +-- 6 drop ---|----------------+--------------+
//!                                       +-- 7 drop, then 3 -------------+
//! ```
//!
//! 1. The first poll queues the call.
//! 2. A thread takes the call out.
//! 3. The thread stores the result here, and then wakes the waiter.
//! 5. The pool has no thread, or ends: the call is back, and another poll queues it again.
//! 6. The future is dropped, and the call or the result with it.
//! 7. A running call cannot be stopped. It can ask whether it should stop (`is_cancelled`). Its
//!    result is dropped on its thread.
//!
//! No lock is held while a call or a waker runs, or while a value of the user's is dropped.

use std::any::Any;
use std::fmt;
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread;

use crate::runtime::{self, ClockHold, Payload, Place, ThreadsafeValues};

/// Describes a call that runs no user code, so the user cannot make it check whether it was
/// cancelled.
pub(crate) struct Operation {
    /// A verb, such as "open".
    pub(crate) doing: &'static str,
    pub(crate) path: Option<Arc<Path>>,
    /// Where the user asked for it, if known.
    pub(crate) place: Option<Place>,
    /// What the user can do if it takes too long.
    pub(crate) remedy: &'static str,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{} `{}`", self.doing, path.display()),
            None => write!(f, "{} a file", self.doing),
        }
    }
}

/// A job is used as `Job<dyn Content>`; only its creation knows the types of the call and of its
/// result. So the states are compiled once, not again for each call in a program.
pub(super) struct Job<C: ?Sized = dyn Content> {
    /// Where the call was submitted.
    place: Place,
    operation: Option<Operation>,
    is_cancelled: AtomicBool,
    /// A cleanup that waited for the call reports it if it outlives the loop.
    is_reported_elsewhere: AtomicBool,
    stage: Mutex<Stage>,
    content: C,
}

/// Also decides who may touch the content: the call is there while the job is new or queued, and
/// the result once it is done. In between, the thread that runs the call has both.
enum Stage {
    New,
    Queued {
        waiting: Waiting,
        vars: ThreadsafeValues,
    },
    /// `None` once nothing waits for the result.
    Running(Option<Waiting>),
    Done,
    Over,
}

/// The call of a job, or its result.
pub(super) trait Content: Send + Sync {
    /// Runs the call and keeps its result.
    fn run(&self);

    /// The result, as the `Mutex<Option<thread::Result<R>>>` of [`Held`].
    fn result(&self) -> &dyn Any;

    /// Drops the call and the result. Returns the payload if the call panicked.
    fn clear(&self) -> Option<Payload>;

    /// Drops the result. Returns the payload if the call panicked, or if the drop did.
    fn drop_result(&self) -> Option<Payload>;
}

/// Each lock is held only to move the call or the result.
struct Held<F, R> {
    call: Mutex<Option<F>>,
    result: Mutex<Option<thread::Result<R>>>,
}

/// The waiter for the result, which also holds virtual time still.
pub(super) struct Waiting {
    waker: Waker,
    hold: Option<ClockHold>,
}

impl Waiting {
    /// Tells the loop about the result first, and only then lets virtual time go on.
    pub(super) fn wake(self) {
        let Self { waker, hold } = self;
        runtime::wake_guarded(waker);
        drop(hold);
    }
}

/// What remains to be done after a job has run.
pub(super) enum Ran {
    /// The job has a result, and this waiter wants it.
    Wake(Waiting),
    /// The job was taken back, or abandoned.
    Nothing,
    /// The job panicked, and nothing awaits it.
    Unseen(Place, Payload),
}

/// The state that a future finds when it polls.
pub(super) enum Asked {
    /// Nothing has happened. The waker is returned.
    IsNew(Waker),
    NotYet,
    /// [`Job::take_result`] has the result.
    Done,
}

impl Job {
    pub(super) fn new<F, R>(f: F, place: Place, operation: Option<Operation>) -> Arc<Self>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        Arc::new(Job {
            place,
            operation,
            is_cancelled: AtomicBool::new(false),
            is_reported_elsewhere: AtomicBool::new(false),
            stage: Mutex::new(Stage::New),
            content: Held { call: Mutex::new(Some(f)), result: Mutex::new(None) },
        })
    }

    fn lock(&self) -> MutexGuard<'_, Stage> {
        lock(&self.stage)
    }

    pub(super) fn place(&self) -> Place {
        self.place
    }

    // For the pool.

    /// Runs the call on this thread, and returns what remains to be done.
    #[must_use]
    pub(super) fn run(&self) -> Ran {
        let mut stage = self.lock();
        let Some((waiting, vars)) = stage.take_queued() else { return Ran::Nothing };
        *stage = Stage::Running(Some(waiting));
        drop(stage);
        let ((), failed_drop) = runtime::with_vars(vars, || self.content.run());
        if let Some(payload) = failed_drop {
            runtime::report_call_panic(runtime::home(), self.place, payload);
        }
        let mut stage = self.lock();
        if let Stage::Running(waiting) = &mut *stage {
            if let Some(waiting) = waiting.take() {
                *stage = Stage::Done;
                return Ran::Wake(waiting);
            }
        }
        *stage = Stage::Over;
        drop(stage);
        let unseen = self.content.drop_result();
        unseen.map_or(Ran::Nothing, |payload| Ran::Unseen(self.place, payload))
    }

    /// Whether it is still waiting to run.
    pub(super) fn is_queued(&self) -> bool {
        matches!(*self.lock(), Stage::Queued { .. })
    }

    /// Called when the pool will not run the job. Returns its waiter.
    pub(super) fn send_back(&self) -> Option<Waiting> {
        let mut stage = self.lock();
        let (waiting, vars) = stage.take_queued()?;
        *stage = Stage::New;
        drop(stage);
        drop(vars);
        Some(waiting)
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Relaxed)
    }

    /// Whether the pool should not report the job if it takes too long.
    pub(super) fn is_reported_elsewhere(&self) -> bool {
        self.is_reported_elsewhere.load(Ordering::Relaxed)
    }

    pub(super) fn operation(&self) -> Option<&Operation> {
        self.operation.as_ref()
    }

    // For the future.

    pub(super) fn poll(&self, mut waker: Waker) -> Asked {
        let mut stage = self.lock();
        match &mut *stage {
            Stage::New => return Asked::IsNew(waker),
            Stage::Queued { waiting, .. } | Stage::Running(Some(waiting)) => {
                mem::swap(&mut waiting.waker, &mut waker);
                // The previous waker is dropped after the lock is released.
                drop(stage);
                return Asked::NotYet;
            }
            Stage::Done => {}
            Stage::Running(None) | Stage::Over => {
                unreachable!("a future that gave its result, or gave up, does not ask again")
            }
        }
        *stage = Stage::Over;
        Asked::Done
    }

    /// Takes the result of a job that is done. `R` is the type that its call returns.
    pub(super) fn take_result<R: 'static>(&self) -> Option<thread::Result<R>> {
        let result = self.content.result().downcast_ref::<Mutex<Option<thread::Result<R>>>>();
        result.and_then(take)
    }

    /// Queues a new job, which the caller then submits to a pool. The call will see `vars`.
    pub(super) fn queue(&self, waker: Waker, vars: ThreadsafeValues) {
        let waiting = Waiting { waker, hold: ClockHold::new() };
        let mut stage = self.lock();
        if let Stage::New = *stage {
            *stage = Stage::Queued { waiting, vars };
        }
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(*self.lock(), Stage::Running(_))
    }

    /// Tells a running call that it may stop.
    pub(super) fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
    }

    /// Tells the pool that the job is reported elsewhere if it takes too long.
    pub(super) fn report_elsewhere(&self) {
        self.is_reported_elsewhere.store(true, Ordering::Relaxed);
    }

    /// Nothing waits for the result any more. Returns the payload of a panic that was not seen.
    pub(super) fn give_up(&self) -> Option<Payload> {
        self.cancel();
        let mut stage = self.lock();
        let former = mem::replace(&mut *stage, Stage::Over);
        if let Stage::Running(_) = former {
            *stage = Stage::Running(None);
        }
        drop(stage);
        // The thread of a running call drops the result.
        if let Stage::Running(_) = former { None } else { self.content.clear() }
    }
}

impl Stage {
    /// Takes the waiter out of a queued job, and leaves [`Stage::Over`].
    fn take_queued(&mut self) -> Option<(Waiting, ThreadsafeValues)> {
        if !matches!(self, Self::Queued { .. }) {
            return None;
        }
        let Self::Queued { waiting, vars } = mem::replace(self, Self::Over) else { return None };
        Some((waiting, vars))
    }
}

impl<F, R> Content for Held<F, R>
where
    F: FnOnce() -> R + Send,
    R: Send + 'static,
{
    fn run(&self) {
        let Some(call) = take(&self.call) else { return };
        let result = panic::catch_unwind(AssertUnwindSafe(call));
        *lock(&self.result) = Some(result);
    }

    fn result(&self) -> &dyn Any {
        &self.result
    }

    fn clear(&self) -> Option<Payload> {
        drop(take(&self.call));
        take(&self.result)?.err()
    }

    fn drop_result(&self) -> Option<Payload> {
        take(&self.result)?.map_or_else(Some, runtime::drop_caught)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics under a lock of a job.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn take<T>(mutex: &Mutex<Option<T>>) -> Option<T> {
    lock(mutex).take()
}
