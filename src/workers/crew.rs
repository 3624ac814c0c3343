//! What all workers of one call share: who is there, and what has been asked of them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::listen::Addrs;
use crate::runtime::Handle;
use crate::task::CancelToken;

pub(super) struct Crew {
    /// Asks all to come to an end.
    pub(super) stop: CancelToken,
    /// Asks them not to wait for anything any more.
    pub(super) hurry: CancelToken,
    /// Says that all have ended.
    pub(super) ended: CancelToken,
    pub(super) addrs: Addrs,
    /// Those of all workers, from the moment at which the first of them runs.
    handles: Mutex<Vec<Option<Handle>>>,
    working: AtomicUsize,
    first_panic: OnceLock<usize>,
}

impl Crew {
    pub(super) fn new(count: usize) -> Self {
        Self {
            stop: CancelToken::new(),
            hurry: CancelToken::new(),
            ended: CancelToken::new(),
            addrs: Addrs::default(),
            handles: Mutex::new(vec![None; count]),
            working: AtomicUsize::new(count),
            first_panic: OnceLock::new(),
        }
    }

    pub(super) fn handles(&self) -> MutexGuard<'_, Vec<Option<Handle>>> {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The worker of this number has ended, or is not even there.
    pub(super) fn leave(&self) {
        if self.working.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.ended.cancel();
        }
    }

    /// The worker of this number has panicked, and the others have to stop.
    pub(super) fn panicked(&self, index: usize) {
        self.first_panic.get_or_init(|| index);
        self.stop.cancel();
    }

    pub(super) fn first_panic(&self) -> Option<usize> {
        self.first_panic.get().copied()
    }
}
