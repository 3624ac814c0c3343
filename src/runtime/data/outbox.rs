//! What is done when the poll that runs now has ended: writes of one poll that are sent together.

use std::collections::VecDeque;
use std::rc::Rc;

/// Something to do after a poll. It may run user code, so the loop calls it while nothing is borrowed.
pub(crate) trait AfterPoll {
    fn after_poll(self: Rc<Self>);
}

#[derive(Default)]
pub(crate) struct Outbox {
    /// Counts the polls, so that two writes can tell whether they belong to one. 0 is none.
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

    /// In the order in which they came.
    pub(crate) fn pop(&mut self) -> Option<Rc<dyn AfterPoll>> {
        self.entries.pop_front()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
