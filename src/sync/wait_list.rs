//! A first come, first served list of waiters, as pure data.
//!
//! The list is a slab of entries linked in both directions, so that a waiter in the middle leaves
//! in constant time. A grant belongs to its waiter from the moment it is made, so an entry passes
//! through three states:
//!
//! ```text
//!   push_back() ──▶ waiting ──grant_front()──▶ granted, to be woken ──next_waker()──▶ granted
//!                      │                               │                               │
//!                      └──────────── remove() ─────────┴───────────────────────────────┘
//! ```
//!
//! `release_front()` takes both steps at once.
//!
//! The line itself has only waiting entries. Entries that are to be woken form a second chain. This
//! allows many grants at once, followed by the wakes, one by one, when nothing is borrowed any
//! more, whatever the first woken tasks do meanwhile.
//!
//! Wakers can run foreign code, so the caller wakes or drops them after releasing the list.

use std::task::Waker;

use crate::runtime::{Slots, slot};

/// No entry: the end of a chain.
const NONE: u32 = u32::MAX;

/// Each entry has a `T`: what the waiter wants, or what it was granted. The list allocates with its
/// first entry.
pub(crate) struct WaitList<T> {
    entries: Slots<Entry<T>>,
    waiting: Chain,
    to_wake: Chain,
}

struct Entry<T> {
    value: T,
    /// `None` once the waker was handed out.
    waker: Option<Waker>,
    previous: u32,
    next: u32,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    ToWake,
    Granted,
}

struct Chain {
    front: u32,
    back: u32,
    len: usize,
}

/// Identifies an entry of a list until it is removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct WaitKey(u32);

impl<T> WaitList<T> {
    pub(crate) const fn new() -> Self {
        Self { entries: Slots::new(), waiting: Chain::EMPTY, to_wake: Chain::EMPTY }
    }

    /// The number of waiters, without the ones that were granted something.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len
    }

    pub(crate) fn push_back(&mut self, value: T, waker: Waker) -> WaitKey {
        let waker = Some(waker);
        let entry = Entry { value, waker, previous: NONE, next: NONE, state: State::Waiting };
        let slot = slot(self.entries.insert(entry));
        self.waiting.push_back(slot, &mut self.entries);
        WaitKey(slot)
    }

    /// The entry that has waited longest.
    pub(crate) fn front(&mut self) -> Option<&mut T> {
        // No slot has the index `NONE`.
        self.entries.get_mut(self.waiting.front as usize).map(|entry| &mut entry.value)
    }

    /// Ends the wait of the first entry, which keeps its slot and is to be woken. Returns `false`
    /// if no entry is waiting.
    pub(crate) fn grant_front(&mut self) -> bool {
        let slot = self.waiting.front;
        if slot == NONE {
            return false;
        }
        self.waiting.unlink(slot, &mut self.entries);
        self.to_wake.push_back(slot, &mut self.entries);
        self.entry(slot).state = State::ToWake;
        true
    }

    /// Ends the wait of the first entry. The caller must wake it at once.
    pub(crate) fn release_front(&mut self) -> Option<Waker> {
        let entry = self.entries.get_mut(self.waiting.front as usize)?;
        entry.state = State::Granted;
        let (waker, next) = (entry.waker.take(), entry.next);
        self.waiting.leave_front(next, &mut self.entries);
        waker
    }

    /// Whether [`next_waker`](Self::next_waker) has a waker.
    pub(crate) fn has_to_wake(&self) -> bool {
        self.to_wake.len > 0
    }

    /// The waker of the next entry to be woken.
    pub(crate) fn next_waker(&mut self) -> Option<Waker> {
        let slot = self.to_wake.front;
        if slot == NONE {
            return None;
        }
        self.to_wake.unlink(slot, &mut self.entries);
        let entry = self.entry(slot);
        entry.state = State::Granted;
        entry.waker.take()
    }

    pub(crate) fn is_waiting(&self, key: WaitKey) -> bool {
        self.entries[key.0 as usize].state == State::Waiting
    }

    /// Whether the entry's waker and `waker` wake the same task.
    pub(crate) fn will_wake(&self, key: WaitKey, waker: &Waker) -> bool {
        let known = self.entries[key.0 as usize].waker.as_ref();
        known.is_some_and(|known| known.will_wake(waker))
    }

    /// Replaces the entry's waker. Returns the former one for the caller to drop.
    #[must_use = "to drop it is user code"]
    pub(crate) fn set_waker(&mut self, key: WaitKey, waker: Waker) -> Option<Waker> {
        self.entry(key.0).waker.replace(waker)
    }

    /// Removes an entry in any state and frees its slot.
    #[must_use = "to drop what it held is user code"]
    pub(crate) fn remove(&mut self, key: WaitKey) -> (T, Option<Waker>) {
        match self.entry(key.0).state {
            State::Waiting => self.waiting.unlink(key.0, &mut self.entries),
            State::ToWake => self.to_wake.unlink(key.0, &mut self.entries),
            State::Granted => {}
        }
        let entry = self.entries.remove(key.0 as usize);
        (entry.value, entry.waker)
    }

    fn entry(&mut self, slot: u32) -> &mut Entry<T> {
        &mut self.entries[slot as usize]
    }
}

