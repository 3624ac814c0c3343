//! What other threads reach: the inbox of a loop, the registry that finds it, the waker that carries a key there.

pub(crate) mod inbox;
pub(crate) mod registry;
pub(crate) mod waker;

/// What the inbox synchronises with; the model checker puts its own in this place.
mod sync {
    pub(super) use std::sync::atomic::{AtomicU8, Ordering};
    pub(super) use std::sync::{Mutex, MutexGuard, PoisonError};
    pub(super) use std::thread::Thread;
}
