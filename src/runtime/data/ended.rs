//! The remains of a task that has ended: for its handle or, without one, for a drop or a report.

use super::failed_cleanup::FailedCleanup;
use super::job::BoxedJob;
use super::record::{CancelReason, ErrorReporter, Payload, TaskLabel};
use super::waiter::Waiter;

/// The work that the end of a task leaves to the caller.
pub(crate) struct Ended {
    pub(crate) joiner: Waiter,
    /// `None` if the task has a handle, which will take its output or failure.
    pub(crate) unclaimed: Option<Unclaimed>,
}

/// The part of an ended task that no handle will take any more.
pub(crate) enum Unclaimed {
    Nothing,
    Output(BoxedJob),
    /// The output of a detached task, which may contain an error to report.
    Result(BoxedJob, ErrorReporter),
    Panic(Payload),
}

impl Unclaimed {
    pub(crate) fn of_output(job: BoxedJob, report: Option<ErrorReporter>) -> Self {
        match report {
            Some(report) => Self::Result(job, report),
            // Its drop runs no user code, so it needs no place among the deferred drops.
            None if !job.drops_output() => Self::Nothing,
            None => Self::Output(job),
        }
    }
}

/// The answer to a handle that asks for the output.
pub(crate) enum Joined {
    NotYet,
    Output(BoxedJob),
    /// See [`Tasks::take_failure`].
    Failed,
}

/// Why a task has no output.
pub(crate) struct Failure {
    pub(crate) task: Option<TaskLabel>,
    pub(crate) cause: FailureCause,
    /// The failures of its cleanups.
    pub(crate) cleanups: Vec<FailedCleanup>,
}

pub(crate) enum FailureCause {
    Cancelled(CancelReason),
    Panicked(Payload),
    /// The group has the error.
    Failed,
}

impl Failure {
    /// The failure of a task whose loop has ended, where nothing else is known.
    pub(crate) const LOOP_ENDED: Self = Self {
        task: None,
        cause: FailureCause::Cancelled(CancelReason::LoopEnded),
        cleanups: Vec::new(),
    };
}
