//! Work for the end of the current poll: it sends the writes of one poll together.

use std::collections::VecDeque;
use std::rc::Rc;

/// Work to do after a poll. It may run user code, so the loop calls it while nothing is borrowed.
pub(crate) trait AfterPoll {
    fn after_poll(self: Rc<Self>);
}

#[derive(Default)]
pub(crate) struct Outbox {
    /// The number of polls so far. Two writes with the same number belong to one poll. 0 means that
    /// there was none.
    polls: u64,
    entries: VecDeque<Rc<dyn AfterPoll>>,
}

impl Outbox {
    /// A poll begins.
    #[inline]
    pub(crate) fn start_poll(&mut self) {
        self.polls += 1;
    }

    /// The number of the poll that runs now, or ran last.
    pub(crate) fn poll(&self) -> u64 {
        self.polls
    }

    pub(crate) fn push(&mut self, entry: Rc<dyn AfterPoll>) {
        self.entries.push_back(entry);
    }

    /// Takes the entries in the order in which they came.
    pub(crate) fn pop(&mut self) -> Option<Rc<dyn AfterPoll>> {
        self.entries.pop_front()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
