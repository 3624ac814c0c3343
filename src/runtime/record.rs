//! What is known of one task: its record.
//!
//! The life cycle that its parts go through stands in `tasks.rs`.

use std::any::Any;
use std::fmt;
use std::mem;
use std::panic::Location;

use super::job::BoxedJob;
use super::key::NO_SLOT;
use super::members::Member;
use super::waiter::Waiter;

/// What a panic carries.
pub(crate) type Payload = Box<dyn Any + Send>;

/// The place in the program where something was called.
pub(crate) type Place = &'static Location<'static>;

/// Says what error, if any, a task's output is.
pub(crate) type ErrorReporter = fn(BoxedJob) -> Option<String>;

/// Names a task in messages, also after it is gone; costs nothing until it is shown.
#[derive(Debug, Clone)]
pub(crate) struct TaskLabel {
    pub(super) name: Option<String>,
    pub(super) number: u32,
    pub(crate) place: Place,
}

impl TaskLabel {
    pub(crate) fn name(&self) -> String {
        self.name.clone().unwrap_or_else(|| format!("Task-{}", self.number))
    }
}

/// Why a task was cancelled.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[non_exhaustive]
pub enum CancelReason {
    /// Somebody called `cancel`.
    Requested,
    /// Its `CancelOnDrop` handle was dropped.
    HandleDropped,
    /// Its event loop came to its end.
    LoopEnded,
    /// Its task group was cancelled, or another member of it failed.
    GroupCancelled,
    /// Its task group was dropped.
    GroupDropped,
}

impl fmt::Display for CancelReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Requested => "by request",
            Self::HandleDropped => "because its handle was dropped",
            Self::LoopEnded => "because its event loop ended",
            Self::GroupCancelled => "with its group",
            Self::GroupDropped => "because its group was dropped",
        })
    }
}

#[expect(clippy::struct_excessive_bools, reason = "they are independent, and small")]
pub(super) struct Record {
    pub(super) work: Work,
    pub(super) joiner: Waiter,
    pub(super) place: Place,
    pub(super) parent: u32,
    pub(super) phase: Phase,
    pub(super) cancel: Option<CancelReason>,
    pub(super) has_handle: bool,
    pub(super) is_named: bool,
    /// Somebody said that nobody will await it: errors are reported.
    pub(super) is_detached: bool,
    /// It has an entry among the state's cleanups.
    pub(super) has_cleanups: bool,
    /// It may leave no more cleanups: its time for them is over.
    pub(super) is_hurried: bool,
    /// It is no task of the user's, but runs the cleanups of its parent.
    pub(super) is_cleaner: bool,
}

/// What a task is made of. Two variants, so that it is no larger than a job.
pub(super) enum Work {
    /// The future while waiting, the output when done.
    Job(BoxedJob),
    /// Not here. The future of a child is in its group, as this member of it.
    Elsewhere(Member),
}

impl Work {
    /// Main; a task that is being polled; one whose output was taken.
    pub(super) const NOWHERE: Self = Self::Elsewhere(Member { list: NO_SLOT, index: 0 });

    pub(super) fn job(&self) -> Option<&BoxedJob> {
        match self {
            Self::Job(job) => Some(job),
            Self::Elsewhere(_) => None,
        }
    }

    pub(super) fn take_job(&mut self) -> Option<BoxedJob> {
        match mem::replace(self, Self::NOWHERE) {
            Self::Job(job) => Some(job),
            elsewhere @ Self::Elsewhere(_) => {
                *self = elsewhere;
                None
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Main lives on the stack of `run`; its slot gives it a name and a place in the run queue.
    Main,
    Waiting,
    Running,
    /// The future is gone, and cleanups that it left run.
    Cleaning,
    Done,
    Cancelled,
    Panicked,
    /// A child whose error went to its group.
    Failed,
}

impl Phase {
    pub(super) fn has_ended(self) -> bool {
        matches!(self, Self::Done | Self::Cancelled | Self::Panicked | Self::Failed)
    }
}

/// How a task ended.
pub(crate) enum Ending {
    Done(BoxedJob),
    /// A child's, whose output nobody can ask for.
    DoneUnseen,
    Cancelled,
    Panicked(Payload),
    /// A child's, whose group has the error.
    Failed,
}

impl Record {
    pub(super) fn new(work: Work, place: Place, parent: u32) -> Self {
        Self {
            work,
            joiner: Waiter::NOBODY,
            place,
            parent,
            phase: Phase::Waiting,
            cancel: None,
            has_handle: true,
            is_named: false,
            is_detached: false,
            has_cleanups: false,
            is_hurried: false,
            is_cleaner: false,
        }
    }

    #[inline]
    pub(super) fn child(&self) -> Option<Member> {
        match self.work {
            Work::Elsewhere(member) if member.list != NO_SLOT => Some(member),
            Work::Elsewhere(_) | Work::Job(_) => None,
        }
    }
}
