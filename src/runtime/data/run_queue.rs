//! The run queue: the slots that are runnable, in the order in which they were woken.
//!
//! First in, first out: a woken task goes to the back, so equal tasks take turns. Tasks that yield may have to go behind what
//! the next look around finds: they come in when a round begins. That a slot stands
//! here at most once is `tasks.rs`' business (`queued`), so the queue is never longer than the slab.

use std::collections::VecDeque;

use super::room::trim_queue;

#[derive(Default)]
pub(crate) struct RunQueue {
    slots: VecDeque<u32>,
    /// Those that come in when the next round begins.
    behind: VecDeque<u32>,
}

impl RunQueue {
    pub(crate) fn push(&mut self, slot: u32) {
        self.slots.push_back(slot);
    }

    /// At the end, when the next round begins.
    pub(crate) fn push_behind(&mut self, slot: u32) {
        self.behind.push_back(slot);
    }

    /// A round begins.
    pub(crate) fn start_round(&mut self) {
        // Once a round, and not after each task, which would cost a yield 8 instructions.
        trim_queue(&mut self.slots);
        if !self.behind.is_empty() {
            self.slots.append(&mut self.behind);
        }
    }

    pub(crate) fn pop(&mut self) -> Option<u32> {
        self.slots.pop_front()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.behind.is_empty()
    }

    /// Whether all that are queued come in with the next round.
    pub(crate) fn only_yielded(&self) -> bool {
        self.slots.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() + self.behind.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The slots that are queued, in a plain list.
    #[derive(Default)]
    struct Model(Vec<u32>);

    impl Model {
        fn pop(&mut self) -> Option<u32> {
            if self.0.is_empty() { None } else { Some(self.0.remove(0)) }
        }
    }

    #[test]
    fn it_does_what_a_plain_list_does() {
        let (mut queue, mut model) = (RunQueue::default(), Model::default());
        let mut random: u64 = 0x5EED;
        for step in 0..20_000_u32 {
            // Knuth's generator, of which the high bits are good.
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            // Now it tends to grow, now to shrink.
            if random >> 33 & 0xFF < if step & 0x400 == 0 { 0x90 } else { 0x70 } {
                let slot = (random >> 41) as u32;
                queue.push(slot);
                model.0.push(slot);
            } else {
                assert_eq!(queue.pop(), model.pop());
            }
            assert_eq!(queue.is_empty(), model.0.is_empty());
        }
        while let Some(slot) = model.pop() {
            assert_eq!(queue.pop(), Some(slot));
        }
        assert_eq!(queue.pop(), None);
    }
}
