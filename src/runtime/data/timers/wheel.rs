//! The timer wheel: eight levels of 64 slots. A slot of level 0 spans 2^16 ns (65 us), and a slot
//! of level n spans 64 times as much as one of level n - 1. Together they span every deadline that
//! 64 bits can express.
//!
//! The wheel stands at a tick (65 us). Each timer is at the level of the highest digit (base 64) in
//! which its own tick differs from the wheel's. So the timers of every level are later than all of
//! the level below, and the first occupied slot of the lowest occupied level holds the earliest.
//! When the wheel reaches a slot, its timers move down.
//!
//! A slot lists the numbers of its timers, which are stored elsewhere. Linked lists would need no
//! memory for that, but following one is a chain of cache misses, one after the other. With a list
//! of numbers, the cache misses overlap.

use std::mem;

use crate::runtime::data::clock::Nanos;
use crate::runtime::data::key;
use crate::runtime::data::room::trim_list_to;

const TICK_BITS: u32 = 16;
const DIGIT_BITS: u32 = 6;
const SLOTS: usize = 1 << DIGIT_BITS;
const LEVELS: usize = 8;
const _: () = assert!(TICK_BITS as usize + DIGIT_BITS as usize * LEVELS == Nanos::BITS as usize);

/// How many timers of a slot are searched for the exact next deadline. More would slow parking
/// down.
const LOOKED_AT: usize = 32;

/// How many timers an emptied slot keeps room for.
const KEPT_ROOM: usize = 256;

pub(crate) struct Wheel {
    /// All timers that are due in this tick or before have left the wheel.
    tick: u64,
    /// For each level, a bit for each slot that is not empty.
    occupied: [u64; LEVELS],
    /// The slots of all levels.
    slots: Vec<Vec<u32>>,
}

/// The place of a timer in the wheel. Packed into six bytes, which leaves the rest of the timer
/// enough room.
#[derive(Clone, Copy, Default)]
#[repr(C, packed(2))]
pub(crate) struct Position {
    index: u32,
    slot: u16,
}

/// The timers, by their numbers.
pub(crate) trait Timers {
    fn deadline(&self, timer: u32) -> Nanos;
    fn position(&mut self, timer: u32) -> &mut Position;
}

impl Default for Wheel {
    fn default() -> Self {
        Self { tick: 0, occupied: [0; LEVELS], slots: vec![Vec::new(); LEVELS * SLOTS] }
    }
}

impl Wheel {
    /// Inserts the timer. Returns `false`, and does not insert it, if it is due in the wheel's
    /// current tick or before.
    #[must_use]
    pub(crate) fn insert(&mut self, timers: &mut impl Timers, timer: u32) -> bool {
        let tick = timers.deadline(timer) >> TICK_BITS;
        if tick <= self.tick {
            return false;
        }
        let highest_bit = (tick ^ self.tick).ilog2();
        let level = highest_bit / DIGIT_BITS;
        let digit = (tick >> (DIGIT_BITS * level)) as usize % SLOTS;
        self.occupied[level as usize] |= 1 << digit;
        let slot = level as usize * SLOTS + digit;
        let list = &mut self.slots[slot];
        #[expect(clippy::cast_possible_truncation, reason = "the wheel has 512 slots")]
        let place = slot as u16;
        *timers.position(timer) = Position { index: key::slot(list.len()), slot: place };
        list.push(timer);
        true
    }

    pub(crate) fn remove(&mut self, timers: &mut impl Timers, timer: u32) {
        let Position { index, slot } = *timers.position(timer);
        let slot = usize::from(slot);
        let list = &mut self.slots[slot];
        list.swap_remove(index as usize);
        if let Some(&moved) = list.get(index as usize) {
            timers.position(moved).index = index;
        } else if list.is_empty() {
            self.occupied[slot / SLOTS] &= !(1 << (slot % SLOTS));
        }
        trim_list_to(list, KEPT_ROOM);
    }

    /// Turns the wheel to `now`, and returns every timer whose tick has come, in no particular
    /// order.
    pub(crate) fn advance<T: Timers>(
        &mut self,
        timers: &mut T,
        now: Nanos,
        mut due: impl FnMut(&mut T, u32),
    ) {
        let target = now >> TICK_BITS;
        while let Some((slot, start)) = self.first_slot() {
            if start > target {
                break;
            }
            self.tick = start;
            self.occupied[slot / SLOTS] &= !(1 << (slot % SLOTS));
            let mut list = mem::take(&mut self.slots[slot]);
            for timer in list.drain(..) {
                if !self.insert(timers, timer) {
                    due(timers, timer);
                }
            }
            if list.capacity() <= KEPT_ROOM {
                self.slots[slot] = list;
            }
        }
        self.tick = self.tick.max(target);
    }

    pub(crate) fn next_deadline(&self, timers: &impl Timers) -> Option<Nanos> {
        let (slot, start) = self.first_slot()?;
        let list = &self.slots[slot];
        if list.len() > LOOKED_AT {
            return Some(start << TICK_BITS);
        }
        list.iter().map(|&timer| timers.deadline(timer)).min()
    }

    /// The slot that comes up first, and its first tick.
    fn first_slot(&self) -> Option<(usize, u64)> {
        let level = self.occupied.iter().position(|&slots| slots != 0)?;
        let digit = self.occupied[level].trailing_zeros() as usize;
        let shift = DIGIT_BITS as usize * level;
        // The digits above the level are the wheel's own, and the digits below are zero.
        let above = (self.tick >> shift >> DIGIT_BITS) << DIGIT_BITS;
        Some((level * SLOTS + digit, (above | digit as u64) << shift))
    }
}
