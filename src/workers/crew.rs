//! The state that all workers of one call share: which of them are running, and what they were
//! asked to do.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::listen::Addrs;
use crate::runtime::Handle;
use crate::task::CancelToken;

pub(super) struct Crew {
    /// Asks all workers to end.
    pub(super) stop: CancelToken,
    /// Asks them to end at once, without waiting for anything.
    pub(super) hurry: CancelToken,
    /// Set when all have ended.
    pub(super) ended: CancelToken,
    pub(super) addrs: Addrs,
    /// The handles of all workers. They are complete from the moment the first worker runs.
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

    /// One worker has ended, or was never there.
    pub(super) fn leave(&self) {
        if self.working.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.ended.cancel();
        }
    }

    /// The worker with this number has panicked, and the others have to stop.
    pub(super) fn panicked(&self, index: usize) {
        self.first_panic.get_or_init(|| index);
        self.stop.cancel();
    }

    pub(super) fn first_panic(&self) -> Option<usize> {
        self.first_panic.get().copied()
    }
}
