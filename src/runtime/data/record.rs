//! What is known of one task: its record.
//!
//! The life cycle that its parts go through stands in `tasks.rs`.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::panic::Location;

use super::job::BoxedJob;
use super::key::NO_SLOT;
use super::ready_list::Member;
use super::waiter::Waiter;

/// What a panic carries.
pub(crate) type Payload = Box<dyn Any + Send>;

/// A copy of the message of a panic that goes on elsewhere, for the handle of the task: nobody loses anything if that goes.
pub(crate) struct PanicCopy(pub(crate) String);

/// The place in the program where something was called.
pub(crate) type Place = &'static Location<'static>;

/// An error on its way into a report.
pub(crate) type BoxedError = Box<dyn Error>;

/// Says what error, if any, a task's output is.
pub(crate) type ErrorReporter = fn(BoxedJob) -> Option<BoxedError>;

/// The task that has one serves a connection. The address is known for TCP only.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) addr: Option<SocketAddr>,
}

/// What a task was named, and for whom it works.
#[derive(Clone)]
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) peer: Option<Peer>,
}

impl Name {
    pub(crate) fn parts(name: Option<Self>) -> (Option<String>, Option<Peer>) {
        name.map_or((None, None), |Self { text, peer }| (Some(text), peer))
    }
}

/// Names a task in messages, also after it is gone; costs nothing until it is shown.
#[derive(Debug, Clone)]
pub(crate) struct TaskLabel {
    pub(crate) name: Option<String>,
    pub(crate) number: u64,
    pub(crate) place: Place,
    pub(crate) peer: Option<Peer>,
    /// It is a plain call.
    pub(crate) is_call: bool,
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

pub(crate) struct Record {
    /// The future while waiting, the output when done. A child's future is in its group.
    pub(crate) job: Option<BoxedJob>,
    /// Which member of which group it is; its list is [`NO_SLOT`] if it is no child, or has ended.
    pub(crate) member: Member,
    pub(crate) joiner: Waiter,
    pub(crate) place: Place,
    pub(crate) parent: u32,
    pub(crate) phase: Phase,
    pub(crate) cancel: Option<CancelReason>,
    pub(crate) flags: Flags,
}

/// What is so of a task, or is not: in one byte, since a slot has no more to spare.
#[derive(Clone, Copy)]
pub(crate) struct Flags(u8);

impl Flags {
    pub(crate) const HAS_HANDLE: Self = Self(1);
    pub(crate) const IS_NAMED: Self = Self(1 << 1);
    /// Somebody said that nobody will await it: errors are reported.
    pub(crate) const IS_DETACHED: Self = Self(1 << 2);
    /// It has an entry among the state's cleanups.
    pub(crate) const HAS_CLEANUPS: Self = Self(1 << 3);
    /// It may leave no more cleanups: its time for them is over.
    pub(crate) const IS_HURRIED: Self = Self(1 << 4);
    /// It is no task of the user's, but runs the cleanups of its parent or, without one, an errand.
    pub(crate) const IS_CLEANER: Self = Self(1 << 5);

    /// It is a function that was to be called, which reports tell from a task.
    pub(crate) const IS_CALL: Self = Self(1 << 6);

    pub(crate) fn has(self, flag: Self) -> bool {
        self.0 & flag.0 != 0
    }

    pub(crate) fn set(&mut self, flag: Self) {
        self.0 |= flag.0;
    }

    pub(crate) fn clear(&mut self, flag: Self) {
        self.0 &= !flag.0;
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
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
    pub(crate) fn has_ended(self) -> bool {
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
    pub(crate) fn new(job: Option<BoxedJob>, place: Place, parent: u32) -> Self {
        Self {
            job,
            member: Member::NONE,
            joiner: Waiter::NOBODY,
            place,
            parent,
            phase: Phase::Waiting,
            cancel: None,
            flags: Flags::HAS_HANDLE,
        }
    }

    #[inline]
    pub(crate) fn child(&self) -> Option<Member> {
        (self.member.list != NO_SLOT).then_some(self.member)
    }

    pub(crate) fn has(&self, flag: Flags) -> bool {
        self.flags.has(flag)
    }
}
