//! Keys: the plain 64-bit data that leaves the event loop in place of pointers.
//!
//! ```text
//! a waker    registry index (12 bits) | serial (20 bits) | slot (32 bits)
//! a handle   run number     (64 bits: registry index 12, generation 52) | slot (32 bits)
//! a task     run number     (64 bits) | task number (52 bits) | slot (32 bits)
//! ```
//!
//! A waker's serial tells one tenant of a slot from the next. It wraps, which is harmless for a
//! waker: a stale wake polls a task once too often. Keys that are compared for identity have
//! numbers that never repeat: 52 bits last 142 years at a million a second. A handle keeps its slot
//! reserved, so its run number is enough: a handle that outlives its loop never reaches a slot of a
//! later loop. This file knows the bits, and nothing of the contents of a slot.

use std::fmt;
use std::num::NonZeroU64;

/// The number of bits of a registry index. It bounds the number of loops that a process can have at
/// once.
pub(crate) const INDEX_BITS: u32 = 12;
/// The number of registry indices: the most loops at a time, and the two indices below that no loop
/// has.
pub(crate) const PLACES: u16 = 1 << INDEX_BITS;

/// An index that no loop has: the first, so that the key 0 belongs to no task.
pub(crate) const NO_INDEX: u16 = 0;

/// Another index that no loop has. It marks a stored foreign waker.
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

/// The bits of a number that never repeats: those that a registry index leaves of 64.
const NUMBER_BITS: u32 = u64::BITS - INDEX_BITS;
const NUMBER_MASK: u64 = (1 << NUMBER_BITS) - 1;

/// Identifies a loop: its place in the registry, and which tenant of that place it is.
///
/// Packed to four bytes, so that a handle takes twelve and a `Sleep` sixteen.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(C, packed(4))]
pub(crate) struct RunNumber(NonZeroU64);

impl RunNumber {
    pub(crate) fn new(index: u16, generation: u64) -> Self {
        let word = u64::from(index) << NUMBER_BITS | generation & NUMBER_MASK;
        // No loop has the index 0.
        Self(NonZeroU64::new(word).unwrap_or(NonZeroU64::MIN))
    }

    pub(crate) fn index(self) -> u16 {
        // The shift leaves 12 bits.
        (self.word() >> NUMBER_BITS) as u16
    }

    pub(crate) fn generation(self) -> u64 {
        self.word() & NUMBER_MASK
    }

    fn word(self) -> u64 {
        let Self(word) = self;
        word.get()
    }
}

impl fmt::Debug for RunNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index(), self.generation())
    }
}

/// Tells one tenant of a slot from the next. It wraps: two tenants of a slot share a serial once in
/// a million. A stale waker then polls a task once too often, which is harmless.
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

    /// How many serials lie between `earlier` and this one, at least.
    pub(crate) fn since(self, earlier: Self) -> u32 {
        self.0.wrapping_sub(earlier.0) & SERIAL_MASK
    }
}

/// The number of a task, or of a member of a gathering. Numbers never repeat at one place in the
/// registry, across all loops that have that place in turn, and later ones are larger.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub(crate) struct TaskNumber(u64);

impl TaskNumber {
    pub(crate) const FIRST: Self = Self(1);

    /// The number after this one. A loop never uses up all 2^52.
    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }

    #[cfg(test)]
    pub(crate) fn after(self, count: u64) -> Self {
        Self(self.0 + count)
    }

    pub(crate) fn number(self) -> u64 {
        self.0
    }

    /// The part of the number that fits into a waker.
    pub(crate) fn serial(self) -> Serial {
        #[expect(clippy::cast_possible_truncation, reason = "the serial is the low bits")]
        let low = self.0 as u32;
        Serial(low & SERIAL_MASK)
    }
}

/// Which tenant a slot has, whether it is in a queue, and whether that queue is a ready list. All
/// of it is in one word, because together it decides the effect of a wake.
#[derive(Clone, Copy)]
pub(crate) struct Tenancy(u64);

impl Tenancy {
    const QUEUED: u64 = 1 << 63;
    const MEMBER: u64 = 1 << 62;

    pub(crate) fn new(number: TaskNumber) -> Self {
        Self(number.0)
    }

