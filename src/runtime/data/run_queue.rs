//! The run queue: the keys of the runnable tasks, in the order in which they were woken.
//!
//! First in, first out: a woken task goes to the back, so equal tasks take turns. Tasks that yield
//! may have to go behind the tasks that the next look around wakes, so their keys come in when the
//! next round begins. `tasks.rs` ensures that a task is here at most once (`queued`), so the queue
//! is never longer than the slab.

use std::collections::VecDeque;

use super::key::WakerKey;
use super::room::trim_queue;

#[derive(Default)]
pub(crate) struct RunQueue {
    /// A ring of our own, with a power of two as its length, was measured: a yield took 223.7
    /// instructions with it and 225.0 with this, which is not worth 60 lines.
    keys: VecDeque<WakerKey>,
    /// Keys that come in when the next round begins.
    behind: VecDeque<WakerKey>,
}

impl RunQueue {
    #[inline]
    pub(crate) fn push(&mut self, key: WakerKey) {
        self.keys.push_back(key);
    }

    /// Appends the key to the queue when the next round begins.
    pub(crate) fn push_behind(&mut self, key: WakerKey) {
        self.behind.push_back(key);
    }

    /// A round begins.
    pub(crate) fn start_round(&mut self) {
        // Trimming after each task instead would cost a yield 8 instructions.
        trim_queue(&mut self.keys);
        if !self.behind.is_empty() {
            self.keys.append(&mut self.behind);
            trim_queue(&mut self.behind);
        }
    }

    #[inline]
    pub(crate) fn first(&self) -> Option<WakerKey> {
        self.keys.front().copied()
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<WakerKey> {
        self.keys.pop_front()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.behind.is_empty()
    }

    /// Whether every queued key comes in with the next round.
    pub(crate) fn only_yielded(&self) -> bool {
        self.keys.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len() + self.behind.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::data::room::kept;

    const KEPT: usize = kept::<WakerKey>();

    /// The queued keys, in a plain list.
    #[derive(Default)]
    struct Model(Vec<WakerKey>);

    impl Model {
        fn pop(&mut self) -> Option<WakerKey> {
            if self.0.is_empty() { None } else { Some(self.0.remove(0)) }
        }
    }

    #[test]
    fn it_does_what_a_plain_list_does() {
        let (mut queue, mut model) = (RunQueue::default(), Model::default());
        let mut random: u64 = 0x5EED;
        for step in 0..20_000_u32 {
            // Knuth's generator. Only its high bits are good.
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            // The queue tends to grow and to shrink in turn.
            if random >> 33 & 0xFF < if step & 0x400 == 0 { 0x90 } else { 0x70 } {
                let key = WakerKey::from_word(random >> 41);
                queue.push(key);
                model.0.push(key);
            } else {
                assert_eq!(queue.pop(), model.pop());
            }
            assert_eq!(queue.is_empty(), model.0.is_empty());
        }
        while let Some(key) = model.pop() {
            assert_eq!(queue.pop(), Some(key));
        }
        assert_eq!(queue.pop(), None);
    }

    fn key(word: usize) -> WakerKey {
        WakerKey::from_word(word as u64)
    }

    #[test]
    fn a_queue_that_was_long_gives_its_room_back_and_keeps_its_order() {
        let mut queue = RunQueue::default();
        // Keys leave at the front first, so that the queue is cut where it wraps around.
        for word in 0..16 * KEPT {
            queue.push(key(word));
            queue.push_behind(key(word));
        }
        for word in 0..15 * KEPT {
            assert_eq!(queue.pop(), Some(key(word)));
        }
        let len = queue.len();
        queue.start_round();
        assert_eq!(queue.len(), len);
        assert!(queue.behind.capacity() <= 4 * KEPT, "a quarter is left each time");
        let expected = (15 * KEPT..16 * KEPT).chain(0..16 * KEPT);
        for word in expected {
            assert_eq!(queue.pop(), Some(key(word)));
        }
        for _ in 0..8 {
            queue.start_round();
        }
        assert!(queue.keys.capacity() <= KEPT);
    }

    #[test]
    fn the_keys_behind_count_as_queued_and_come_in_with_the_next_round() {
        let mut queue = RunQueue::default();
        assert!(queue.is_empty() && queue.only_yielded());
        queue.push_behind(key(1));
        assert!(!queue.is_empty() && queue.only_yielded());
        assert_eq!((queue.len(), queue.first()), (1, None));
        queue.push(key(2));
        assert!(!queue.only_yielded());
        queue.start_round();
        assert_eq!((queue.pop(), queue.pop()), (Some(key(2)), Some(key(1))));
        assert!(queue.is_empty());
    }
}
