//! Waiters: whom to wake, in eight bytes.
//!
//! A timer, a direction of a socket and the handle of a task each store a waiter. For one of our
//! tasks, the waiter is the key of its waker. The waker of another executor or combinator
//! (`FuturesUnordered`, a host) is in a slab, and the waiter is its index. Cloning, waking and
//! dropping such a waker runs user code, so that happens outside of the loop's state.

use std::mem;
use std::task::Waker;

use super::key::{self, FOREIGN_INDEX, NO_INDEX, Serial, WakerKey};
use super::room::Slots;

/// The bits of the list and of the index of an entry.
const ENTRY_BITS: u32 = 26;

/// No waiter, a key, the index of a stored waker, or an entry of a ready list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "wake or release the waiter"]
pub(crate) struct Waiter(WakerKey);

impl Waiter {
    /// The key 0, which belongs to no task: no loop has the index 0.
    pub(crate) const NOBODY: Self = Self(WakerKey::from_word(0));

    pub(crate) fn of_key(key: WakerKey) -> Self {
        Self(key)
    }

    /// An entry of the ready list `list`, for `index`. There are at most 2^26 of each. Its registry
    /// index belongs to no loop either.
    pub(crate) fn of_entry(list: u32, index: u32) -> Self {
        let list = u64::from(list) + 1;
        assert!(
            list >> ENTRY_BITS == 0 && index >> ENTRY_BITS == 0,
            "more than 2^26 tasks are waited for together, or as many sets of them: this is too much"
        );
        Self(WakerKey::from_word(list << ENTRY_BITS | u64::from(index)))
    }

    /// The list and the index, if it is an entry of a ready list.
    pub(crate) fn entry(self) -> Option<(u32, u32)> {
        let word = self.0.word();
        let list = word >> ENTRY_BITS;
        let is_entry = self.0.index() == NO_INDEX && list != 0;
        #[expect(clippy::cast_possible_truncation, reason = "each half has 26 bits")]
        let entry = || ((list - 1) as u32, (word & ((1 << ENTRY_BITS) - 1)) as u32);
        is_entry.then(entry)
    }

    pub(crate) fn take(&mut self) -> Self {
        mem::replace(self, Self::NOBODY)
    }

    pub(crate) fn is_foreign(self) -> bool {
        self.0.index() == FOREIGN_INDEX
    }

    /// The key, if this waits for one of our tasks.
    pub(crate) fn key(self) -> Option<WakerKey> {
        (self.0.index() != NO_INDEX && !self.is_foreign()).then_some(self.0)
    }

    fn foreign(index: usize) -> Self {
        Self(WakerKey::new(FOREIGN_INDEX, Serial::FIRST, key::slot(index)))
    }

    fn foreign_index(self) -> Option<usize> {
        self.is_foreign().then_some(self.0.slot() as usize)
    }
}

/// The wakers of other executors that wait for something in this loop.
#[derive(Default)]
pub(crate) struct ForeignWakers {
    wakers: Slots<Waker>,
}

impl ForeignWakers {
    /// Whether `waiter` and `waker` wake the same task.
    pub(crate) fn is(&self, waiter: Waiter, waker: &Waker) -> bool {
        let known = waiter.foreign_index().and_then(|index| self.wakers.get(index));
        known.is_some_and(|known| known.will_wake(waker))
    }

    pub(crate) fn has_some(&self) -> bool {
        !self.wakers.is_empty()
    }

    pub(crate) fn store(&mut self, waker: Waker) -> Waiter {
        Waiter::foreign(self.wakers.insert(waker))
    }

    /// Empties the store at the end of the loop. Remaining waiters then wake nothing.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Waker> + use<> {
        self.wakers.take().into_iter().map(|(_, waker)| waker)
    }

    /// If `waiter` is a foreign one, takes its waker out of the store.
    pub(crate) fn take(&mut self, waiter: Waiter) -> Option<Waker> {
        waiter.foreign_index().and_then(|index| self.wakers.try_remove(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_gives_back_its_two_parts_and_is_nothing_else() {
        let most = (1 << ENTRY_BITS) - 1;
        for (list, index) in [(0, 0), (0, most), (most - 1, 0), (7, 12), (most - 1, most)] {
            let entry = Waiter::of_entry(list, index);
            assert_eq!(entry.entry(), Some((list, index)));
            assert!(entry.key().is_none() && !entry.is_foreign() && entry != Waiter::NOBODY);
        }
        let others = [Waiter::NOBODY, Waiter::foreign(0), Waiter::foreign(1 << 30)];
        assert!(others.into_iter().all(|waiter| waiter.entry().is_none()));
        let key = WakerKey::new(1, Serial::FIRST, 0);
        assert_eq!(Waiter::of_key(key).entry(), None);
    }
}
