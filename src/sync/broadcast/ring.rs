//! The items of a broadcast that at least one receiver has not received yet.
//!
//! Positions count all items ever sent. A receiver is represented only by the position of the next
//! item it gets, so an item still has to go to the receivers whose position is not beyond it. The
//! number of these receivers grows from front to back, so only the first item can be one that goes
//! to its last receiver.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::runtime::trim_queue;

pub(super) struct Ring<T> {
    slots: VecDeque<Slot<T>>,
    capacity: usize,
    /// The position of the first slot.
    first: u64,
}

struct Slot<T> {
    /// Shared with receivers that are cloning it, because they must not hold a borrow meanwhile.
    item: Rc<T>,
    /// How many receivers have not received the item yet.
    missing: usize,
}

/// The content at a position.
pub(super) enum Found<T> {
    Item(Rc<T>),
    /// This many items were dropped. The position has moved to the first remaining item.
    Lagged(u64),
    /// The item is still to come.
    Nothing,
}

impl<T> Ring<T> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { slots: VecDeque::new(), capacity, first: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The position of the next item to be sent.
    pub(super) fn end(&self) -> u64 {
        self.first + self.slots.len() as u64
    }

    /// Adds an item. Returns the item that was evicted to make room, for the caller to drop.
    #[must_use = "to drop it is user code"]
    pub(super) fn push(&mut self, item: T, missing: usize) -> Option<Rc<T>> {
        let oldest = if self.slots.len() == self.capacity { self.pop() } else { None };
        self.slots.push_back(Slot { item: Rc::new(item), missing });
        oldest
    }

    /// Returns the result for a receiver at `position`, and moves the position on.
    pub(super) fn next(&mut self, position: &mut u64) -> Found<T> {
        let Some(index) = position.checked_sub(self.first) else {
            let missed = self.first - *position;
            *position = self.first;
            return Found::Lagged(missed);
        };
        let slot = usize::try_from(index).ok().and_then(|index| self.slots.get_mut(index));
        let Some(slot) = slot else { return Found::Nothing };
        *position += 1;
        slot.missing -= 1;
        let is_last = slot.missing == 0;
        let item = if is_last { self.pop() } else { Some(Rc::clone(&slot.item)) };
        item.map_or(Found::Nothing, Found::Item)
    }

    /// Removes a receiver at `position`. Returns the items that no other receiver needs, for the
    /// caller to drop.
    #[must_use = "to drop it is user code"]
    pub(super) fn leave(&mut self, position: u64) -> Vec<Rc<T>> {
        let index = usize::try_from(position.saturating_sub(self.first)).unwrap_or(usize::MAX);
        for slot in self.slots.iter_mut().skip(index) {
            slot.missing -= 1;
        }
        let unwanted = self.slots.iter().take_while(|slot| slot.missing == 0).count();
        self.first += unwanted as u64;
        let unwanted = self.slots.drain(..unwanted).map(|slot| slot.item).collect();
        trim_queue(&mut self.slots);
        unwanted
    }

    fn pop(&mut self) -> Option<Rc<T>> {
        let slot = self.slots.pop_front()?;
        self.first += 1;
        trim_queue(&mut self.slots);
        Some(slot.item)
    }
}
