//! The pace of the loop: how many polls make a round, between two looks at timers, sockets and the inbox.
//!
//! Looking around costs a system call, so it is not done after each poll; but a timer is late by as much as a round
//! takes. So a round has 1 to 64 polls, halved or doubled such that it takes about 50 us. A round that took very long
//! had a task in it that blocks the loop: that is reported.

use std::mem;

use super::clock::{NEVER, Nanos};
use super::key::WakerKey;

pub(crate) const POLLS_MAX: u32 = 64;

/// What a round should take.
const ROUND: Nanos = 50_000;

/// On a busy loop, sockets wait for the reactor's next poll so long at most, plus a round.
const REACTOR_LATEST: Nanos = 4_000_000;

/// A round that takes longer than this is reported unless the loop says otherwise, as with asyncio's
/// `slow_callback_duration`.
pub(crate) const SLOW: Nanos = 100_000_000;

pub(crate) struct Pace {
    polls: u32,
    /// A round that takes longer is reported.
    pub(crate) slow: Nanos,
    /// When the present round began.
    began: Nanos,
    /// That was read from a clock that is cheap and not exact: enough to tell a slow round, not to set the pace.
    began_roughly: bool,
    /// The last round in which a call of another thread was made, by when it began; and the round that ended last.
    called_in: Nanos,
    ended: Nanos,
    /// Who was polled in it: the first so many of these.
    polled: [WakerKey; POLLS_MAX as usize],
    polled_len: u8,
    /// When timers expired last.
    expired: Nanos,
    /// When the reactor was polled last, and how many polls of tasks have been since.
    reactor_polled: Nanos,
    polls_since: u32,
    /// Under virtual time rounds do not depend on how fast the machine is.
    is_fixed: bool,
}

impl Pace {
    pub(crate) fn new(is_fixed: bool) -> Self {
        let polled = [WakerKey::from_word(0); POLLS_MAX as usize];
        Self {
            polls: POLLS_MAX,
            slow: SLOW,
            began: 0,
            began_roughly: true,
            called_in: NEVER,
            ended: 0,
            polled,
            polled_len: 0,
            expired: 0,
            reactor_polled: 0,
            polls_since: 0,
            is_fixed,
        }
    }

    /// A round starts: says how many polls it may have.
    pub(crate) fn start_round(&mut self) -> u32 {
        self.polled_len = 0;
        self.polls
    }

    /// The loop starts, roughly `now`.
    pub(crate) fn start(&mut self, now: Nanos) {
        self.began = now;
        self.began_roughly = true;
    }

    /// The loop was parked until now.
    pub(crate) fn woken(&mut self, now: Nanos) {
        self.began = now;
        self.began_roughly = false;
        self.reactor_was_polled(now);
    }

    /// Whether it is time to poll the reactor, although tasks are runnable: that is a system call, and who was ready at the
    /// last one should have had a turn. Short rounds of tasks that wait for each other or for timers do not count up to it.
    pub(crate) fn reactor_is_due(&mut self, now: Nanos) -> bool {
        let since = now.saturating_sub(self.reactor_polled);
        let is_due = self.polls_since >= POLLS_MAX && since >= ROUND || since >= REACTOR_LATEST;
        if is_due {
            self.reactor_was_polled(now);
        }
        is_due || self.is_fixed
    }

    fn reactor_was_polled(&mut self, now: Nanos) {
        self.reactor_polled = now;
        self.polls_since = 0;
    }

    /// A poll is about to begin.
    pub(crate) fn note(&mut self, key: WakerKey) {
        // Tasks that start eagerly come on top of the round's own: some of them go unnamed.
        if let Some(place) = self.polled.get_mut(usize::from(self.polled_len)) {
            *place = key;
            self.polled_len += 1;
        }
    }

    pub(crate) fn polled(&self) -> impl Iterator<Item = WakerKey> + '_ {
        self.polled[..usize::from(self.polled_len)].iter().copied()
    }

    /// A call that another thread has sent is about to be made, between polls.
    pub(crate) fn note_call(&mut self) {
        self.called_in = self.began;
    }

    /// Whether one was made in the round that ended last.
    pub(crate) fn has_called(&self) -> bool {
        self.called_in == self.ended
    }

    /// Whether what runs since the last look around has had a round's time. Under virtual time it never has.
    pub(crate) fn is_round_over(&self, now: impl FnOnce() -> Nanos) -> bool {
        !self.is_fixed && now().saturating_sub(self.began) > ROUND
    }

    /// Timers expired just now.
    pub(crate) fn expired(&mut self, now: Nanos) {
        self.expired = now;
    }

    /// Until when to sleep if the next timer is due at `deadline`. After timers have expired, the next ones have to wait for a
    /// round's time: where thousands a second expire, one wake-up serves many, and a lone one is not late.
    pub(crate) fn sleep_until(&self, deadline: Nanos) -> Nanos {
        deadline.max(self.expired.saturating_add(ROUND))
    }

    /// The round had `polls` polls, and the next one begins. If it was slow, says how long it took.
    pub(crate) fn end_round(&mut self, polls: u32, now: Nanos) -> Option<Nanos> {
        self.polls_since += polls;
        self.ended = mem::replace(&mut self.began, now);
        let took = now.saturating_sub(self.ended);
        if self.is_fixed {
            return None;
        }
        if mem::take(&mut self.began_roughly) {
            // The next one tells more.
        } else if took > ROUND {
            self.polls = (self.polls / 2).max(1);
        } else if polls == self.polls && took < ROUND / 2 {
            self.polls = (self.polls * 2).min(POLLS_MAX);
        }
        (took > self.slow).then_some(took)
    }

    /// The loop ends, or pauses, roughly `now`, in the middle of a round. If that was slow, says how long it took.
    pub(crate) fn stop(&mut self, now: Nanos) -> Option<Nanos> {
        self.ended = self.began;
        self.start(now);
        let took = now.saturating_sub(self.ended);
        (took > self.slow && !self.is_fixed).then_some(took)
    }
}
