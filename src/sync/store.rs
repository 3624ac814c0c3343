//! In which order items leave a queue: the oldest, the youngest or the smallest first.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt::{self, Debug, Formatter};
use std::mem;

use crate::runtime::{trim_list, trim_queue};

/// In which order items leave a queue. There are three; it is not for others to implement.
pub trait Order<T>: Store<T> {}

impl<T> Order<T> for Fifo<T> {}
impl<T> Order<T> for Lifo<T> {}
impl<T: Ord> Order<T> for Smallest<T> {}

/// What a queue keeps its items in. Nothing is borrowed while the code of others runs, which only comparisons are.
#[doc(hidden)]
#[expect(clippy::len_without_is_empty, reason = "nobody asks")]
pub trait Store<T>: Default {
    /// Adds an item. If this panics, no item is lost, the new one included.
    fn push(&self, item: T);

    /// Takes the next item out. If this panics, no item is lost. `None` also inside of a comparison that is made for a change of
    /// this store.
    fn pop(&self) -> Option<T>;

    /// How many items there are, those included that are being compared.
    fn len(&self) -> usize;

    /// Takes all items out, in their order where that takes no comparison.
    fn clear(&self) -> Vec<T>;
}

/// First in, first out.
pub struct Fifo<T>(RefCell<VecDeque<T>>);

/// Last in, first out.
pub struct Lifo<T>(RefCell<Vec<T>>);

/// The smallest first; of equal ones, the oldest.
///
/// The heap is out of its place while it is compared. To the code that compares it looks empty, and what that code puts in is
/// brought in later.
pub struct Smallest<T> {
    heap: Cell<Heap<T>>,
    len: Cell<usize>,
}

impl<T> Default for Fifo<T> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<T> Store<T> for Fifo<T> {
    #[inline]
    fn push(&self, item: T) {
        self.0.borrow_mut().push_back(item);
    }

    #[inline]
    fn pop(&self) -> Option<T> {
        let mut items = self.0.borrow_mut();
        let item = items.pop_front();
        trim_queue(&mut items);
        item
    }

    #[inline]
    fn len(&self) -> usize {
        self.0.borrow().len()
    }

    fn clear(&self) -> Vec<T> {
        self.0.take().into()
    }
}

impl<T> Default for Lifo<T> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<T> Store<T> for Lifo<T> {
    fn push(&self, item: T) {
        self.0.borrow_mut().push(item);
    }

    fn pop(&self) -> Option<T> {
        let mut items = self.0.borrow_mut();
        let item = items.pop();
        trim_list(&mut items);
        item
    }

    fn len(&self) -> usize {
        self.0.borrow().len()
    }

    fn clear(&self) -> Vec<T> {
        let mut items = self.0.take();
        items.reverse();
        items
    }
}

impl<T> Default for Smallest<T> {
    fn default() -> Self {
        Self { heap: Cell::default(), len: Cell::new(0) }
    }
}

impl<T: Ord> Store<T> for Smallest<T> {
    fn push(&self, item: T) {
        // Counted first: a comparison that panics does not undo it.
        self.len.set(self.len.get() + 1);
        Lent::of(&self.heap).heap.push(item);
    }

    fn pop(&self) -> Option<T> {
        let item = Lent::of(&self.heap).heap.pop()?;
        self.len.set(self.len.get() - 1);
        Some(item)
    }

    fn len(&self) -> usize {
        self.len.get()
    }

    fn clear(&self) -> Vec<T> {
        let items: Vec<T> = self.heap.take().into_items().collect();
        self.len.set(self.len.get() - items.len());
        items
    }
}

/// A heap that is out of its place; goes back when dropped, also by a panic.
struct Lent<'a, T> {
    place: &'a Cell<Heap<T>>,
    heap: Heap<T>,
}

impl<'a, T> Lent<'a, T> {
    fn of(place: &'a Cell<Heap<T>>) -> Self {
        Self { place, heap: place.take() }
    }
}

impl<T> Drop for Lent<'_, T> {
    fn drop(&mut self) {
        let mut heap = mem::take(&mut self.heap);
        heap.late.extend(self.place.take().into_items());
        self.place.set(heap);
    }
}

/// A binary heap in which items change places only by swaps: whatever a comparison does, each item is in the list.
struct Heap<T> {
    entries: Vec<Entry<T>>,
    /// What came while the heap was out of its place, in the order in which it came.
    late: VecDeque<T>,
    /// How many have been inserted.
    inserted: u64,
}

struct Entry<T> {
    item: T,
    number: u64,
}

impl<T> Default for Heap<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), late: VecDeque::new(), inserted: 0 }
    }
}

impl<T> Heap<T> {
    fn into_items(self) -> impl Iterator<Item = T> {
        self.entries.into_iter().map(|entry| entry.item).chain(self.late)
    }
}

impl<T: Ord> Heap<T> {
    fn push(&mut self, item: T) {
        if self.late.is_empty() {
            self.insert(item);
        } else {
            // First of all it belongs to the heap, so that no panic loses it.
            self.late.push_back(item);
            self.bring_in();
        }
    }

    fn pop(&mut self) -> Option<T> {
        self.bring_in();
        let last = self.entries.len().checked_sub(1)?;
        self.entries.swap(0, last);
        self.sift_down(last);
        let entry = self.entries.pop();
        trim_list(&mut self.entries);
        entry.map(|entry| entry.item)
    }

    fn bring_in(&mut self) {
        while let Some(item) = self.late.pop_front() {
            self.insert(item);
        }
    }

    fn insert(&mut self, item: T) {
        self.entries.push(Entry { item, number: self.inserted });
        self.inserted += 1;
        self.sift_up();
    }

    /// Brings the last entry to its place.
    fn sift_up(&mut self) {
        let mut child = self.entries.len() - 1;
        while child > 0 {
            let parent = (child - 1) / 2;
            if !self.entries[child].is_before(&self.entries[parent]) {
                break;
            }
            self.entries.swap(child, parent);
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
            if child + 1 < len && self.entries[child + 1].is_before(&self.entries[child]) {
                child += 1;
            }
            if !self.entries[child].is_before(&self.entries[parent]) {
                break;
            }
            self.entries.swap(child, parent);
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
    use std::cmp::Ordering;

    use super::*;

    #[test]
    fn the_heap_does_what_a_sorted_list_does() {
        let (store, mut model) = (Smallest::default(), Vec::new());
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
        }
        assert_eq!(store.clear().len(), model.len());
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
        fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
            Some(self.cmp(other))
        }
    }

    impl Ord for ByFirst {
        fn cmp(&self, other: &Self) -> Ordering {
            self.0.cmp(&other.0)
        }
    }
}
