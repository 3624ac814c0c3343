//! The buffers that wait for use: large, initialised, and shared by all streams of a thread.
//!
//! A stream that waits for data gives its buffer back, so that ten thousand idle connections need a few of them. The
//! contents are what the last user left. This file knows nothing of streams.

use std::cell::RefCell;

/// The size of a buffer: large enough that the system calls do not count, small enough for the processor's cache.
pub(super) const CHUNK: usize = 64 * 1024;

/// So many of them are kept for later.
const SPARE_MAX: usize = 8;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer of [`CHUNK`] bytes.
pub(crate) fn take_chunk() -> Vec<u8> {
    let spare = SPARE.try_with(|spare| spare.borrow_mut().pop());
    spare.ok().flatten().unwrap_or_else(|| vec![0; CHUNK])
}

/// Keeps it for the next one who wants such a buffer, if it is one, and not too many are there.
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
    // While the thread ends, the buffer is freed.
    SPARE.try_with(keep).ok();
}
