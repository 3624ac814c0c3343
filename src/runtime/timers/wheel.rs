//! The timer wheel: eight levels of 64 slots; a slot of level 0 spans 2^16 ns (65 us), one of level n 64 times
//! as much as one of level n - 1. Together they span every deadline that 64 bits can express.
//!
//! The wheel stands at a tick (65 us). Each timer lies at the level of the highest digit (base 64) in which its own tick
//! differs from the wheel's, so every level's timers are later than all of the level below, and the first occupied slot
//! of the lowest occupied level holds the earliest. When the wheel reaches a slot, its timers move down.
//!
//! The lists of the slots are linked through the timers' own slots in the slab, whatever those are.

use std::mem;

use crate::runtime::clock::Nanos;
use crate::runtime::key::NO_SLOT;

const TICK_BITS: u32 = 16;
const DIGIT_BITS: u32 = 6;
const SLOTS: usize = 1 << DIGIT_BITS;
const LEVELS: usize = 8;
const _: () = assert!(TICK_BITS + DIGIT_BITS * LEVELS as u32 == Nanos::BITS);

/// So many timers of a slot are looked at for the exact next deadline; more would make parking slow.
const LOOKED_AT: usize = 32;

pub(super) struct Wheel {
    /// Everything due before this tick, and in it, has left the wheel.
    tick: u64,
    /// A bit for each slot that is not empty.
    occupied: [u64; LEVELS],
    heads: [[u32; SLOTS]; LEVELS],
}

/// A timer's place in the list of its slot.
#[derive(Clone, Copy)]
pub(super) struct Links {
    pub(super) next: u32,
    previous: u32,
}

impl Links {
    pub(super) const NONE: Self = Self { next: NO_SLOT, previous: NO_SLOT };
}

/// Where the timers are: the wheel itself holds only the heads of lists.
pub(super) trait Linked {
    fn deadline(&self, slot: u32) -> Nanos;
    fn links(&mut self, slot: u32) -> &mut Links;
    /// Where the timer's list begins: level and slot of the wheel.
    fn list(&mut self, slot: u32) -> &mut u16;
    fn next(&self, slot: u32) -> Option<u32>;
}

impl Default for Wheel {
    fn default() -> Self {
        Self { tick: 0, occupied: [0; LEVELS], heads: [[NO_SLOT; SLOTS]; LEVELS] }
    }
}

impl Wheel {
    /// Inserts the timer, unless it is due in the wheel's present tick or before: then says `false`.
    #[must_use]
    pub(super) fn insert<T: Linked>(&mut self, timers: &mut T, timer: u32) -> bool {
        let tick = timers.deadline(timer) >> TICK_BITS;
        if tick <= self.tick {
            return false;
        }
        let highest_bit = (tick ^ self.tick).ilog2();
        let level = (highest_bit / DIGIT_BITS) as usize;
        let slot = digit(tick, level);
        let next = mem::replace(&mut self.heads[level][slot], timer);
        self.occupied[level] |= 1 << slot;
        if next != NO_SLOT {
            timers.links(next).previous = timer;
        }
        *timers.links(timer) = Links { next, previous: NO_SLOT };
        // Eight levels of 64 slots: 512 lists.
        *timers.list(timer) = (level * SLOTS + slot) as u16;
        true
    }

    pub(super) fn remove(&mut self, timers: &mut impl Linked, timer: u32) {
        let Links { next, previous } = *timers.links(timer);
        if next != NO_SLOT {
            timers.links(next).previous = previous;
        }
        if previous != NO_SLOT {
            timers.links(previous).next = next;
            return;
        }
        let list = usize::from(*timers.list(timer));
        let (level, slot) = (list / SLOTS, list % SLOTS);
        self.heads[level][slot] = next;
        if next == NO_SLOT {
            self.occupied[level] &= !(1 << slot);
        }
    }

    /// Turns the wheel to `now`; hands over every timer whose tick has come, in no particular order.
    pub(super) fn advance<T: Linked>(
        &mut self,
        timers: &mut T,
        now: Nanos,
        mut due: impl FnMut(&mut T, u32),
    ) {
        let target = now >> TICK_BITS;
        while let Some((level, slot, start)) = self.first_slot() {
            if start > target {
                break;
            }
            self.tick = start;
            self.occupied[level] &= !(1 << slot);
            let mut next = mem::replace(&mut self.heads[level][slot], NO_SLOT);
            while next != NO_SLOT {
                let timer = next;
                next = timers.links(timer).next;
                if !self.insert(timers, timer) {
                    due(timers, timer);
                }
            }
        }
        self.tick = self.tick.max(target);
    }

    pub(super) fn next_deadline(&self, timers: &impl Linked) -> Option<Nanos> {
        let (level, slot, start) = self.first_slot()?;
        let mut earliest = Nanos::MAX;
        let mut timer = Some(self.heads[level][slot]);
        for _ in 0..LOOKED_AT {
            let Some(this) = timer else { return Some(earliest) };
            earliest = earliest.min(timers.deadline(this));
            timer = timers.next(this);
        }
        Some(if timer.is_none() { earliest } else { start << TICK_BITS })
    }

    /// Level, slot and first tick of the slot that comes up first.
    fn first_slot(&self) -> Option<(usize, usize, u64)> {
        let level = self.occupied.iter().position(|&slots| slots != 0)?;
        let slot = self.occupied[level].trailing_zeros() as usize;
        let shift = DIGIT_BITS * level as u32;
        // The digits above the level are the wheel's own, those below are zero.
        let above = (self.tick >> shift >> DIGIT_BITS) << DIGIT_BITS;
        Some((level, slot, (above | slot as u64) << shift))
    }
}

fn digit(tick: u64, level: usize) -> usize {
    (tick >> (DIGIT_BITS * level as u32)) as usize % SLOTS
}