impl Chain {
    const EMPTY: Self = Self { front: NONE, back: NONE, len: 0 };

    fn push_back<T>(&mut self, slot: u32, entries: &mut Slots<Entry<T>>) {
        let entry = &mut entries[slot as usize];
        entry.previous = self.back;
        entry.next = NONE;
        match self.back {
            NONE => self.front = slot,
            back => entries[back as usize].next = slot,
        }
        self.back = slot;
        self.len += 1;
    }

    /// Like `unlink` for the first entry, whose successor is known.
    fn leave_front<T>(&mut self, next: u32, entries: &mut Slots<Entry<T>>) {
        self.front = next;
        match next {
            NONE => self.back = NONE,
            next => entries[next as usize].previous = NONE,
        }
        self.len -= 1;
    }

    fn unlink<T>(&mut self, slot: u32, entries: &mut Slots<Entry<T>>) {
        let Entry { previous, next, .. } = entries[slot as usize];
        match previous {
            NONE => self.front = next,
            previous => entries[previous as usize].next = next,
        }
        match next {
            NONE => self.back = previous,
            next => entries[next as usize].previous = previous,
        }
        self.len -= 1;
    }
}

#[cfg(test)]
mod tests {
    use std::iter;
    use std::sync::Arc;
    use std::task::Wake;

    use super::*;

    /// Wakes no task, but stays equal to itself, which wakers of `Waker::noop` need not.
    struct Nobody;

    impl Wake for Nobody {
        fn wake(self: Arc<Self>) {}
    }

    fn waker() -> Waker {
        Waker::from(Arc::new(Nobody))
    }

    /// The same behaviour with plain lists.
    #[derive(Default)]
    struct Model {
        waiting: Vec<(WaitKey, u32)>,
        to_wake: Vec<(WaitKey, u32)>,
        granted: Vec<(WaitKey, u32)>,
    }

    fn remove_any(list: &mut Vec<(WaitKey, u32)>, random: u64) -> Option<(WaitKey, u32)> {
        let len = list.len() as u64;
        (len > 0).then(|| list.remove(usize::try_from(random % len).unwrap()))
    }

    /// The values of the waiting entries, in order.
    fn waiting<T>(list: &WaitList<T>) -> impl Iterator<Item = &T> {
        let first = list.entries.get(list.waiting.front as usize);
        iter::successors(first, |entry| list.entries.get(entry.next as usize))
            .map(|entry| &entry.value)
    }

    #[test]
    fn it_does_what_plain_lists_do() {
        let (mut list, mut model) = (WaitList::new(), Model::default());
        let waker = waker();
        let mut random: u64 = 0x5EED;
        for step in 0..20_000_u32 {
            // xorshift
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let pushes = if step & 0x200 == 0 { 6 } else { 3 };
            match random >> 20 & 0xF {
                n if n < pushes => {
                    model.waiting.push((list.push_back(step, waker.clone()), step));
                }
                6 => {
                    assert_eq!(list.release_front().is_some(), !model.waiting.is_empty());
                    if !model.waiting.is_empty() {
                        model.granted.push(model.waiting.remove(0));
                    }
                }
                7..9 => {
                    assert_eq!(list.grant_front(), !model.waiting.is_empty());
                    if !model.waiting.is_empty() {
                        model.to_wake.push(model.waiting.remove(0));
                    }
                }
                9..11 => {
                    assert_eq!(list.next_waker().is_some(), !model.to_wake.is_empty());
                    if !model.to_wake.is_empty() {
                        model.granted.push(model.to_wake.remove(0));
                    }
                }
                n @ 11.. => {
                    let lists = [&mut model.waiting, &mut model.to_wake, &mut model.granted];
                    let (removed, is_waiting, is_granted) = match n {
                        11..13 => (remove_any(lists[0], random >> 32), true, false),
                        13 => (remove_any(lists[1], random >> 32), false, false),
                        _ => (remove_any(lists[2], random >> 32), false, true),
                    };
                    if let Some((key, value)) = removed {
                        assert_eq!(list.is_waiting(key), is_waiting);
                        assert_eq!(list.will_wake(key, &waker), !is_granted);
                        let (removed, its_waker) = list.remove(key);
                        assert_eq!((removed, its_waker.is_some()), (value, !is_granted));
                    }
                }
                _ => {}
            }
            assert_eq!(list.len(), model.waiting.len());
            assert_eq!(list.has_to_wake(), !model.to_wake.is_empty());
            assert!(waiting(&list).eq(model.waiting.iter().map(|(_, value)| value)));
            let front = list.front().map(|value| *value);
            assert_eq!(front, model.waiting.first().map(|&(_, value)| value));
        }
    }

    #[test]
    fn the_latest_waker_counts_and_the_former_is_handed_out() {
        let mut list = WaitList::new();
        let key = list.push_back((), waker());
        let latest = waker();
        assert!(list.set_waker(key, latest.clone()).is_some());
        assert!(list.grant_front());
        assert!(list.next_waker().unwrap().will_wake(&latest));
        assert!(list.set_waker(key, latest).is_none());
    }

    #[test]
    fn an_empty_list_allocates_nothing() {
        assert_eq!(WaitList::<u64>::new().entries.capacity(), 0);
    }
}
