//! The pace of the loop: how many polls make a round, between two looks at timers, sockets and the inbox.
//!
//! Looking around costs a system call, so it is not done after each poll; but a timer is late by as much as a round
//! takes. So a round has 1 to 64 polls, halved or doubled such that it takes about 50 us. A round that took very long
//! had a task in it that blocks the loop: that is reported.

use super::clock::Nanos;
use super::key::WakerKey;

const POLLS_MAX: u32 = 64;

/// What a round should take.
const ROUND: Nanos = 50_000;

/// A round that takes so long is reported; it is asyncio's `slow_callback_duration`.
const SLOW: Nanos = 100_000_000;

pub(super) struct Pace {
    polls: u32,
    /// When the present round began.
    began: Nanos,
    /// Who was polled in it.
    polled: Vec<WakerKey>,
    /// Under virtual time rounds do not depend on how fast the machine is.
    is_fixed: bool,
}

impl Pace {
    pub(super) fn new(is_fixed: bool) -> Self {
        Self { polls: POLLS_MAX, began: 0, polled: Vec::new(), is_fixed }
    }

    /// A round starts: says how many polls it may have.
    pub(super) fn start_round(&mut self) -> u32 {
        self.polled.clear();
        self.polls
    }

    /// The loop was parked until now.
    pub(super) fn woken(&mut self, now: Nanos) {
        self.began = now;
    }

    /// A poll is about to begin.
    pub(super) fn note(&mut self, key: WakerKey) {
        self.polled.push(key);
    }

    pub(super) fn polled(&self) -> impl Iterator<Item = WakerKey> + '_ {
        self.polled.iter().copied()
    }

    /// The round had `polls` polls, and the next one begins. If it was slow, says how long it took.
    pub(super) fn end_round(&mut self, polls: u32, now: Nanos) -> Option<Nanos> {
        let took = now.saturating_sub(self.began);
        self.began = now;
        if self.is_fixed {
            return None;
        }
        if took > ROUND {
            self.polls = (self.polls / 2).max(1);
        } else if polls == self.polls && took < ROUND / 2 {
            self.polls = (self.polls * 2).min(POLLS_MAX);
        }
        (took > SLOW).then_some(took)
    }
}
