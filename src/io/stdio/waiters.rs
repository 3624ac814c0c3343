//! Who waits, on whichever thread, for a call that another thread makes: pure data, to stand behind a lock.
//!
//! Wakers go in and come out, and are cloned, woken and dropped outside: they may be anybody's code.

use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;

/// Names somebody who waits: at one place at a time.
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

    /// Gives back the waker that the same one has waited with before.
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

    /// All of them; they wait no longer.
    #[must_use = "they are to be woken outside the lock"]
    pub(super) fn take(&mut self) -> Vec<(WaiterId, Waker)> {
        mem::take(&mut self.waiting)
    }
}
