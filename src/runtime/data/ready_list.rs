//! The members of a `gather`: futures that are polled inside one task, each with a waker of its own.
//!
//! A member has a slot among the tasks, so that its waker is a key like any other. A wake puts the member on the ready list of
//! its gathering and wakes whoever polled the gathering last. So a gathering polls only what was woken, and what it costs
//! grows with the wakes and not with the number of members.

use std::collections::VecDeque;

use super::key::NO_SLOT;
use super::room::trim_queue;
use super::waiter::Waiter;

/// A member's tenancy of a slot; also what makes a task a child of a group.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Member {
    /// The gathering's ready list.
    pub(crate) list: u32,
    /// Which member of the gathering.
    pub(crate) index: u32,
}

impl Member {
    pub(crate) const NONE: Self = Self { list: NO_SLOT, index: 0 };
}

/// Which members of one gathering were woken, in the order of the wakes.
pub(crate) struct ReadyList {
    /// Whoever polled the gathering last and waits for it now.
    pub(crate) owner: Waiter,
    pub(crate) ready: VecDeque<ReadyMember>,
}

/// A member that is to be polled; or, without a slot, a task that is watched and has ended.
#[derive(Clone, Copy)]
pub(crate) struct ReadyMember {
    pub(crate) slot: u32,
    pub(crate) index: u32,
}

impl ReadyList {
    pub(crate) fn new() -> Self {
        Self { owner: Waiter::NOBODY, ready: VecDeque::new() }
    }

    pub(crate) fn pop(&mut self) -> Option<ReadyMember> {
        let member = self.ready.pop_front();
        trim_queue(&mut self.ready);
        member
    }
}
