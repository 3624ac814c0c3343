//! A queue of bytes, filled at the back and emptied at the front: pure data, for readers and
//! writers.
//!
//! All costs are linear in the bytes that pass through: bytes are moved only after at least as many
//! have left in front of them.

use std::mem;

use super::chunks::{CHUNK, give_chunk, take_chunk};

/// When a stream waits, its remaining data is copied out of the large buffer if it is no longer
/// than this.
const PARKED_MAX: usize = 16 * 1024;

#[derive(Default)]
pub(super) struct Buffer {
    /// Initialised throughout. Either a chunk, a larger buffer that had to grow, or exactly the
    /// data, while the stream waits.
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

    /// Removes the first `len` bytes and returns them.
    pub(super) fn take(&mut self, len: usize) -> &[u8] {
        let taken = self.start..self.start + len;
        self.consume(len);
        &self.bytes[taken]
    }

    pub(super) fn consume(&mut self, len: usize) {
        assert!(len <= self.len(), "only data can be consumed");
        self.start += len;
    }

    /// Like [`Buffer::take`], but returns a separate vector. A large vector is handed over without
    /// copying.
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

    /// Returns the room for the next bytes, which is never empty. Bytes read into it count as data
    /// after [`Buffer::filled`].
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

    /// Makes the first `len` bytes of the room data.
    pub(super) fn filled(&mut self, len: usize) {
        assert!(len <= self.bytes.len() - self.end, "the room has an end");
        self.end += len;
    }

    /// Appends `data`.
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

    /// Shrinks the memory to the size of the data, for a stream that will wait for a while.
    pub(super) fn park(&mut self) {
        let len = self.len();
        if len <= PARKED_MAX && len < self.bytes.len() {
            let rest = self.data().to_vec();
            give_chunk(mem::replace(&mut self.bytes, rest));
            (self.start, self.end) = (0, len);
        }
    }

    /// Moves the parked data into a large buffer.
    fn unpark(&mut self) {
        let mut chunk = take_chunk();
        let len = self.len();
        chunk[..len].copy_from_slice(self.data());
        *self = Self { bytes: chunk, start: 0, end: len };
    }

    /// Moves the data to the front, if half of the buffer is used up and the move costs no more
    /// than was consumed before.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns pseudo-random numbers.
    fn next(seed: &mut u64) -> usize {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(*seed >> 40).unwrap_or(0)
    }

    #[test]
    fn it_gives_back_what_came_in_whatever_happens_between() {
        let mut seed = 1;
        for _ in 0..40 {
            let (mut buffer, mut model) = (Buffer::default(), Vec::new());
            for _ in 0..100 {
                let len = next(&mut seed) % 40_000;
                let byte = next(&mut seed).to_le_bytes()[0];
                match next(&mut seed) % 5 {
                    0 => {
                        let room = buffer.room();
                        let len = len.min(room.len());
                        room[..len].fill(byte);
                        buffer.filled(len);
                        model.extend(vec![byte; len]);
                    }
                    1 => {
                        buffer.append(&vec![byte; len]);
                        model.extend(vec![byte; len]);
                    }
                    2 => buffer.park(),
                    3 => {
                        let len = len.min(model.len());
                        assert!(buffer.take(len) == &model[..len]);
                        model.drain(..len);
                    }
                    _ => {
                        let len = len.min(model.len());
                        assert!(buffer.take_vec(len) == model[..len]);
                        model.drain(..len);
                    }
                }
                assert!(buffer.data() == model);
            }
        }
    }

    #[test]
    fn what_passes_through_takes_no_more_room_with_time() {
        let mut buffer = Buffer::default();
        for _ in 0..1000 {
            let len = buffer.room().len();
            assert!(len > 0);
            buffer.filled(len);
            // A part of a line remains.
            buffer.consume(buffer.len() - 1000);
        }
        assert_eq!(buffer.bytes.len(), CHUNK);
    }

    #[test]
    fn while_it_waits_it_holds_the_data_and_no_more() {
        let mut buffer = Buffer::default();
        buffer.room().fill(7);
        buffer.filled(10);
        buffer.park();
        assert_eq!((buffer.bytes.capacity(), buffer.data()), (10, &[7; 10][..]));
        assert_eq!(buffer.room().len(), CHUNK - 10);
        buffer.consume(10);
        buffer.park();
        assert_eq!(buffer.bytes.capacity(), 0);
    }

    #[test]
    fn a_large_vector_is_handed_over_and_not_copied() {
        let mut buffer = Buffer::of(vec![1; 10 * CHUNK]);
        let at = buffer.data().as_ptr();
        let taken = buffer.take_vec(10 * CHUNK);
        assert_eq!(taken.as_ptr(), at);
        assert!(buffer.is_empty());
    }
}
