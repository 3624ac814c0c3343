//! Calls that wait for the loop, in the order in which they were sent.
//!
//! They lie in blocks, so a send never moves the calls that wait already. One growing list would be
//! copied now and then, under the lock that all senders and the loop need. A burst also gives its
//! memory back block by block, while the loop makes its calls.

use std::collections::VecDeque;

/// Something to be done on the loop's thread.
pub(crate) type Call = Box<dyn FnOnce() + Send>;

/// The most calls in a block.
const BLOCK: usize = 256;

#[derive(Default)]
pub(crate) struct Calls {
    /// No block is empty, and all but the first and the last were filled.
    blocks: VecDeque<VecDeque<Call>>,
}

impl Calls {
    pub(crate) fn push(&mut self, call: Call) {
        match self.blocks.back_mut() {
            Some(last) if last.len() < BLOCK => last.push_back(call),
            Some(_) | None => self.blocks.push_back(VecDeque::from([call])),
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Call> {
        let first = self.blocks.front_mut()?;
        let call = first.pop_front();
        if first.is_empty() {
            self.blocks.pop_front();
            if self.blocks.is_empty() {
                self.blocks = VecDeque::new();
            }
        }
        call
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }
}

#[cfg(all(test, not(oneloop_loom)))]
mod tests {
    use std::cell::RefCell;

    use super::*;

    thread_local! {
        static MADE: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
    }

    fn call(number: usize) -> Call {
        Box::new(move || MADE.with_borrow_mut(|made| made.push(number)))
    }

    fn fill(calls: &mut Calls) {
        (0..100 * BLOCK).for_each(|number| calls.push(call(number)));
    }

    fn len(calls: &Calls) -> usize {
        calls.blocks.iter().map(VecDeque::len).sum()
    }

    /// How many calls there is room for.
    fn room(calls: &Calls) -> usize {
        calls.blocks.iter().map(VecDeque::capacity).sum()
    }

    #[test]
    fn calls_keep_their_order_across_blocks() {
        let mut calls = Calls::default();
        let (mut sent, mut taken) = (0, 0);
        // More are sent than taken for a while, then the other way round.
        for (pushes, pops) in [(7, 3), (300, 300), (1000, 10), (1, 600), (0, 1000)] {
            for _ in 0..pushes {
                calls.push(call(sent));
                sent += 1;
            }
            for _ in 0..pops {
                let Some(call) = calls.pop() else { break };
                call();
                taken += 1;
            }
            assert_eq!((len(&calls), calls.is_empty()), (sent - taken, sent == taken));
        }
        assert_eq!((sent, taken), (1308, 1308));
        MADE.with_borrow(|made| assert!(made.iter().copied().eq(0..1308)));
    }

    #[test]
    fn a_send_does_not_move_the_calls_that_wait() {
        let mut calls = Calls::default();
        fill(&mut calls);
        let places = |calls: &Calls| -> Vec<_> {
            calls.blocks.iter().take(100).map(|block| block.as_slices().0.as_ptr()).collect()
        };
        let before = places(&calls);
        fill(&mut calls);
        assert_eq!(places(&calls), before);
        assert_eq!(room(&calls), 200 * BLOCK);
    }

    #[test]
    fn a_burst_gives_its_memory_back_while_its_calls_are_made() {
        let mut calls = Calls::default();
        fill(&mut calls);
        while calls.pop().is_some() {
            assert!(room(&calls) < len(&calls) + BLOCK);
        }
        assert_eq!((room(&calls), calls.blocks.capacity()), (0, 0));
    }
}
