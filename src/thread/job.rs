//! A job: a call on its way to a thread of a pool, and its result on the way back.
//!
//! One allocation holds the call, then its result, and the waiter. The pool sees it as [`Work`],
//! its future as [`Answer`]:
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

pub(super) struct Job<F, R> {
    /// Where the call was submitted.
    place: Place,
    operation: Option<Operation>,
    is_cancelled: AtomicBool,
    /// A cleanup that waited for the call reports it if it outlives the loop.
    is_reported_elsewhere: AtomicBool,
    stage: Mutex<Stage<F, R>>,
}

enum Stage<F, R> {
    New(F),
    Queued {
        f: F,
        waiting: Waiting,
        vars: ThreadsafeValues,
    },
    /// `None` once nothing waits for the result.
    Running(Option<Waiting>),
    Done(thread::Result<R>),
    Over,
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

/// A job as its pool sees it.
pub(super) trait Work: Send + Sync {
    /// Runs the call on this thread, and returns what remains to be done.
    #[must_use]
    fn run(&self) -> Ran;

    /// Whether it is still waiting to run.
    fn is_queued(&self) -> bool;

    /// Called when the pool will not run the job. Returns its waiter.
    fn send_back(&self) -> Option<Waiting>;

    fn is_cancelled(&self) -> bool;

    /// Whether the pool should not report the job if it takes too long.
    fn is_reported_elsewhere(&self) -> bool;

    fn place(&self) -> Place;

    fn operation(&self) -> Option<&Operation>;
}

/// A job as its future sees it.
pub(super) trait Answer<R>: Send + Sync {
    fn poll(&self, waker: Waker) -> Asked<R>;

    /// Queues a new job, which the caller then submits to a pool. The call will see `vars`.
    fn queue(&self, waker: Waker, vars: ThreadsafeValues);

    fn is_running(&self) -> bool;

    /// Tells a running call that it may stop.
    fn cancel(&self);

    /// Tells the pool that the job is reported elsewhere if it takes too long.
    fn report_elsewhere(&self);

    /// Nothing waits for the result any more. Returns the payload of a panic that was not seen.
    fn give_up(&self) -> Option<Payload>;

    fn as_work(self: Arc<Self>) -> Arc<dyn Work>;

    fn place(&self) -> Place;
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
pub(super) enum Asked<R> {
    /// Nothing has happened. The waker is returned.
    IsNew(Waker),
    NotYet,
    Result(thread::Result<R>),
}

impl<F, R> Job<F, R> {
    pub(super) fn new(f: F, place: Place) -> Self {
        Self {
            place,
            operation: None,
            is_cancelled: AtomicBool::new(false),
            is_reported_elsewhere: AtomicBool::new(false),
            stage: Mutex::new(Stage::New(f)),
        }
    }

    pub(super) fn of(self, operation: Operation) -> Self {
        Self { operation: Some(operation), ..self }
    }

    fn lock(&self) -> MutexGuard<'_, Stage<F, R>> {
        // Nothing panics under the lock.
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F, R> Stage<F, R> {
    /// Takes the call out of a queued job, and leaves [`Stage::Over`].
    fn take_queued(&mut self) -> Option<(F, Waiting, ThreadsafeValues)> {
        if !matches!(self, Self::Queued { .. }) {
            return None;
        }
        let Self::Queued { f, waiting, vars } = mem::replace(self, Self::Over) else { return None };
        Some((f, waiting, vars))
    }
}

impl<F, R> Work for Job<F, R>
where
    F: FnOnce() -> R + Send,
    R: Send,
{
    fn run(&self) -> Ran {
        let mut stage = self.lock();
        let Some((f, waiting, vars)) = stage.take_queued() else { return Ran::Nothing };
        *stage = Stage::Running(Some(waiting));
        drop(stage);
        let call = || panic::catch_unwind(AssertUnwindSafe(f));
        let (result, failed_drop) = runtime::with_vars(vars, call);
        if let Some(payload) = failed_drop {
            runtime::report_call_panic(runtime::home(), self.place, payload);
        }
        let mut stage = self.lock();
        if let Stage::Running(waiting) = &mut *stage {
            if let Some(waiting) = waiting.take() {
                *stage = Stage::Done(result);
                return Ran::Wake(waiting);
            }
        }
        *stage = Stage::Over;
        drop(stage);
        let unseen = result.map_or_else(Some, runtime::drop_caught);
        unseen.map_or(Ran::Nothing, |payload| Ran::Unseen(self.place, payload))
    }

    fn is_queued(&self) -> bool {
        matches!(*self.lock(), Stage::Queued { .. })
    }

    fn send_back(&self) -> Option<Waiting> {
        let mut stage = self.lock();
        let (f, waiting, vars) = stage.take_queued()?;
        *stage = Stage::New(f);
        drop(stage);
        drop(vars);
        Some(waiting)
    }

    fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Relaxed)
    }

    fn is_reported_elsewhere(&self) -> bool {
        self.is_reported_elsewhere.load(Ordering::Relaxed)
    }

    fn place(&self) -> Place {
        self.place
    }

    fn operation(&self) -> Option<&Operation> {
        self.operation.as_ref()
    }
}

impl<F, R> Answer<R> for Job<F, R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    fn poll(&self, mut waker: Waker) -> Asked<R> {
        let mut stage = self.lock();
        match &mut *stage {
            Stage::New(_) => return Asked::IsNew(waker),
            Stage::Queued { waiting, .. } | Stage::Running(Some(waiting)) => {
                mem::swap(&mut waiting.waker, &mut waker);
                // The previous waker is dropped after the lock is released.
                drop(stage);
                return Asked::NotYet;
            }
            Stage::Done(_) | Stage::Running(None) | Stage::Over => {}
        }
        let Stage::Done(result) = mem::replace(&mut *stage, Stage::Over) else {
            unreachable!("a future that gave its result, or gave up, does not ask again")
        };
        Asked::Result(result)
    }

    fn queue(&self, waker: Waker, vars: ThreadsafeValues) {
        let waiting = Waiting { waker, hold: ClockHold::new() };
        let mut stage = self.lock();
        if let Stage::New(_) = *stage {
            let Stage::New(f) = mem::replace(&mut *stage, Stage::Over) else { return };
            *stage = Stage::Queued { f, waiting, vars };
        }
    }

    fn is_running(&self) -> bool {
        matches!(*self.lock(), Stage::Running(_))
    }

    fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
    }

    fn report_elsewhere(&self) {
        self.is_reported_elsewhere.store(true, Ordering::Relaxed);
    }

    fn give_up(&self) -> Option<Payload> {
        self.cancel();
        let mut stage = self.lock();
        let former = mem::replace(&mut *stage, Stage::Over);
        if let Stage::Running(_) = former {
            *stage = Stage::Running(None);
        }
        drop(stage);
        if let Stage::Done(Err(payload)) = former { Some(payload) } else { None }
    }

    fn as_work(self: Arc<Self>) -> Arc<dyn Work> {
        self
    }

    fn place(&self) -> Place {
        self.place
    }
}
