//! The members of a `gather`: futures that are polled inside one task, each with a waker of its
//! own.
//!
//! A member has a slot among the tasks, so its waker is a key like any other. A wake puts the
//! member on the ready list of its gathering, and wakes the task that polled the gathering last. So
//! a gathering polls only woken members, and its cost grows with the wakes, not with the number of
//! members.

use std::collections::VecDeque;

use super::key::NO_SLOT;
use super::room::trim_queue;
use super::waiter::Waiter;

/// A member's tenancy of a slot. A task with one is a child of a group.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Member {
    /// The gathering's ready list.
    pub(crate) list: u32,
    /// The number of the member within the gathering.
    pub(crate) index: u32,
}

impl Member {
    pub(crate) const NONE: Self = Self { list: NO_SLOT, index: 0 };
}

/// The woken members of one gathering, in the order of the wakes.
pub(crate) struct ReadyList {
    /// The task that polled the gathering last, and waits for it now.
    pub(crate) owner: Waiter,
    pub(crate) ready: VecDeque<ReadyMember>,
}

/// A member to poll. Without a slot, it is a watched task that has ended.
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
