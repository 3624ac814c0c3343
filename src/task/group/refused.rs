//! Futures that a group refuses because it is cancelled, has failed or has ended.
//!
//! Dropping such a future may create the next task, so the drops must not nest on their creators'
//! stacks. While the group is polled, it drops the refused futures in its polls, one level at a
//! time. After that, the outermost creator drops them all, one after the other.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::mem::{self, ManuallyDrop};

use super::child::BoxedChild;
use crate::runtime::drop_reported;

/// The maximum number of futures that a group refuses before it leaks the rest. A drop that creates
/// the next task again and again has to end somewhere.
const REFUSED_MAX: u32 = 100_000;

pub(super) struct Refused<'env, E> {
    /// Whether the group's polls are over.
    is_over: Cell<bool>,
    count: Cell<u32>,
    /// Whether a call further out on the stack is dropping the futures, including new ones.
    is_dropping: Cell<bool>,
    waiting: RefCell<VecDeque<BoxedChild<'env, E>>>,
}

impl<'env, E> Refused<'env, E> {
    pub(super) fn new() -> Self {
        Self {
            is_over: Cell::new(false),
            count: Cell::new(0),
            is_dropping: Cell::new(false),
            waiting: RefCell::default(),
        }
    }

    /// Takes a future to be dropped.
    pub(super) fn push(&self, child: BoxedChild<'env, E>) {
        if self.count.get() == REFUSED_MAX {
            let _leaked = ManuallyDrop::new(child);
            return;
        }
        self.count.set(self.count.get() + 1);
        self.waiting.borrow_mut().push_back(child);
        if self.is_over.get() {
            self.drop_all();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.borrow().is_empty()
    }

    /// Drops the futures that have been refused so far.
    pub(super) fn drop_level(&self) {
        if !self.is_empty() {
            let level = mem::take(&mut *self.waiting.borrow_mut());
            level.into_iter().for_each(drop_reported);
        }
    }

    /// Records that the group has ended or was dropped. From now on, creators drop the futures that
    /// are refused.
    pub(super) fn end(&self) {
        self.is_over.set(true);
        self.drop_all();
    }

    fn drop_all(&self) {
        if self.is_dropping.replace(true) {
            return;
        }
        loop {
            let Some(next) = self.waiting.borrow_mut().pop_front() else { break };
            drop_reported(next);
        }
        self.is_dropping.set(false);
    }
}
