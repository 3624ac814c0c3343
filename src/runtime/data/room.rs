//! Releasing memory: a collection that grew in a burst shrinks once it is mostly empty.
//!
//! A collection whose length is at most an eighth of its capacity shrinks to a quarter of it. So it
//! has to grow or shrink several times over before the next move, and moving costs each entry a
//! constant share. Slabs need a mechanism of their own, [`Slots`].

use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::hash::Hash;
use std::mem;
use std::ops::{Deref, Index, IndexMut};

use slab::Slab;

/// Smaller collections keep their memory.
const KEPT_BYTES: usize = 16 * 1024;

/// The number of entries of type `T` for which a collection always keeps memory.
pub(super) const fn kept<T>() -> usize {
    let size = if size_of::<T>() == 0 { 1 } else { size_of::<T>() };
    let count = KEPT_BYTES / size;
    if count == 0 { 1 } else { count }
}

#[inline]
fn is_mostly_empty(len: usize, capacity: usize, kept: usize) -> bool {
    capacity > kept && len <= capacity / 8
}

/// A slab that releases memory.
///
/// Keys outside name the slots, so entries cannot move, and only the part above the last entry can
/// be released. The slab counts the entries in the upper half of its capacity. Once there are none,
/// and few in the lower half, it shrinks to its last entry. Later entries then take the lowest
/// slots, so the slab stays short.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    slab: Slab<T>,
    /// The index at which the upper half begins: the size that is always kept, or a power of two
    /// times that.
    middle: usize,
    upper: usize,
    /// The slab shrinks below this number of entries. 0 while the upper half has entries.
    shrink_below: usize,
}

impl<T> Slots<T> {
    pub(crate) const fn new() -> Self {
        Self { slab: Slab::new(), middle: kept::<T>(), upper: 0, shrink_below: 0 }
    }

    #[inline]
    pub(crate) fn insert(&mut self, value: T) -> usize {
        let index = self.slab.insert(value);
        if index >= self.middle {
            self.count_upper(index);
        }
        index
    }

    /// # Panics
    ///
    /// If the slot is vacant.
    #[inline]
    pub(crate) fn remove(&mut self, index: usize) -> T {
        let value = self.slab.remove(index);
        self.removed(index);
        value
    }

    #[inline]
    pub(crate) fn try_remove(&mut self, index: usize) -> Option<T> {
        let value = self.slab.try_remove(index)?;
        self.removed(index);
        Some(value)
    }

    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.slab.get_mut(index)
    }

    pub(crate) fn iter_mut(&mut self) -> slab::IterMut<'_, T> {
        self.slab.iter_mut()
    }

    /// Takes all entries out.
    pub(crate) fn take(&mut self) -> Slab<T> {
        mem::take(self).slab
    }

    fn count_upper(&mut self, index: usize) {
        if index >= 2 * self.middle {
            // The slab has grown, so all other entries are in the lower half now.
            self.middle *= 2;
            self.upper = 0;
        }
        self.upper += 1;
        self.shrink_below = 0;
    }

    #[inline]
    fn removed(&mut self, index: usize) {
        if index >= self.middle {
            self.upper -= 1;
            if self.upper == 0 {
                self.shrink_below = self.middle / 4;
            }
        }
        if self.slab.len() < self.shrink_below {
            self.shrink();
        }
    }

    #[cold]
    #[inline(never)]
    fn shrink(&mut self) {
        self.slab.shrink_to_fit();
        let capacity = self.slab.capacity();
        while self.middle > kept::<T>() && self.middle >= capacity {
            self.middle /= 2;
        }
        self.upper = self.slab.iter().filter(|&(index, _)| index >= self.middle).count();
        let can_shrink = self.upper == 0 && self.middle > kept::<T>();
        self.shrink_below = if can_shrink { self.middle / 4 } else { 0 };
    }
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Deref for Slots<T> {
    type Target = Slab<T>;

    #[inline]
    fn deref(&self) -> &Slab<T> {
        &self.slab
    }
}

impl<T> Index<usize> for Slots<T> {
    type Output = T;

    #[inline]
    fn index(&self, index: usize) -> &T {
        &self.slab[index]
    }
}

impl<T> IndexMut<usize> for Slots<T> {
    #[inline]
    fn index_mut(&mut self, index: usize) -> &mut T {
        &mut self.slab[index]
    }
}

/// Shrinks `queue`, if it is mostly empty, after an entry was taken out.
#[inline]
pub(crate) fn trim_queue<T>(queue: &mut VecDeque<T>) {
    if is_mostly_empty(queue.len(), queue.capacity(), kept::<T>()) {
        queue.shrink_to(kept::<T>().max(queue.capacity() / 4));
    }
}

/// Shrinks `list`, if it is mostly empty, after an entry was taken out.
#[inline]
pub(crate) fn trim_list<T>(list: &mut Vec<T>) {
    trim_list_to(list, kept::<T>());
}

