//! Tasks, on any thread, that wait for a call made by another thread: pure data, to be kept behind
//! a lock.
//!
//! Wakers are cloned, woken and dropped outside the lock, because they may be foreign code.

use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;

/// Identifies a waiter, which waits in one place at a time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct WaiterId(u64);

impl WaiterId {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

#[derive(Default)]
pub(super) struct Waiters {
    waiting: Vec<(WaiterId, Waker)>,
}

impl Waiters {
    pub(super) const fn new() -> Self {
        Self { waiting: Vec::new() }
    }

    /// Adds a waiter. Returns its former waker.
    #[must_use = "it is to be dropped outside the lock"]
    pub(super) fn wait(&mut self, id: WaiterId, waker: Waker) -> Option<Waker> {
        let former = self.forget(id);
        self.waiting.push((id, waker));
        former
    }

    #[must_use = "it is to be dropped outside the lock"]
    pub(super) fn forget(&mut self, id: WaiterId) -> Option<Waker> {
        let at = self.waiting.iter().position(|(waiting, _)| *waiting == id)?;
        Some(self.waiting.swap_remove(at).1)
    }

    /// Takes all waiters, which then no longer wait.
    #[must_use = "they are to be woken outside the lock"]
    pub(super) fn take(&mut self) -> Vec<(WaiterId, Waker)> {
        mem::take(&mut self.waiting)
    }
}
