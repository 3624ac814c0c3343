//! `FailedCleanup`: the failure of a cleanup, until a report or the code that awaits the task takes
//! it.

use super::record::{BoxedError, Payload, Place, TaskLabel};

/// The most failures that a task keeps for the code that awaits it. Later ones are reported.
pub(crate) const KEPT_MAX: usize = 64;

pub(crate) struct FailedCleanup {
    /// The task that left the cleanup.
    pub(crate) task: Option<TaskLabel>,
    /// The place where its guard was made.
    pub(crate) place: Option<Place>,
    pub(crate) cause: CleanupCause,
}

pub(crate) enum CleanupCause {
    Error(BoxedError),
    Panic(Payload),
}
