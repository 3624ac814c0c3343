//! The order in which items leave a queue: oldest, youngest or smallest first.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt::{self, Debug, Formatter};
use std::mem;

use crate::runtime::{trim_list, trim_queue};

/// The order in which items leave a queue. There are three orders, and other crates cannot add any.
pub trait Order<T>: Store<T> {}

impl<T> Order<T> for Fifo<T> {}
impl<T> Order<T> for Lifo<T> {}
impl<T: Ord> Order<T> for Smallest<T> {}

/// The storage for a queue's items. It borrows nothing while foreign code runs; only comparisons
/// are foreign code.
#[doc(hidden)]
#[expect(clippy::len_without_is_empty, reason = "no code needs it")]
pub trait Store<T>: Default {
    /// Adds an item. If this panics, no item is lost, not even the new one.
    fn push(&self, item: T);

    /// Takes the next item out. If this panics, no item is lost. Also returns `None` inside a
    /// comparison made for a change of this store.
    fn pop(&self) -> Option<T>;

    /// The number of items, including items that are being compared.
    fn len(&self) -> usize;

    /// Takes all items out, in order if that needs no comparison.
    fn clear(&self) -> Vec<T>;
}

/// First in, first out.
pub struct Fifo<T>(RefCell<VecDeque<T>>);

/// Last in, first out.
pub struct Lifo<T>(RefCell<Vec<T>>);

/// The smallest item first; of equal items, the oldest.
///
/// The heap is moved out of its cell while its items are compared. To the comparing code it looks
/// empty, and items which that code puts in are merged later.
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
        // Counted first, because a comparison that panics does not undo the push.
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

/// A heap that is out of its cell. It returns on drop, even during a panic.
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

/// A binary heap that moves items only by swaps, so every item stays in the list whatever a
/// comparison does.
struct Heap<T> {
    entries: Vec<Entry<T>>,
    /// Items that arrived while the heap was out of its cell, in order of arrival.
    late: VecDeque<T>,
    /// The number of items inserted so far.
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
            // Store the item before comparing, so that no panic loses it.
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

    /// Moves the last entry to its place.
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

    /// Moves the first entry to its place among the first `len`.
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
            // The second part is ignored by comparisons, so it shows which of equal items comes
            // first.
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
