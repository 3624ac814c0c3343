//! The parts of the kernel that other threads reach: the inbox of a loop, the registry that finds
//! it, and the waker that carries a key there.

pub(crate) mod calls;
pub(crate) mod inbox;
pub(crate) mod registry;
pub(crate) mod waker;

/// The types with which the inbox synchronises. In `tests/loom`, the model checker's take their
/// place.
mod sync {
    pub(super) use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
    pub(super) use std::sync::{Mutex, MutexGuard, PoisonError};
    pub(super) use std::thread::{Thread, yield_now};
}
