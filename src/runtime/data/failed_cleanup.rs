//! `FailedCleanup`: what a cleanup failed with, until its report or the awaiter of its task takes it.

use super::record::{BoxedError, Payload, Place, TaskLabel};

/// How many failures a task keeps for its awaiter. Later ones are reported.
pub(crate) const KEPT_MAX: usize = 64;

pub(crate) struct FailedCleanup {
    /// The task that left the cleanup.
    pub(crate) task: Option<TaskLabel>,
    /// Where its guard was made.
    pub(crate) place: Option<Place>,
    pub(crate) cause: CleanupCause,
}

pub(crate) enum CleanupCause {
    Error(BoxedError),
    Panic(Payload),
}
