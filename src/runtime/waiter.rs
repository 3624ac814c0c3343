//! Waiters: who is to be woken, in eight bytes.
//!
//! A timer, a socket's direction, a task's handle: each remembers whom to wake. If that is a task of ours, its
//! waker's key is stored; the waker of another executor or combinator (`FuturesUnordered`, a host's) is kept in a slab
//! beside, and its index stored. Clone, wake and drop of such a waker are user code: they happen outside.

use std::mem;
use std::task::Waker;

use slab::Slab;

use super::key::{self, Serial, WakerKey};
use super::registry::FOREIGN_INDEX;

/// Nobody, a key, or the index of a stored waker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "whoever holds the waiter must wake or release it"]
pub(crate) struct Waiter(WakerKey);

impl Waiter {
    /// The key 0 is nobody's: no loop has the index 0.
    pub(crate) const NOBODY: Self = Self(WakerKey::from_word(0));

    pub(crate) fn of_key(key: WakerKey) -> Self {
        Self(key)
    }

    pub(crate) fn take(&mut self) -> Self {
        mem::replace(self, Self::NOBODY)
    }

    pub(super) fn is_foreign(self) -> bool {
        self.0.index() == FOREIGN_INDEX
    }

    /// The key, if it is one of a task of ours.
    pub(super) fn key(self) -> Option<WakerKey> {
        (self != Self::NOBODY && !self.is_foreign()).then_some(self.0)
    }

    fn foreign(index: usize) -> Self {
        Self(WakerKey::new(FOREIGN_INDEX, Serial::FIRST, key::slot(index)))
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
        let known = waiter.foreign_index().and_then(|index| self.wakers.get(index));
        known.is_some_and(|known| known.will_wake(waker))
    }

    pub(super) fn store(&mut self, waker: Waker) -> Waiter {
        Waiter::foreign(self.wakers.insert(waker))
    }

    /// At the end of the loop: empties the store. Waiters that are left stand for nobody then.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Waker> + '_ {
        self.wakers.drain()
    }

    /// Takes the waker that `waiter` stands for, if it is a foreign one, out of the store.
    pub(super) fn take(&mut self, waiter: Waiter) -> Option<Waker> {
        waiter.foreign_index().and_then(|index| self.wakers.try_remove(index))
    }
}
