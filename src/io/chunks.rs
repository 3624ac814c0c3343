//! Spare buffers: large, initialised, and shared by all streams of a thread.
//!
//! A stream gives its buffer back while it waits for data, so ten thousand idle connections need
//! only a few buffers. A buffer still contains the bytes of its last user. This file knows nothing
//! of streams.

use std::cell::RefCell;

/// The size of a buffer: large enough that system calls do not dominate, small enough for the
/// processor's cache.
pub(super) const CHUNK: usize = 64 * 1024;

/// The number of spare buffers kept per thread.
const SPARE_MAX: usize = 8;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Returns a buffer of [`CHUNK`] bytes.
pub(crate) fn take_chunk() -> Vec<u8> {
    let spare = SPARE.try_with(|spare| spare.borrow_mut().pop());
    spare.ok().flatten().unwrap_or_else(|| vec![0; CHUNK])
}

/// Keeps `chunk` for reuse, if it has the size of a chunk and fewer than `SPARE_MAX` are spare.
pub(crate) fn give_chunk(chunk: Vec<u8>) {
    if chunk.len() != CHUNK {
        return;
    }
    let keep = |spare: &RefCell<Vec<Vec<u8>>>| {
        let mut spare = spare.borrow_mut();
        if spare.len() < SPARE_MAX {
            spare.push(chunk);
        }
    };
    // While the thread is exiting, the buffer is freed instead.
    SPARE.try_with(keep).ok();
}
