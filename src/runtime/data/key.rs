//! Keys: the plain 64-bit data that leaves the event loop in place of pointers.
//!
//! ```text
//! a waker    registry index (12 bits) | serial (20 bits) | slot (32 bits)
//! a handle   run number     (32 bits: registry index 12, generation 20) | slot (32 bits)
//! ```
//!
//! A waker's serial tells one tenant of a slot from the next. A handle keeps its slot reserved, so it
//! needs none; it has the run number instead, so that a handle that outlives its loop never reaches a
//! later loop's slot. This file knows the bits and nothing of what lies in a slot.

use std::fmt;

/// How many loops a process can have at once is bounded by these bits.
pub(crate) const INDEX_BITS: u32 = 12;
/// How many loops there can be at a time, and two more.
pub(crate) const PLACES: u16 = 1 << INDEX_BITS;

/// The index that no loop has: the first, so that the key 0 is nobody's.
pub(crate) const NO_INDEX: u16 = 0;

/// Another index that no loop has: it marks a stored foreign waker.
pub(crate) const FOREIGN_INDEX: u16 = PLACES - 1;

const SERIAL_BITS: u32 = 20;
const SERIAL_MASK: u32 = (1 << SERIAL_BITS) - 1;

/// A slab's index as a slot number: a slab of 2^32 entries would need at least 96 GiB.
#[expect(clippy::cast_possible_truncation, reason = "no slab of ours gets that large")]
pub(crate) fn slot(index: usize) -> u32 {
    index as u32
}

/// A slot number that no slab ever gives out.
pub(crate) const NO_SLOT: u32 = u32::MAX;

/// Which loop: its place in the registry, and which tenant of that place it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RunNumber(u32);

impl RunNumber {
    pub(crate) fn new(index: u16, generation: u32) -> Self {
        Self(u32::from(index) << SERIAL_BITS | generation & SERIAL_MASK)
    }

    pub(crate) fn index(self) -> u16 {
        // The shift leaves 12 bits.
        (self.0 >> SERIAL_BITS) as u16
    }

    pub(crate) fn generation(self) -> u32 {
        self.0 & SERIAL_MASK
    }
}

impl fmt::Debug for RunNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index(), self.generation())
    }
}

/// Tells one tenant of a slot from the next. Wraps: two tenants of one slot share a serial once in a
/// million, and then a stale waker polls a task once too often, which is harmless.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub(crate) struct Serial(u32);

impl Serial {
    pub(crate) const FIRST: Self = Self(1);

    pub(crate) fn next(self) -> Self {
        Self(self.0.wrapping_add(1) & SERIAL_MASK)
    }

    pub(crate) fn number(self) -> u32 {
        self.0
    }

    pub(crate) fn from_number(number: u32) -> Self {
        Self(number & SERIAL_MASK)
    }
}

/// What a waker carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub(crate) struct WakerKey(u64);

impl WakerKey {
    pub(crate) fn new(index: u16, serial: Serial, slot: u32) -> Self {
        Self(u64::from(index) << 52 | u64::from(serial.0) << 32 | u64::from(slot))
    }

    pub(crate) const fn from_word(word: u64) -> Self {
        Self(word)
    }

    pub(crate) fn word(self) -> u64 {
        self.0
    }

    pub(crate) fn index(self) -> u16 {
        // The shift leaves 12 bits.
        (self.0 >> 52) as u16
    }

    pub(crate) fn serial(self) -> Serial {
        Serial((self.0 >> 32) as u32 & SERIAL_MASK)
    }

    pub(crate) fn slot(self) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "the slot is the low half")]
        let slot = self.0 as u32;
        slot
    }
}

/// What a handle carries: `Task`, a socket's registration, `Sleep`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct HandleKey {
    pub(crate) run: RunNumber,
    pub(crate) slot: u32,
}

const _: () = assert!(size_of::<HandleKey>() == 8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waker_key_gives_back_its_three_parts() {
        let serial = Serial(0xA_BCDE);
        for (index, slot) in [(0, 0), (1, u32::MAX), (0xFFF, 7), (0x800, 0x8000_0000)] {
            let key = WakerKey::new(index, serial, slot);
            let again = WakerKey::from_word(key.word());
            assert_eq!((again.index(), again.serial(), again.slot()), (index, serial, slot));
        }
    }

    #[test]
    fn a_run_number_gives_back_its_two_parts() {
        let run = RunNumber::new(0xABC, 0x12_3456);
        assert_eq!((run.index(), run.generation()), (0xABC, 0x2_3456), "a generation has 20 bits");
    }

    #[test]
    fn serials_wrap_at_20_bits() {
        let mut serial = Serial(SERIAL_MASK - 1);
        serial = serial.next();
        assert_eq!(serial.number(), SERIAL_MASK);
        assert_eq!(serial.next().number(), 0);
    }
}
