//! The cleanups that a task has left, as data: which there are, how far they have come, who waits for them.
//!
//! A cleanup is what must be awaited after something was dropped. It belongs to the task that was current at the drop, its
//! owner. The owner's cleanups run one after another, in a task of their own, the cleaner (`cleaning.rs`); the owner
//! ends when they have. Nothing here runs user code.

use std::any::Any;
use std::collections::VecDeque;
use std::pin::Pin;

use slab::Slab;

use super::clock::Nanos;
use super::record::{Ending, Place};
use super::side_table::SideTable;
use super::waiter::Waiter;

/// Runs a cleanup; gives the message of its error, if it fails.
pub(crate) type BoxedCleanup = Pin<Box<dyn Future<Output = Option<String>>>>;

/// All that the loop knows of cleanups.
pub(crate) struct Cleaning {
    /// By the slot of their owner.
    pub(crate) of_tasks: SideTable<Cleanups>,
    /// How many there have been: the last ticket.
    pub(crate) accepted: u64,
    /// How many have waited for some, and how many have stopped before they had to.
    pub(crate) waits: u64,
    pub(crate) abandoned: u64,
    /// The time that one may take.
    pub(crate) timeout: Nanos,
    /// Somebody wants nothing to be awaited any more: why, as a clause.
    pub(crate) why_hurried: Option<&'static str>,
    /// The loop is ending, and so has the time for cleanups.
    pub(crate) is_over: bool,
    /// What makes a cleanup of its guard's value. The place is the guard's as long as that is there; at the end of the loop
    /// it is emptied.
    pub(crate) makers: Slab<Option<Box<dyn Any>>>,
}

/// A cleanup that has been accepted.
pub(crate) struct Cleanup {
    pub(crate) future: BoxedCleanup,
    pub(crate) origin: Origin,
    /// Counts those of the whole loop.
    pub(crate) ticket: u64,
}

/// Who has left a cleanup, and so what is reported if it cannot run to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The guard made there.
    Guard(Place),
    /// The call on another thread made there, for which this waits.
    Call(Place),
    /// It waits for cleanups of somebody else, which are limited and reported themselves.
    Elsewhere,
}

impl Origin {
    pub(crate) fn place(self) -> Option<Place> {
        match self {
            Self::Guard(place) | Self::Call(place) => Some(place),
            Self::Elsewhere => None,
        }
    }
}

/// The cleanups of one task, from the first that it leaves until all have been done.
pub(crate) struct Cleanups {
    /// The slot of the task that runs them.
    pub(crate) cleaner: u32,
    pub(crate) queue: VecDeque<Cleanup>,
    /// The ticket of the last in the queue, also when it has left it.
    pub(crate) last: u64,
    /// The ticket of the last that was done, or that any task had left before these.
    pub(crate) done: u64,
    waiting: Vec<Waiting>,
    /// How the owner ended, if it has nothing to do any more but wait for these.
    pub(crate) ending: Option<Ending>,
}

/// Somebody waits until the cleanups up to a ticket have been done.
struct Waiting {
    ticket: u64,
    /// Tells one that waits from another.
    id: u64,
    waiter: Waiter,
}

impl Cleaning {
    pub(crate) fn new(timeout: Nanos) -> Self {
        Self {
            of_tasks: SideTable::new(),
            accepted: 0,
            waits: 0,
            abandoned: 0,
            timeout,
            why_hurried: None,
            is_over: false,
            makers: Slab::new(),
        }
    }

    /// At the end of the loop.
    pub(crate) fn take_makers(&mut self) -> impl Iterator<Item = Box<dyn Any>> + '_ {
        self.makers.iter_mut().filter_map(|(_, maker)| maker.take())
    }

    /// Grows with every drop that leaves something to be waited for.
    pub(crate) fn left(&self) -> u64 {
        self.accepted + self.abandoned
    }
}

impl Cleanups {
    pub(crate) fn new(cleaner: u32, done: u64) -> Self {
        let (queue, waiting) = (VecDeque::new(), Vec::new());
        Self { cleaner, queue, last: done, done, waiting, ending: None }
    }

    pub(crate) fn push(&mut self, cleanup: Cleanup) {
        self.last = cleanup.ticket;
        self.queue.push_back(cleanup);
    }

    /// The place of whoever waits as `id`, made at the first call.
    pub(crate) fn waiter(&mut self, id: u64, ticket: u64) -> &mut Waiter {
        let index = self.waiting.iter().position(|waiting| waiting.id == id);
        let index = index.unwrap_or_else(|| {
            self.waiting.push(Waiting { ticket, id, waiter: Waiter::NOBODY });
            self.waiting.len() - 1
        });
        &mut self.waiting[index].waiter
    }

    /// Somebody has stopped waiting.
    pub(crate) fn forget(&mut self, id: u64) -> Waiter {
        let index = self.waiting.iter().position(|waiting| waiting.id == id);
        index.map_or(Waiter::NOBODY, |index| self.waiting.swap_remove(index).waiter)
    }

    /// The cleanup with this ticket has been done. Returns those who waited for no more, to be woken.
    pub(crate) fn finish(&mut self, ticket: u64) -> Vec<Waiter> {
        self.done = ticket;
        let mut waiters = Vec::new();
        self.waiting.retain_mut(|waiting| {
            let waits = waiting.ticket > ticket;
            if !waits {
                waiters.push(waiting.waiter.take());
            }
            waits
        });
        waiters
    }
}
