//! What is left of a task that has ended, for its handle or for nobody.

use super::failed_cleanup::FailedCleanup;
use super::job::BoxedJob;
use super::record::{CancelReason, ErrorReporter, Payload, TaskLabel};
use super::waiter::Waiter;

/// What the end of a task leaves to do.
pub(crate) struct Ended {
    pub(crate) joiner: Waiter,
    /// A handle will take what there is.
    pub(crate) is_awaited: bool,
    pub(crate) unclaimed: Unclaimed,
}

/// What nobody will ask for any more.
pub(crate) enum Unclaimed {
    Nothing,
    Output(BoxedJob),
    /// The output of a detached task, to be asked for its error.
    Result(BoxedJob, ErrorReporter),
    Panic(Payload),
}

impl Unclaimed {
    pub(crate) fn of_output(job: BoxedJob, report: Option<ErrorReporter>) -> Self {
        match report {
            Some(report) => Self::Result(job, report),
            None => Self::Output(job),
        }
    }
}

/// What a handle finds.
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
    /// What its cleanups failed with.
    pub(crate) cleanups: Vec<FailedCleanup>,
}

pub(crate) enum FailureCause {
    Cancelled(CancelReason),
    Panicked(Payload),
    /// The error is with the group.
    Failed,
}

impl Failure {
    /// Nothing else is known of the task.
    pub(crate) const LOOP_ENDED: Self = Self {
        task: None,
        cause: FailureCause::Cancelled(CancelReason::LoopEnded),
        cleanups: Vec::new(),
    };
}
