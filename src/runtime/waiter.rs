//! Waiters: who is to be woken, in eight bytes.
//!
//! A timer, a socket's direction, a task's handle: each remembers whom to wake. If that is a task of ours, its
//! waker's key is stored; the waker of another executor or combinator (`FuturesUnordered`, a host's) is kept in a slab
//! beside, and its index stored. Clone, wake and drop of such a waker are user code: they happen outside.

use std::task::Waker;

use slab::Slab;

use super::key::{Serial, WakerKey};
use super::registry::FOREIGN_INDEX;

/// Nobody, a key, or the index of a stored waker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "whoever holds the waiter must wake or release it"]
pub(crate) struct Waiter(WakerKey);

/// What is to be woken, once a [`Waiter`] is resolved.
pub(crate) enum Resolved {
    Nobody,
    Key(WakerKey),
    Foreign(Waker),
}

impl Waiter {
    /// The key 0 is nobody's: no loop has the index 0.
    pub(crate) const NOBODY: Self = Self(WakerKey::from_word(0));

    pub(crate) fn of_key(key: WakerKey) -> Self {
        Self(key)
    }

    pub(crate) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::NOBODY)
    }

    pub(super) fn is_foreign(self) -> bool {
        self.0.index() == FOREIGN_INDEX
    }

    fn foreign(index: usize) -> Self {
        // A slab of 2^32 wakers would need 96 GiB.
        Self(WakerKey::new(FOREIGN_INDEX, Serial::FIRST, index as u32))
    }

    fn foreign_index(self) -> Option<usize> {
        self.is_foreign().then_some(self.0.slot() as usize)
    }
}

/// The wakers of other executors that wait for something of this loop.
#[derive(Default)]
pub(crate) struct ForeignWakers {
    wakers: Slab<Waker>,
}

impl ForeignWakers {
    /// Whether waking `waiter` wakes what `waker` wakes.
    pub(super) fn is(&self, waiter: Waiter, waker: &Waker) -> bool {
        waiter.foreign_index().is_some_and(|index| self.wakers[index].will_wake(waker))
    }

    pub(super) fn store(&mut self, waker: Waker) -> Waiter {
        Waiter::foreign(self.wakers.insert(waker))
    }

    /// Takes what `waiter` stands for out of the store.
    pub(super) fn resolve(&mut self, waiter: Waiter) -> Resolved {
        match waiter.foreign_index() {
            Some(index) => Resolved::Foreign(self.wakers.remove(index)),
            None if waiter == Waiter::NOBODY => Resolved::Nobody,
            None => Resolved::Key(waiter.0),
        }
    }
}