/// Like [`trim_list`], but keeps room for `kept` entries.
#[inline]
pub(crate) fn trim_list_to<T>(list: &mut Vec<T>, kept: usize) {
    if is_mostly_empty(list.len(), list.capacity(), kept) {
        list.shrink_to(kept.max(list.capacity() / 4));
    }
}

/// Shrinks `heap`, if it is mostly empty, after an entry was taken out.
pub(crate) fn trim_heap<T: Ord>(heap: &mut BinaryHeap<T>) {
    if is_mostly_empty(heap.len(), heap.capacity(), kept::<T>()) {
        heap.shrink_to(kept::<T>().max(heap.capacity() / 4));
    }
}

/// Shrinks `map`, if it is mostly empty, after an entry was taken out.
pub(crate) fn trim_map<K: Eq + Hash, V>(map: &mut HashMap<K, V>) {
    if is_mostly_empty(map.len(), map.capacity(), kept::<(K, V)>()) {
        map.shrink_to(kept::<(K, V)>().max(map.capacity() / 4));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: usize = 100_000;

    #[test]
    fn what_is_mostly_empty_keeps_a_little_room() {
        let mut queue: VecDeque<u64> = (0..MANY as u64).collect();
        let mut list: Vec<u64> = (0..MANY as u64).collect();
        let mut heap: BinaryHeap<u64> = (0..MANY as u64).collect();
        let mut map: HashMap<u64, u8> = (0..MANY as u64).map(|n| (n, 0)).collect();
        for n in 0..MANY as u64 {
            queue.pop_front();
            trim_queue(&mut queue);
            list.pop();
            trim_list(&mut list);
            heap.pop();
            trim_heap(&mut heap);
            map.remove(&n);
            trim_map(&mut map);
        }
        let most = 2 * kept::<u64>();
        let rooms = [queue.capacity(), list.capacity(), heap.capacity(), map.capacity()];
        assert!(rooms.iter().all(|&room| room <= most), "{rooms:?}");
    }

    #[test]
    fn a_slab_shrinks_to_its_last_entry_and_fills_up_from_below() {
        let mut slots: Slots<usize> = Slots::new();
        for n in 0..MANY {
            assert_eq!(slots.insert(n), n);
        }
        for index in (1..MANY).filter(|&index| index != MANY / 2) {
            slots.remove(index);
        }
        assert!(slots.capacity() <= MANY / 2 + 1, "{}", slots.capacity());
        assert_eq!(slots.insert(7), 1, "the lowest slot is taken first");
        slots.remove(MANY / 2);
        assert!(slots.capacity() <= kept::<usize>(), "{}", slots.capacity());
        assert_eq!((slots[0], slots[1]), (0, 7), "what stays keeps its slot");
    }

    /// In any order of removal, and for any number of remaining entries.
    #[test]
    fn a_slab_in_which_a_few_low_entries_stay_is_short() {
        for stay in 0..9 {
            for order in [|n: usize| n, |n: usize| MANY - 1 - n, |n: usize| n * 7919 % MANY] {
                let mut slots: Slots<usize> = Slots::new();
                for n in 0..MANY {
                    slots.insert(n);
                }
                for index in (0..MANY).map(order).filter(|&index| index >= stay) {
                    assert_eq!(slots.remove(index), index);
                }
                assert!(slots.capacity() <= kept::<usize>(), "{stay}: {}", slots.capacity());
                assert!((0..stay).all(|index| slots[index] == index));
            }
        }
    }

    #[test]
    fn a_slab_knows_how_many_lie_in_its_upper_half() {
        let mut slots: Slots<u64> = Slots::new();
        let mut taken = Vec::new();
        let mut random: u64 = 7;
        for step in 0..100_000_u64 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // It grows for a while, then shrinks.
            let grows = step / 20_000 % 2 == 0;
            if taken.is_empty() || (random >> 33) % 100 < if grows { 90 } else { 10 } {
                taken.push(slots.insert(step));
            } else {
                let victim = usize::try_from(random >> 33).unwrap() % taken.len();
                slots.remove(taken.swap_remove(victim));
            }
            if step % 97 == 0 {
                let upper = taken.iter().filter(|&&index| index >= slots.middle).count();
                assert_eq!((slots.upper, slots.len()), (upper, taken.len()));
            }
        }
    }

    #[test]
    fn what_is_emptied_and_filled_in_turn_is_not_moved_each_time() {
        let mut queue: VecDeque<u64> = VecDeque::new();
        let mut moves = 0;
        let mut capacity = 0;
        let mut note = |queue: &VecDeque<u64>| {
            moves += usize::from(queue.capacity() != capacity);
            capacity = queue.capacity();
        };
        for _ in 0..100 {
            for n in 0..5000 {
                queue.push_back(n);
                note(&queue);
            }
            while queue.pop_front().is_some() {
                trim_queue(&mut queue);
                note(&queue);
            }
        }
        assert!(moves < 600, "{moves} moves for 1,000,000 steps");
    }
}
