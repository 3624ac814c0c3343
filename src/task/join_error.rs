//! `JoinError`: why a task has no output.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::{Mutex, PoisonError};

use crate::runtime::{
    self, CancelReason, CleanupError, Failure, FailureCause, PanicCopy, Payload, panic_message,
};

/// Why a task gave no output: it panicked, it was cancelled, or it failed as a member of a
/// [group](crate::task_group). In the last case the group has the error.
///
/// It converts into an [`io::Error`], so `?` works in functions that return `io::Result`.
#[doc(alias = "CancelledError")]
pub struct JoinError(Box<Inner>);

struct Inner {
    task_name: String,
    cause: Cause,
    cleanups: Vec<CleanupError>,
}

enum Cause {
    Cancelled(CancelReason),
    /// Behind a mutex, because a payload need not be `Sync` but errors should be.
    Panicked {
        message: String,
        payload: Mutex<Payload>,
    },
    Failed,
}

impl JoinError {
    pub(crate) fn of(failure: Failure) -> Self {
        let Failure { task, cause, cleanups } = failure;
        let task_name = task.map_or_else(|| "of an ended loop".to_owned(), |task| task.name());
        let cause = match cause {
            FailureCause::Cancelled(reason) => Cause::Cancelled(reason),
            FailureCause::Panicked(payload) => {
                let payload: Payload = match payload.downcast::<PanicCopy>() {
                    Ok(copy) => Box::new(copy.0),
                    Err(payload) => payload,
                };
                let message = panic_message(&*payload).to_owned();
                Cause::Panicked { message, payload: Mutex::new(payload) }
            }
            FailureCause::Failed => Cause::Failed,
        };
        let cleanups = cleanups.into_iter().map(CleanupError::of).collect();
        Self(Box::new(Inner { task_name, cause, cleanups }))
    }

    /// Whether the task was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.reason().is_some()
    }

    /// Whether the task panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self.0.cause, Cause::Panicked { .. })
    }

    /// Whether the task ended with an `Err` that went to its [group](crate::task_group).
    pub fn is_failed(&self) -> bool {
        matches!(self.0.cause, Cause::Failed)
    }

    /// Why the task was cancelled, or `None` if it was not.
    pub fn reason(&self) -> Option<CancelReason> {
        match self.0.cause {
            Cause::Cancelled(reason) => Some(reason),
            Cause::Panicked { .. } | Cause::Failed => None,
        }
    }

    /// The name of the task.
    pub fn task_name(&self) -> &str {
        &self.0.task_name
    }

    /// The failures of the task's [cleanups](crate::with_cleanup), in the order in which they
    /// occurred. Asyncio raises such an error from the `await` of the task.
    ///
    /// It holds the failures of cleanups that ran once the task was cancelled or had panicked. If
    /// the task ended with an output, is a [group's](crate::task_group) child that failed, or still
    /// runs, the failure is not here: it is [reported](crate::Builder::on_unhandled), or is with
    /// the [group's error](crate::task::TaskError::cleanup_errors). A cleanup that was cut off is
    /// always reported. So are failures beyond the first 64 of a task.
    pub fn cleanup_errors(&self) -> &[CleanupError] {
        &self.0.cleanups
    }

    /// Reports the failures of the cleanups, because no code gets this error.
    pub(crate) fn report_cleanups(self) {
        self.0.cleanups.into_iter().for_each(runtime::report_unseen_cleanup);
    }

    /// What has to be reported if no code gets this error.
    pub(crate) fn into_unseen(self) -> (Option<Payload>, Vec<CleanupError>) {
        let Inner { cause, cleanups, .. } = *self.0;
        let payload = match cause {
            Cause::Panicked { payload, .. } => {
                Some(payload.into_inner().unwrap_or_else(PoisonError::into_inner))
            }
            Cause::Cancelled(_) | Cause::Failed => None,
        };
        (payload, cleanups)
    }

    /// Returns the panic's payload, for [`std::panic::resume_unwind`].
    ///
    /// # Errors
    ///
    /// Returns the `JoinError` itself if the task did not panic.
    ///
    /// # Examples
    ///
    /// ```
    /// oneloop::run(async {
    ///     let error = oneloop::create_task(async { panic!("boom") }).await.unwrap_err();
    ///     let payload = error.into_panic().unwrap();
    ///     assert_eq!(*payload.downcast_ref::<&str>().unwrap(), "boom");
    /// });
    /// ```
    pub fn into_panic(self) -> Result<Box<dyn Any + Send + 'static>, Self> {
        match self.0.cause {
            Cause::Panicked { payload, .. } => {
                Ok(payload.into_inner().unwrap_or_else(PoisonError::into_inner))
            }
            Cause::Cancelled(_) | Cause::Failed => Err(self),
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { task_name, cause, cleanups } = &*self.0;
        match cause {
            Cause::Cancelled(reason) => write!(f, "task `{task_name}` was cancelled {reason}")?,
            Cause::Panicked { message, .. } => write!(f, "task `{task_name}` panicked: {message}")?,
            Cause::Failed => write!(f, "task `{task_name}` failed, and its group has the error")?,
        }
        write_cleanups(cleanups, f)
    }
}

/// How many cleanups a `Display` names. The others are counted.
const NAMED_MAX: usize = 3;

/// Continues the line of an error with the failures of cleanups.
pub(super) fn write_cleanups(cleanups: &[CleanupError], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for cleanup in cleanups.iter().take(NAMED_MAX) {
        write!(f, "; {cleanup}")?;
    }
    match cleanups.len().saturating_sub(NAMED_MAX) {
        0 => Ok(()),
        more => write!(f, "; and {more} more cleanups failed"),
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinError({self})")
    }
}

impl Error for JoinError {}

impl From<JoinError> for io::Error {
    fn from(error: JoinError) -> Self {
        Self::other(error)
    }
}
