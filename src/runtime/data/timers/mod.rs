//! The timers of a loop: pure data. The time is a parameter here, never read.
//!
//! A timer waits in the [`Wheel`] until its slot of 65 us comes up; insert and cancel take constant
//! time there. Then it moves to a small heap, which is ordered by deadline and, among equals, by
//! the order of arming. The heap makes the order exact instead of rounded to a slot. A timer that
//! is already due when it is armed goes to the heap at once.

mod wheel;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::runtime::data::clock::{NEVER, Nanos};
use crate::runtime::data::key;
use crate::runtime::data::room::{Slots, trim_heap};
use crate::runtime::data::waiter::Waiter;
use wheel::{Position, Wheel};

/// The heap removes cancelled timers when it has more of them than this, and more than live ones.
const STALE_MAX: usize = 64;

/// The timers of one loop.
#[derive(Default)]
pub(crate) struct Timers {
    slots: Slots<Timer>,
    wheel: Wheel,
    heap: BinaryHeap<Reverse<Due>>,
    /// The number of cancelled entries in the heap.
    stale: usize,
    sequence: u64,
}

struct Timer {
    deadline: Nanos,
    waiter: Waiter,
    position: Position,
    sequence: u64,
    stage: Stage,
}

const _: () = assert!(size_of::<Option<Timer>>() == 32);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Its deadline never comes, so it is in neither the wheel nor the heap.
    Never,
    InWheel,
    InHeap,
    Expired,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    deadline: Nanos,
    /// The order of arming, for two timers with the same deadline.
    sequence: u64,
    slot: u32,
}

impl Timers {
    /// Arms a timer and returns its slot, which stays reserved until [`Timers::remove`].
    pub(crate) fn arm(&mut self, deadline: Nanos, waiter: Waiter) -> u32 {
        let sequence = self.sequence;
        self.sequence += 1;
        let (position, stage) = (Position::default(), Stage::InWheel);
        let timer = Timer { deadline, waiter, position, sequence, stage };
        let slot = key::slot(self.slots.insert(timer));
        if deadline == NEVER {
            self.slots[slot as usize].stage = Stage::Never;
        } else if !self.wheel.insert(&mut self.slots, slot) {
            push_due(&mut self.heap, &mut self.slots, slot);
        }
        slot
    }

    pub(crate) fn is_expired(&self, slot: u32) -> bool {
        self.slots[slot as usize].stage == Stage::Expired
    }

    pub(crate) fn waiter(&mut self, slot: u32) -> &mut Waiter {
        &mut self.slots[slot as usize].waiter
    }

    /// Cancels the timer, if it has not expired, and frees its slot.
    pub(crate) fn remove(&mut self, slot: u32) -> Waiter {
        match self.slots[slot as usize].stage {
            Stage::InWheel => self.wheel.remove(&mut self.slots, slot),
            Stage::InHeap => self.stale += 1,
            Stage::Never | Stage::Expired => {}
        }
        let timer = self.slots.remove(slot as usize);
        if self.stale > STALE_MAX && self.stale > self.heap.len() / 2 {
            self.stale = 0;
            let slots = &self.slots;
            self.heap.retain(|Reverse(due)| is_current(slots, due));
            trim_heap(&mut self.heap);
        }
        timer.waiter
    }

    /// Expires the timers that are due at `now`, in the order of their deadlines. Returns their
    /// waiters.
    pub(crate) fn expire(&mut self, now: Nanos, mut wake: impl FnMut(Waiter)) {
        let heap = &mut self.heap;
        self.wheel.advance(&mut self.slots, now, |slots, slot| push_due(heap, slots, slot));
        while let Some(Reverse(due)) = self.heap.peek() {
            if due.deadline > now {
                break;
            }
            let slot = due.slot;
            let current = is_current(&self.slots, due);
            self.heap.pop();
            if current {
                let timer = &mut self.slots[slot as usize];
                timer.stage = Stage::Expired;
                wake(timer.waiter.take());
            } else {
                self.stale -= 1;
            }
        }
        trim_heap(&mut self.heap);
    }

    /// When [`Timers::expire`] should run next: the earliest deadline or, where many timers share
    /// the wheel's first slot, the moment when that slot opens, which is never later.
    pub(crate) fn next_deadline(&mut self) -> Option<Nanos> {
        while let Some(Reverse(due)) = self.heap.peek() {
            if is_current(&self.slots, due) {
                return Some(due.deadline);
            }
            self.heap.pop();
            self.stale -= 1;
        }
        self.wheel.next_deadline(&self.slots)
    }
}

fn push_due(heap: &mut BinaryHeap<Reverse<Due>>, slots: &mut Slots<Timer>, slot: u32) {
    let timer = &mut slots[slot as usize];
    timer.stage = Stage::InHeap;
    heap.push(Reverse(Due { deadline: timer.deadline, sequence: timer.sequence, slot }));
}

/// Whether the heap's entry still stands for the timer in its slot.
fn is_current(slots: &Slots<Timer>, due: &Due) -> bool {
    slots
        .get(due.slot as usize)
        .is_some_and(|timer| timer.sequence == due.sequence && timer.stage == Stage::InHeap)
}

impl wheel::Timers for Slots<Timer> {
    fn deadline(&self, timer: u32) -> Nanos {
        self[timer as usize].deadline
    }

    fn position(&mut self, timer: u32) -> &mut Position {
        &mut self[timer as usize].position
    }
}

#[cfg(test)]
mod tests;