    pub(crate) fn number(self) -> TaskNumber {
        TaskNumber(self.0 & !(Self::QUEUED | Self::MEMBER))
    }

    pub(crate) fn serial(self) -> Serial {
        self.number().serial()
    }

    pub(crate) fn is_queued(self) -> bool {
        self.0 & Self::QUEUED != 0
    }

    /// Marks the tenant as queued. Returns `false` if it was queued already.
    pub(crate) fn queue(&mut self) -> bool {
        let was_queued = self.is_queued();
        self.0 |= Self::QUEUED;
        !was_queued
    }

    /// Like [`Tenancy::queue`], but only if the tenant has the serial of `key`.
    #[inline]
    pub(crate) fn queue_if(&mut self, key: WakerKey) -> bool {
        // One comparison for both conditions: equal serials, and not queued.
        let is_idle = (self.0 ^ key.0 >> 32) & (Self::QUEUED | u64::from(SERIAL_MASK)) == 0;
        if is_idle {
            self.0 |= Self::QUEUED;
        }
        is_idle
    }

    /// From now on, wakes of the tenant go to a ready list.
    pub(crate) fn begin_membership(&mut self) {
        self.0 |= Self::MEMBER;
    }

    /// From now on, wakes of the tenant go to the run queue.
    pub(crate) fn end_membership(&mut self) {
        self.0 &= !Self::MEMBER;
    }

    pub(crate) fn is_member(self) -> bool {
        self.0 & Self::MEMBER != 0
    }

    pub(crate) fn unqueue(&mut self) {
        self.0 &= !Self::QUEUED;
    }
}

/// The contents of a waker.
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

    pub(crate) fn with_serial(self, serial: Serial) -> Self {
        Self::new(self.index(), serial, self.slot())
    }

    pub(crate) fn slot(self) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "the slot is the low half")]
        let slot = self.0 as u32;
        slot
    }
}

/// The contents of a handle: a `Task`, a socket's registration, a `Sleep`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct HandleKey {
    pub(crate) run: RunNumber,
    pub(crate) slot: u32,
}

const _: () = assert!(size_of::<HandleKey>() == 12);
const _: () = assert!(size_of::<Option<HandleKey>>() == 12);

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
        let run = RunNumber::new(0xABC, 0xF_1234_5678_9ABC);
        assert_eq!((run.index(), run.generation()), (0xABC, 0xF_1234_5678_9ABC));
        assert_ne!(run, RunNumber::new(0xABC, 0xF_1234_5678_9ABC - (1 << SERIAL_BITS)));
    }

    #[test]
    fn a_task_number_outlives_the_serials_of_its_wakers() {
        let first = TaskNumber(0xF_0000_1234_5678);
        let later = TaskNumber(first.0 + (1 << SERIAL_BITS));
        assert_eq!(first.serial(), later.serial(), "to a waker they are one");
        assert!(first < later);
        assert_eq!(first.serial().number(), 0x4_5678);
        assert_eq!(first.next().number(), first.0 + 1);
    }

    #[test]
    fn a_tenancy_is_queued_once_and_only_for_its_own_serial() {
        let number = TaskNumber(0xF_FFFF_FFFF_FFFF);
        let mut tenancy = Tenancy::new(number);
        let key = |number: TaskNumber| WakerKey::new(0xABC, number.serial(), 0xFFFF_FFFF);
        assert!(!tenancy.queue_if(key(number.next())) && !tenancy.is_queued());
        assert!(tenancy.queue_if(key(number)) && tenancy.is_queued());
        assert!(!tenancy.queue_if(key(number)) && !tenancy.queue());
        assert_eq!((tenancy.number(), tenancy.serial()), (number, number.serial()));
        tenancy.unqueue();
        assert!(!tenancy.is_queued() && tenancy.queue() && !tenancy.queue());
        tenancy.begin_membership();
        assert!(tenancy.is_member() && tenancy.is_queued() && tenancy.number() == number);
        tenancy.end_membership();
        assert!(!tenancy.is_member() && tenancy.is_queued() && tenancy.number() == number);
    }

    #[test]
    fn serials_wrap_at_20_bits() {
        let mut serial = Serial(SERIAL_MASK - 1);
        serial = serial.next();
        assert_eq!(serial.number(), SERIAL_MASK);
        assert_eq!(serial.next().number(), 0);
    }
}
