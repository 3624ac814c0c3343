//! The record of a task: the facts about it.
//!
//! `tasks.rs` shows the life cycle that a record goes through.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::panic::Location;

use super::job::BoxedJob;
use super::key::NO_SLOT;
use super::ready_list::Member;
use super::waiter::Waiter;

/// The payload of a panic.
pub(crate) type Payload = Box<dyn Any + Send>;

/// The message of a panic that goes on elsewhere, for the handle of the task. It is a copy, so
/// dropping it loses nothing.
pub(crate) struct PanicCopy(pub(crate) String);

/// The place in the program where something was called.
pub(crate) type Place = &'static Location<'static>;

/// An error on its way into a report.
pub(crate) type BoxedError = Box<dyn Error>;

/// Extracts the error, if there is one, from a task's output.
pub(crate) type ErrorReporter = fn(BoxedJob) -> Option<BoxedError>;

/// The connection that a task serves. The address is known for TCP only.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) addr: Option<SocketAddr>,
}

/// The name of a task, and the connection that it serves.
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

/// Names a task in messages, even after it is gone. Formats nothing until it is shown.
#[derive(Debug, Clone)]
pub(crate) struct TaskLabel {
    pub(crate) name: Option<String>,
    pub(crate) number: u64,
    pub(crate) place: Place,
    pub(crate) peer: Option<Peer>,
    /// The task is a plain call.
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
    /// `cancel` was called.
    Requested,
    /// Its `CancelOnDrop` handle was dropped.
    HandleDropped,
    /// Its event loop ended.
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
    /// The future while waiting, and the output when done. A child's future is in its group.
    pub(crate) job: Option<BoxedJob>,
    /// The group and the index of a child. The list is [`NO_SLOT`] if the task is not a child, or
    /// has ended.
    pub(crate) member: Member,
    pub(crate) joiner: Waiter,
    pub(crate) place: Place,
    pub(crate) parent: u32,
    pub(crate) phase: Phase,
    pub(crate) cancel: Option<CancelReason>,
    pub(crate) flags: Flags,
}

/// Yes-or-no facts about a task, in one byte, because a slot has no more to spare.
#[derive(Clone, Copy)]
pub(crate) struct Flags(u8);

impl Flags {
    pub(crate) const HAS_HANDLE: Self = Self(1);
    pub(crate) const IS_NAMED: Self = Self(1 << 1);
    /// The task was detached: no code will await it, so its error is reported.
    pub(crate) const IS_DETACHED: Self = Self(1 << 2);
    /// The task has an entry among the state's cleanups.
    pub(crate) const HAS_CLEANUPS: Self = Self(1 << 3);
    /// The task's time for cleanups is over, so it may leave no more.
    pub(crate) const IS_HURRIED: Self = Self(1 << 4);
    /// The task is not the user's. It runs the cleanups of its parent or, without a parent, an
    /// errand.
    pub(crate) const IS_CLEANER: Self = Self(1 << 5);

    /// The task is a plain function call, which reports tell from a task.
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
    /// Main lives on the stack of `run`. Its slot gives it a name and a place in the run queue.
    Main,
    Waiting,
    Running,
    /// The future is gone, and the cleanups that it left are running.
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
    /// A child that is done, whose output is gone because it has no handle.
    DoneUnseen,
    Cancelled,
    Panicked(Payload),
    /// A child that failed. Its group has the error.
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
