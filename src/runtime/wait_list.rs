//! Who waits for something, first come, first served: pure data.
//!
//! A list over a slab, linked in both directions, so that a waiter in the middle leaves in constant time. An entry that was
//! granted what it waits for is *unlinked*: it has no place in the order any more, but keeps its slot, and what it was granted,
//! until its future collects it. That is what handing over directly needs.
//!
//! What may run the code of others, a waker, is handed to the caller, who has let go of the list when he touches it.

use std::task::Waker;

use slab::Slab;

use super::key;

/// No entry: the end of the links.
const NONE: u32 = u32::MAX;

/// The entries keep a `T` each: what they want, or what they were granted. Allocates with its first entry.
pub(crate) struct WaitList<T> {
    entries: Slab<Entry<T>>,
    front: u32,
    back: u32,
    /// How many are linked.
    len: usize,
    /// How many were ever pushed.
    pushed: u64,
}

struct Entry<T> {
    value: T,
    /// `None` once it was handed out.
    waker: Option<Waker>,
    /// How many were pushed before this one.
    number: u64,
    previous: u32,
    next: u32,
    is_linked: bool,
}

/// An entry of a list, until it is removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct WaitKey(u32);

impl<T> WaitList<T> {
    pub(crate) const fn new() -> Self {
        Self { entries: Slab::new(), front: NONE, back: NONE, len: 0, pushed: 0 }
    }

    /// How many wait; those that were unlinked do not.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The number that the next entry gets; numbers grow.
    pub(crate) fn next_number(&self) -> u64 {
        self.pushed
    }

    pub(crate) fn push_back(&mut self, value: T, waker: Waker) -> WaitKey {
        let entry = Entry {
            value,
            waker: Some(waker),
            number: self.pushed,
            previous: self.back,
            next: NONE,
            is_linked: true,
        };
        let slot = key::slot(self.entries.insert(entry));
        match self.back {
            NONE => self.front = slot,
            back => self.entry(back).next = slot,
        }
        self.back = slot;
        self.len += 1;
        self.pushed += 1;
        WaitKey(slot)
    }

    /// The one that has waited longest, and its number.
    pub(crate) fn front(&mut self) -> Option<(u64, &mut T)> {
        let entry = self.entries.get_mut(self.front as usize)?;
        Some((entry.number, &mut entry.value))
    }

    /// Those that wait, in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        let mut next = self.front;
        std::iter::from_fn(move || {
            let entry = self.entries.get(next as usize)?;
            next = entry.next;
            Some(&entry.value)
        })
    }

    /// Ends the wait of the first: it keeps its slot, and the caller wakes it.
    pub(crate) fn unlink_front(&mut self) -> Option<Waker> {
        let front = self.front;
        if front == NONE {
            return None;
        }
        self.unlink(front);
        self.entry(front).waker.take()
    }

    pub(crate) fn is_linked(&self, key: WaitKey) -> bool {
        self.entries[key.0 as usize].is_linked
    }

    /// Whether what this entry would wake is what `waker` wakes.
    pub(crate) fn will_wake(&self, key: WaitKey, waker: &Waker) -> bool {
        let known = self.entries[key.0 as usize].waker.as_ref();
        known.is_some_and(|known| known.will_wake(waker))
    }

    /// The latest waker counts; the former one is for the caller to drop.
    #[must_use = "to drop it is user code"]
    pub(crate) fn set_waker(&mut self, key: WaitKey, waker: Waker) -> Option<Waker> {
        self.entry(key.0).waker.replace(waker)
    }

    /// Takes an entry out, linked or not, and frees its slot.
    #[must_use = "to drop what it held is user code"]
    pub(crate) fn remove(&mut self, key: WaitKey) -> (T, Option<Waker>) {
        if self.is_linked(key) {
            self.unlink(key.0);
        }
        let entry = self.entries.remove(key.0 as usize);
        (entry.value, entry.waker)
    }

    fn unlink(&mut self, slot: u32) {
        let entry = self.entry(slot);
        entry.is_linked = false;
        let (previous, next) = (entry.previous, entry.next);
        match previous {
            NONE => self.front = next,
            previous => self.entry(previous).next = next,
        }
        match next {
            NONE => self.back = previous,
            next => self.entry(next).previous = previous,
        }
        self.len -= 1;
    }

    fn entry(&mut self, slot: u32) -> &mut Entry<T> {
        &mut self.entries[slot as usize]
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Wake;

    use super::*;

    /// Wakes nobody, but is one waker: those of `Waker::noop` need not be equal to each other.
    struct Nobody;

    impl Wake for Nobody {
        fn wake(self: Arc<Self>) {}
    }

    fn waker() -> Waker {
        Waker::from(Arc::new(Nobody))
    }

    /// The same in plain lists: who waits, and who was unlinked.
    #[derive(Default)]
    struct Model {
        waiting: Vec<(WaitKey, u32)>,
        unlinked: Vec<(WaitKey, u32)>,
    }

    fn remove_any(list: &mut Vec<(WaitKey, u32)>, random: u64) -> Option<(WaitKey, u32)> {
        let len = list.len() as u64;
        (len > 0).then(|| list.remove((random % len) as usize))
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
                    let number = list.next_number();
                    let key = list.push_back(step, waker.clone());
                    assert_eq!(list.next_number(), number + 1);
                    model.waiting.push((key, step));
                }
                6..9 => {
                    assert_eq!(list.unlink_front().is_some(), !model.waiting.is_empty());
                    if !model.waiting.is_empty() {
                        model.unlinked.push(model.waiting.remove(0));
                    }
                }
                9..12 => {
                    if let Some((key, value)) = remove_any(&mut model.waiting, random >> 32) {
                        assert!(list.is_linked(key) && list.will_wake(key, &waker));
                        let (removed, its_waker) = list.remove(key);
                        assert!(removed == value && its_waker.is_some());
                    }
                }
                12.. => {
                    if let Some((key, value)) = remove_any(&mut model.unlinked, random >> 32) {
                        assert!(!list.is_linked(key) && !list.will_wake(key, &waker));
                        let (removed, its_waker) = list.remove(key);
                        assert!(removed == value && its_waker.is_none());
                    }
                }
                _ => {}
            }
            assert_eq!(list.len(), model.waiting.len());
            assert!(list.iter().eq(model.waiting.iter().map(|(_, value)| value)));
            let front = list.front().map(|(_, value)| *value);
            assert_eq!(front, model.waiting.first().map(|&(_, value)| value));
        }
    }

    #[test]
    fn numbers_tell_who_came_before() {
        let mut list = WaitList::new();
        let first = list.push_back('a', waker());
        assert!(list.remove(first).1.is_some());
        let border = list.next_number();
        list.push_back('b', waker());
        assert!(list.front().unwrap().0 >= border);
    }

    #[test]
    fn the_latest_waker_counts_and_the_former_is_handed_out() {
        let mut list = WaitList::new();
        let key = list.push_back((), waker());
        assert!(list.set_waker(key, waker()).is_some());
        assert!(list.unlink_front().is_some());
        assert!(list.set_waker(key, waker()).is_none());
    }

    #[test]
    fn an_empty_list_allocates_nothing() {
        assert_eq!(WaitList::<u64>::new().entries.capacity(), 0);
    }
}
