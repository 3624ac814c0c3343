//! The run queue: the keys of the tasks that are runnable, in the order in which they were woken.
//!
//! First in, first out: a woken task goes to the back, so equal tasks take turns. Tasks that yield may have to go behind what
//! the next look around finds: they come in when a round begins. That a task stands
//! here at most once is `tasks.rs`' business (`queued`), so the queue is never longer than the slab.

use super::key::WakerKey;
use super::room::KEPT_BYTES;

#[derive(Default)]
pub(crate) struct RunQueue {
    keys: Ring,
    /// Those that come in when the next round begins.
    behind: Ring,
}

impl RunQueue {
    #[inline]
    pub(crate) fn push(&mut self, key: WakerKey) {
        self.keys.push(key);
    }

    /// At the end, when the next round begins.
    pub(crate) fn push_behind(&mut self, key: WakerKey) {
        self.behind.push(key);
    }

    /// A round begins.
    pub(crate) fn start_round(&mut self) {
        // Once a round, and not after each task, which would cost a yield 8 instructions.
        self.keys.trim();
        if self.behind.len > 0 {
            while let Some(key) = self.behind.pop() {
                self.keys.push(key);
            }
            self.behind.trim();
        }
    }

    #[inline]
    pub(crate) fn first(&self) -> Option<WakerKey> {
        self.keys.first()
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<WakerKey> {
        self.keys.pop()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.keys.len == 0 && self.behind.len == 0
    }

    /// Whether all that are queued come in with the next round.
    pub(crate) fn only_yielded(&self) -> bool {
        self.keys.len == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len + self.behind.len
    }
}

/// A ring that is as long as a power of two, or empty. Each poll pushes and pops once, and with `VecDeque`, which has rings of any
/// length, that takes 17 instructions more of 210.
#[derive(Default)]
struct Ring {
    keys: Vec<WakerKey>,
    head: usize,
    len: usize,
}

impl Ring {
    const FIRST_ROOM: usize = 16;
    /// A ring that is no longer than this is not trimmed.
    const KEPT: usize = KEPT_BYTES / size_of::<WakerKey>();

    #[inline]
    fn push(&mut self, key: WakerKey) {
        if self.len == self.keys.len() {
            self.grow();
        }
        let mask = self.keys.len().wrapping_sub(1);
        self.keys[self.head.wrapping_add(self.len) & mask] = key;
        self.len += 1;
    }

    #[inline]
    fn first(&self) -> Option<WakerKey> {
        if self.len == 0 { None } else { self.keys.get(self.head).copied() }
    }

    #[inline]
    fn pop(&mut self) -> Option<WakerKey> {
        let key = self.first()?;
        self.head = (self.head + 1) & (self.keys.len() - 1);
        self.len -= 1;
        Some(key)
    }

    #[cold]
    fn grow(&mut self) {
        self.resize((2 * self.keys.len()).max(Self::FIRST_ROOM));
    }

    /// Gives room back where most of it is empty.
    #[inline]
    fn trim(&mut self) {
        if self.keys.len() > Self::KEPT && self.len <= self.keys.len() / 8 {
            self.resize(self.keys.len() / 4);
        }
    }

    #[inline(never)]
    fn resize(&mut self, room: usize) {
        self.keys.rotate_left(self.head);
        self.head = 0;
        self.keys.resize(room, WakerKey::from_word(0));
        self.keys.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys that are queued, in a plain list.
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
            // Knuth's generator, of which the high bits are good.
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            // Now it tends to grow, now to shrink.
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
        // Keys leave at the front meanwhile, so that the ring is cut where it wraps around.
        for word in 0..16 * Ring::KEPT {
            queue.push(key(word));
            queue.push_behind(key(word));
        }
        for word in 0..15 * Ring::KEPT {
            assert_eq!(queue.pop(), Some(key(word)));
        }
        let len = queue.len();
        queue.start_round();
        assert_eq!(queue.len(), len);
        assert!(queue.behind.keys.capacity() <= 4 * Ring::KEPT, "a quarter is left each time");
        let expected = (15 * Ring::KEPT..16 * Ring::KEPT).chain(0..16 * Ring::KEPT);
        for word in expected {
            assert_eq!(queue.pop(), Some(key(word)));
        }
        for _ in 0..8 {
            queue.start_round();
        }
        assert!(queue.keys.keys.capacity() <= Ring::KEPT);
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
