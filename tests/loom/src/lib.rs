//! The inbox of oneloop's event loop under the model checker loom, which tries all interleavings of
//! a few threads.
//!
//! The file is the crate's own, with loom's types in place of the standard library's. A lost wake
//! leaves the loop asleep for ever, which loom reports as a deadlock. Run it with
//! `cargo test -p oneloop-loom`.

#[path = "../../../src/runtime/threads/calls.rs"]
#[cfg_attr(not(test), expect(dead_code, reason = "only the models take calls"))]
mod calls;
#[path = "../../../src/runtime/threads/inbox.rs"]
#[expect(dead_code, reason = "the models use what concerns other threads")]
mod inbox;
#[path = "../../../src/runtime/data/key.rs"]
#[expect(
    dead_code,
    clippy::cast_possible_truncation,
    reason = "the file is judged in its own crate; not all of it is needed here"
)]
mod key;
#[cfg(test)]
mod models;

/// The crate's own keys are at this path.
mod runtime {
    pub(crate) mod data {
        pub(crate) use crate::key;
    }
}

/// Takes the place of `std::sync`.
mod sync {
    pub(super) use loom::sync::atomic::{AtomicBool, AtomicU8, Ordering};
    pub(super) use loom::sync::{Mutex, MutexGuard};
    pub(super) use loom::thread::{Thread, yield_now};
    pub(super) use std::sync::PoisonError;
}
