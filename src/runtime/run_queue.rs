//! The run queue: the slots that are runnable, in the order in which they were woken.
//!
//! First in, first out: a woken task goes to the back, so equal tasks take turns. That a slot stands
//! here at most once is `tasks.rs`' business (`queued`), so the queue is never longer than the slab.

use std::collections::VecDeque;

#[derive(Default)]
pub(super) struct RunQueue {
    slots: VecDeque<u32>,
}

impl RunQueue {
    pub(super) fn push(&mut self, slot: u32) {
        self.slots.push_back(slot);
    }

    pub(super) fn pop(&mut self) -> Option<u32> {
        self.slots.pop_front()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}
