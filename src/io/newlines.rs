//! Finds newlines, looking at each byte once, however the data arrives and however often a caller
//! asks.
//!
//! The standard library has no fast search for a byte, and this alone justifies neither `unsafe`
//! nor another crate. The search therefore goes by blocks, in loops without early exit that the
//! compiler turns into vector instructions, and finally by words.

const BLOCK: usize = 64;
/// Short lines end within the first block of this size.
const PART: usize = 16;
/// A word in which the lowest bit of each byte is set.
const ONES: u64 = u64::MAX / 0xff;

/// Finds newlines in a reader's data, which arrives at the back and leaves at the front.
#[derive(Default)]
pub(super) struct Newlines {
    /// How many bytes at the front contain no newline.
    searched: usize,
}

impl Newlines {
    /// Returns the position of the first newline.
    pub(super) fn first(&mut self, data: &[u8]) -> Option<usize> {
        let found = position(b'\n', &data[self.searched..]);
        self.searched += found.unwrap_or(data.len() - self.searched);
        found.map(|_| self.searched)
    }

    /// Notes that `len` bytes have left at the front.
    pub(super) fn consume(&mut self, len: usize) {
        self.searched = self.searched.saturating_sub(len);
    }

    pub(super) fn searched(&self) -> usize {
        self.searched
    }
}

/// Returns the position of the first `byte`.
#[inline]
pub(super) fn position(byte: u8, data: &[u8]) -> Option<usize> {
    let mut rest = data;
    while let Some((part, after)) = rest.split_first_chunk::<PART>() {
        if has(part, byte) {
            break;
        }
        rest = after;
        while let Some((block, after)) = rest.split_first_chunk::<BLOCK>() {
            if has(block, byte) {
                break;
            }
            rest = after;
        }
    }
    let at = position_by_words(byte, rest)?;
    Some(data.len() - rest.len() + at)
}

fn has<const N: usize>(block: &[u8; N], byte: u8) -> bool {
    block.iter().fold(0_u8, |found, &other| found | u8::from(other == byte)) != 0
}

#[inline]
fn position_by_words(byte: u8, data: &[u8]) -> Option<usize> {
    let mut rest = data;
    while let Some((word, after)) = rest.split_first_chunk() {
        // An equal byte becomes zero, and the first zero byte is the first to borrow.
        let differs = u64::from_le_bytes(*word) ^ (ONES * u64::from(byte));
        let zeros = differs.wrapping_sub(ONES) & !differs & (ONES << 7);
        if zeros != 0 {
            let at = zeros.trailing_zeros() as usize / 8;
            return Some(data.len() - rest.len() + at);
        }
        rest = after;
    }
    let at = rest.iter().position(|&other| other == byte)?;
    Some(data.len() - rest.len() + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_found_in_blocks_and_behind_them() {
        for len in 0..200 {
            // Bytes that differ from the searched one in one bit, and bytes through which a borrow
            // propagates.
            for other in [0, 2, 3, 0x80, 0x81, 0xff] {
                let mut data = vec![other; len];
                assert_eq!(position(1, &data), None);
                for place in (0..len).rev() {
                    data[place] = 1;
                    assert_eq!(position(1, &data), Some(place));
                }
            }
        }
    }

    #[test]
    fn no_byte_is_looked_at_twice() {
        let mut newlines = Newlines::default();
        assert_eq!((newlines.first(b"abc"), newlines.searched()), (None, 3));
        // The searched bytes differ now, but are not looked at again.
        assert_eq!(newlines.first(b"\n\n\ndef\n"), Some(6));
        assert_eq!(newlines.first(b"\n\n\ndef\n"), Some(6), "as often as it is asked");
        newlines.consume(2);
        assert_eq!(newlines.first(b"\ndef\n"), Some(4));
        newlines.consume(5);
        assert_eq!(newlines.first(b"\n"), Some(0));
    }
}
