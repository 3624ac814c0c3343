//! Bytes that came in at the back and go out at the front: pure data, for readers and writers.
//!
//! All costs are linear in the bytes that pass through: they are moved only when at least as many have gone before them.

use std::mem;

use super::chunks::{CHUNK, give_chunk, take_chunk};

/// What is left of a stream that waits is copied out of its large buffer, up to this size.
const PARKED_MAX: usize = 16 * 1024;

#[derive(Default)]
pub(super) struct Buffer {
    /// Initialised throughout: a chunk, a larger one that had to grow, or no more than the data, while the stream waits.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buffer {
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        Self { start: 0, end: bytes.len(), bytes }
    }

    pub(super) fn data(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    pub(super) fn len(&self) -> usize {
        self.end - self.start
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The first `len` bytes, which are no longer part of the data.
    pub(super) fn take(&mut self, len: usize) -> &[u8] {
        let taken = self.start..self.start + len;
        self.consume(len);
        &self.bytes[taken]
    }

    pub(super) fn consume(&mut self, len: usize) {
        assert!(len <= self.len(), "only data can be consumed");
        self.start += len;
    }

    /// As [`Buffer::take`], as a vector of its own; without a copy if that would be a large one.
    pub(super) fn take_vec(&mut self, len: usize) -> Vec<u8> {
        if len < CHUNK || self.start > 0 || len < self.len() {
            return self.take(len).to_vec();
        }
        let mut bytes = mem::take(&mut self.bytes);
        (self.start, self.end) = (0, 0);
        bytes.truncate(len);
        if bytes.capacity() - len > len / 4 {
            bytes.shrink_to_fit();
        }
        bytes
    }

    /// Where the next bytes go: never empty. What is read into it counts after [`Buffer::filled`].
    pub(super) fn room(&mut self) -> &mut [u8] {
        if self.bytes.len() < CHUNK {
            self.unpark();
        } else {
            self.make_room();
        }
        if self.end == self.bytes.len() {
            self.bytes.resize(2 * self.end, 0);
        }
        &mut self.bytes[self.end..]
    }

    /// The first `len` bytes of the room are data.
    pub(super) fn filled(&mut self, len: usize) {
        assert!(len <= self.bytes.len() - self.end, "the room has an end");
        self.end += len;
    }

    /// Puts `data` behind what is there.
    pub(super) fn append(&mut self, data: &[u8]) {
        if data.is_empty() {
            return;
        }
        if self.bytes.is_empty() && data.len() <= CHUNK {
            self.bytes = take_chunk();
        }
        self.make_room();
        let end = self.end + data.len();
        if end <= self.bytes.len() {
            self.bytes[self.end..end].copy_from_slice(data);
        } else {
            self.bytes.truncate(self.end);
            self.bytes.extend_from_slice(data);
        }
        self.end = end;
    }

    /// Nothing will happen for a while: keeps no more memory than the data needs.
    pub(super) fn park(&mut self) {
        let len = self.len();
        if len <= PARKED_MAX && len < self.bytes.len() {
            let rest = self.data().to_vec();
            give_chunk(mem::replace(&mut self.bytes, rest));
            (self.start, self.end) = (0, len);
        }
    }

    /// Moves what was parked into a large buffer.
    fn unpark(&mut self) {
        let mut chunk = take_chunk();
        let len = self.len();
        chunk[..len].copy_from_slice(self.data());
        *self = Self { bytes: chunk, start: 0, end: len };
    }

    /// Moves the data to the front, if half of the buffer is used up and it costs no more than was consumed before.
    fn make_room(&mut self) {
        let len = self.len();
        if len == 0 || (self.end > self.bytes.len() / 2 && len <= self.start) {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, len);
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        give_chunk(mem::take(&mut self.bytes));
    }
}
