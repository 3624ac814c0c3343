//! Where the newlines are: a search that looks at each byte once, however the data comes and however often somebody asks.
//!
//! The standard library offers no fast search for a byte, and `unsafe` or another crate is too much for it. So it goes by blocks of
//! 64 bytes, in loops that the compiler turns into vector instructions: one says whether a block has the byte at all, and one
//! where, as a mask with a bit for each place. A mask finds all the lines of a block, which makes short ones cheap.

const BLOCK: usize = 64;

/// Finds the newlines in the data of a reader, which comes in at the back and goes out at the front.
#[derive(Default)]
pub(super) struct Newlines {
    /// So much from the front has been searched.
    searched: usize,
    /// Which of the last `BLOCK` bytes that were searched are newlines: the highest bit means the last one. Those before
    /// have none, as they were consumed or were no newlines.
    mask: u64,
}

impl Newlines {
    /// The place of the first newline.
    pub(super) fn first(&mut self, data: &[u8]) -> Option<usize> {
        while self.mask == 0 && self.searched < data.len() {
            let rest = &data[self.searched..];
            let (block, len) = match rest.first_chunk() {
                Some(block) => (*block, BLOCK),
                None => (padded(rest), rest.len()),
            };
            if has(&block, b'\n') {
                self.mask = mask(&block, b'\n') << (BLOCK - len);
            }
            self.searched += len;
        }
        let newline = self.searched + self.mask.trailing_zeros() as usize;
        (self.mask != 0).then(|| newline - BLOCK)
    }

    /// So much has gone at the front.
    pub(super) fn consume(&mut self, len: usize) {
        self.searched = self.searched.saturating_sub(len);
        // Those at the front of what is left stand in the highest bits.
        match self.searched {
            0 => self.mask = 0,
            left if left < BLOCK => self.mask &= u64::MAX << (BLOCK - left),
            _ => {}
        }
    }

    pub(super) fn searched(&self) -> usize {
        self.searched
    }
}

fn padded(data: &[u8]) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    block[..data.len()].copy_from_slice(data);
    block
}

/// The place of the first `byte`.
pub(super) fn position(byte: u8, data: &[u8]) -> Option<usize> {
    let mut rest = data;
    while let Some((block, after)) = rest.split_first_chunk() {
        if has(block, byte) {
            break;
        }
        rest = after;
    }
    let at = rest.iter().position(|&other| other == byte)?;
    Some(data.len() - rest.len() + at)
}

fn has(block: &[u8; BLOCK], byte: u8) -> bool {
    // Without a way out in the middle, so that it needs no branches.
    block.iter().fold(0_u8, |found, &other| found | u8::from(other == byte)) != 0
}

fn mask(block: &[u8; BLOCK], byte: u8) -> u64 {
    let equal = block.map(|other| u8::from(other == byte));
    let mut mask = 0;
    let mut words = &equal[..];
    while let Some((before, &word)) = words.split_last_chunk() {
        // The lowest bit of each byte of the word, collected in the highest byte of the product.
        let bits = u64::from_le_bytes(word).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        mask = mask << 8 | bits;
        words = before;
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_has_a_bit_for_each_place() {
        for place in 0..BLOCK {
            let mut block = [b'x'; BLOCK];
            assert!(!has(&block, b'\n'));
            block[place] = b'\n';
            block[BLOCK - 1 - place] = b'\n';
            assert!(has(&block, b'\n'));
            assert_eq!(mask(&block, b'\n'), 1 << place | 1 << (BLOCK - 1 - place));
        }
        assert_eq!(mask(&[7; BLOCK], 7), u64::MAX);
    }

    #[test]
    fn a_position_is_found_in_blocks_and_behind_them() {
        for len in 0..200 {
            let mut data = vec![0; len];
            assert_eq!(position(1, &data), None);
            for place in (0..len).rev() {
                data[place] = 1;
                assert_eq!(position(1, &data), Some(place));
            }
        }
    }
}
