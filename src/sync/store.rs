//! In which order items leave a queue: the oldest, the youngest or the smallest first.

use std::collections::VecDeque;
use std::fmt::{self, Debug, Formatter};
use std::mem;

/// In which order items leave a queue. There are three; it is not for others to implement.
pub trait Order<T>: Store<T> {}

impl<T> Order<T> for Fifo<T> {}
impl<T> Order<T> for Lifo<T> {}
impl<T: Ord> Order<T> for Smallest<T> {}

/// What a queue keeps its items in.
///
/// Only [`push`](Self::push) and [`pop`](Self::pop) may run the code of others, which is why a queue takes its store out of its
/// place for them. What comes to the empty place meanwhile is brought in by [`absorb`](Self::absorb).
#[doc(hidden)]
#[expect(clippy::len_without_is_empty, reason = "nobody asks")]
pub trait Store<T>: Default {
    /// Adds an item. If this panics, no item is lost, the new one included.
    fn push(&mut self, item: T);

    /// Takes the next item out. If this panics, no item is lost.
    fn pop(&mut self) -> Option<T>;

    /// How many items there are.
    fn len(&self) -> usize;

    /// Takes over what came to another store meanwhile. Runs nobody's code.
    fn absorb(&mut self, other: Self);

    /// All items, in their order where that takes no comparison. Runs nobody's code.
    fn into_items(self) -> impl Iterator<Item = T>;
}

/// First in, first out.
pub struct Fifo<T>(VecDeque<T>);

/// Last in, first out.
pub struct Lifo<T>(Vec<T>);

/// The smallest first; of equal ones, the oldest.
///
/// A binary heap in which items change places only by swaps: whatever a comparison does, each item is in the list.
pub struct Smallest<T> {
    heap: Vec<Entry<T>>,
    /// Absorbed, and not yet brought in: that takes comparisons. In the order in which they came.
    late: VecDeque<T>,
    /// How many have been pushed on the heap.
    pushed: u64,
}

struct Entry<T> {
    item: T,
    number: u64,
}

impl<T> Default for Fifo<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T> Store<T> for Fifo<T> {
    fn push(&mut self, item: T) {
        self.0.push_back(item);
    }

    fn pop(&mut self) -> Option<T> {
        self.0.pop_front()
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn absorb(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    fn into_items(self) -> impl Iterator<Item = T> {
        self.0.into_iter()
    }
}

impl<T> Default for Lifo<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Store<T> for Lifo<T> {
    fn push(&mut self, item: T) {
        self.0.push(item);
    }

    fn pop(&mut self) -> Option<T> {
        self.0.pop()
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn absorb(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    fn into_items(self) -> impl Iterator<Item = T> {
        self.0.into_iter().rev()
    }
}

impl<T> Default for Smallest<T> {
    fn default() -> Self {
        Self { heap: Vec::new(), late: VecDeque::new(), pushed: 0 }
    }
}

impl<T: Ord> Store<T> for Smallest<T> {
    fn push(&mut self, item: T) {
        if self.late.is_empty() {
            self.insert(item);
        } else {
            // First of all it belongs to the store, so that no panic loses it.
            self.late.push_back(item);
            self.bring_in();
        }
    }

    fn pop(&mut self) -> Option<T> {
        self.bring_in();
        let last = self.heap.len().checked_sub(1)?;
        self.heap.swap(0, last);
        self.sift_down(last);
        self.heap.pop().map(|entry| entry.item)
    }

    fn len(&self) -> usize {
        self.heap.len() + self.late.len()
    }

    fn absorb(&mut self, other: Self) {
        self.late.extend(other.into_items());
    }

    fn into_items(mut self) -> impl Iterator<Item = T> {
        let late = mem::take(&mut self.late);
        self.heap.into_iter().map(|entry| entry.item).chain(late)
    }
}

impl<T: Ord> Smallest<T> {
    fn bring_in(&mut self) {
        while let Some(item) = self.late.pop_front() {
            self.insert(item);
        }
    }

    fn insert(&mut self, item: T) {
        self.heap.push(Entry { item, number: self.pushed });
        self.pushed += 1;
        self.sift_up();
    }

    /// Brings the last entry to its place.
    fn sift_up(&mut self) {
        let mut child = self.heap.len() - 1;
        while child > 0 {
            let parent = (child - 1) / 2;
            if !self.heap[child].is_before(&self.heap[parent]) {
                break;
            }
            self.heap.swap(child, parent);
            child = parent;
        }
    }

    /// Brings the first entry to its place among the first `len`.
    fn sift_down(&mut self, len: usize) {
        let mut parent = 0;
        loop {
            let mut child = 2 * parent + 1;
            if child >= len {
                break;
            }
            if child + 1 < len && self.heap[child + 1].is_before(&self.heap[child]) {
                child += 1;
            }
            if !self.heap[child].is_before(&self.heap[parent]) {
                break;
            }
            self.heap.swap(child, parent);
            parent = child;
        }
    }
}

impl<T: Ord> Entry<T> {
    fn is_before(&self, other: &Self) -> bool {
        self.item.cmp(&other.item).then_with(|| self.number.cmp(&other.number)).is_lt()
    }
}

impl<T> Debug for Fifo<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fifo").finish_non_exhaustive()
    }
}

impl<T> Debug for Lifo<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lifo").finish_non_exhaustive()
    }
}

impl<T> Debug for Smallest<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smallest").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heap_does_what_a_sorted_list_does() {
        let (mut store, mut model) = (Smallest::default(), Vec::new());
        let mut random: u64 = 0xBEE;
        for step in 0..20_000_u64 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            // Tuples whose second part does not count: which of equal ones comes first shows.
            if random >> 20 & 7 < if step & 0x400 == 0 { 5 } else { 3 } {
                let item = ByFirst(random >> 33 & 0xF, step);
                store.push(item);
                model.push(item);
                model.sort_by_key(|item| (item.0, item.1));
            } else {
                let first = (!model.is_empty()).then(|| model.remove(0));
                assert_eq!(store.pop().map(|item| item.1), first.map(|item| item.1));
            }
            assert_eq!(store.len(), model.len());
        }
    }

    #[derive(Clone, Copy)]
    struct ByFirst(u64, u64);

    impl PartialEq for ByFirst {
        fn eq(&self, other: &Self) -> bool {
            self.cmp(other).is_eq()
        }
    }

    impl Eq for ByFirst {}

    impl PartialOrd for ByFirst {
        fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
            Some(self.cmp(other))
        }
    }

    impl Ord for ByFirst {
        fn cmp(&self, other: &Self) -> std::cmp::Ordering {
            self.0.cmp(&other.0)
        }
    }
}
