//! The pace of the loop: how many polls make a round, between two looks at timers, sockets and the
//! inbox.
//!
//! Looking around costs a system call, so the loop does not do it after each poll. But timers and
//! sockets are late by as much as a round takes. So a round has 1 to 64 polls, as many as take
//! about 50 us. If polls suddenly take longer, a look at the clock after 4 and after 16 polls ends
//! the round early. A look after each poll would double the cost of a short poll. A round that took
//! very long contains a task that blocks the loop, so it is reported.

use std::mem;

use super::clock::{NEVER, Nanos};
use super::key::WakerKey;

pub(crate) const POLLS_MAX: u32 = 64;

/// The time that a round aims at, unless the loop's builder says otherwise.
pub(crate) const ROUND: Nanos = 50_000;

/// After these numbers of polls, a look at the clock tells whether four times as many still fit
/// into the round.
const CLOCK_CHECKS: [u32; 2] = [POLLS_MAX / 16, POLLS_MAX / 4];

/// A longer round is reported, unless the loop says otherwise. The same default as asyncio's
/// `slow_callback_duration`.
pub(crate) const SLOW: Nanos = 100_000_000;

/// Whether to look at the clock after this many polls.
#[inline]
pub(crate) fn is_clock_check(polls: u32) -> bool {
    CLOCK_CHECKS.contains(&polls)
}

pub(crate) struct Pace {
    /// The time that a round aims at.
    round: Nanos,
    /// The most polls of a round.
    most: u32,
    /// The polls of this round, and their number at the next check whether it may have more.
    polls: u32,
    ask_after: u32,
    /// The members of gathers and groups that were polled in this round, inside the polls of tasks.
    members: u32,
    /// A longer round is reported.
    pub(crate) slow: Nanos,
    /// When the current round began.
    began: Nanos,
    /// `began` comes from a clock that is cheap and inexact. This is enough to detect a slow round,
    /// but not to set the pace.
    began_roughly: bool,
    /// The start of the last round in which a call of another thread was made, and the start of the
    /// round that ended last.
    called_in: Nanos,
    ended: Nanos,
    /// The tasks polled in this round: the first `polled_len` entries.
    polled: [WakerKey; POLLS_MAX as usize],
    polled_len: u8,
    /// When timers expired last.
    expired: Nanos,
    /// When the reactor was polled last.
    reactor_polled: Nanos,
    /// Under virtual time, rounds do not depend on the speed of the machine.
    is_fixed: bool,
}

impl Pace {
    pub(crate) fn new(is_fixed: bool) -> Self {
        let polled = [WakerKey::from_word(0); POLLS_MAX as usize];
        Self {
            round: ROUND,
            most: POLLS_MAX,
            polls: 0,
            ask_after: 0,
            members: 0,
            slow: SLOW,
            began: 0,
            began_roughly: true,
            called_in: NEVER,
            ended: 0,
            polled,
            polled_len: 0,
            expired: 0,
            reactor_polled: 0,
            is_fixed,
        }
    }

    /// Sets how long tasks run before the loop looks around.
    pub(crate) fn set_round(&mut self, round: Nanos) {
        self.round = round;
    }

    /// A round starts.
    pub(crate) fn start_round(&mut self) {
        self.polled_len = 0;
        self.polls = 0;
        self.ask_after = self.next_check();
    }

    /// Whether the round may have another poll.
    #[inline]
    pub(crate) fn may_poll(&mut self, now: impl FnOnce() -> Nanos) -> bool {
        self.polls != self.ask_after || self.may_go_on(now)
    }

    #[cold]
    fn may_go_on(&mut self, now: impl FnOnce() -> Nanos) -> bool {
        if self.polls >= self.most || !self.has_time_after(self.polls, now) {
            return false;
        }
        self.ask_after = self.next_check();
        true
    }

    /// The number of polls at which to check the round next: a clock check, or its last poll.
    fn next_check(&self) -> u32 {
        let check = CLOCK_CHECKS.into_iter().find(|&check| check > self.polls);
        check.map_or(self.most, |check| check.min(self.most))
    }

    #[inline]
    pub(crate) fn count_poll(&mut self) {
        self.polls += 1;
    }

    /// The number of polls in this round so far.
    pub(crate) fn polls(&self) -> u32 {
        self.polls
    }

    /// The loop starts at about `now`.
    pub(crate) fn start(&mut self, now: Nanos) {
        self.began = now;
        self.began_roughly = true;
    }

    /// The loop was parked until `now`.
    pub(crate) fn woken(&mut self, now: Nanos) {
        self.began = now;
        self.began_roughly = false;
        self.reactor_polled = now;
    }

    /// Whether to poll the reactor now, although tasks are runnable. That is a system call of half
    /// a microsecond. If all runnable tasks have only yielded, they can wait for it more often.
    pub(crate) fn reactor_is_due(&mut self, now: Nanos, only_yielded: bool) -> bool {
        let since = now.saturating_sub(self.reactor_polled);
        let interval = if only_yielded { self.round / 4 } else { self.round };
        let is_due = since >= interval;
        if is_due {
            self.reactor_polled = now;
        }
        is_due || self.is_fixed
    }

    /// Makes the reactor due at the next look.
    pub(crate) fn want_reactor(&mut self) {
        self.reactor_polled = 0;
    }

    /// Records a task that is about to be polled.
    pub(crate) fn note(&mut self, key: WakerKey) {
        // Eager tasks are polled on top of the round's own polls, so there may be no room for all.
        if let Some(place) = self.polled.get_mut(usize::from(self.polled_len)) {
            *place = key;
            self.polled_len += 1;
        }
    }

    pub(crate) fn polled(&self) -> impl Iterator<Item = WakerKey> + '_ {
        self.polled[..usize::from(self.polled_len)].iter().copied()
    }

    /// A call from another thread is about to be made, between polls.
    pub(crate) fn note_call(&mut self) {
        self.called_in = self.began;
    }

    /// Whether such a call was made in the round that ended last.
    pub(crate) fn has_called(&self) -> bool {
        self.called_in == self.ended
    }

    /// A member of a gather or a group is about to be polled.
    #[inline]
    pub(crate) fn count_member(&mut self) {
        self.members += 1;
    }

    /// The most members that a future may poll within one poll of its own.
    pub(crate) fn polls_at_once(&self) -> u32 {
        self.most
    }

    /// Whether polls take so long that fewer than [`POLLS_MAX`] make a round.
    pub(crate) fn is_slow(&self) -> bool {
        self.most < POLLS_MAX
    }

    /// Whether the round may go on after `polls` polls. Under virtual time it always may.
    #[inline]
    pub(crate) fn has_time_after(&self, polls: u32, now: impl FnOnce() -> Nanos) -> bool {
        !is_clock_check(polls)
            || self.is_fixed
            || now().saturating_sub(self.began) <= self.round / 4
    }

    /// Whether more than a round's time has passed since the last look around. Under virtual time
    /// this is never so.
    pub(crate) fn is_round_over(&self, now: impl FnOnce() -> Nanos) -> bool {
        !self.is_fixed && now().saturating_sub(self.began) > self.round
    }

    /// Timers expired at `now`.
    pub(crate) fn expired(&mut self, now: Nanos) {
        self.expired = now;
    }

    /// How long to sleep if the next timer is due at `deadline`. After timers have expired, the
    /// next ones wait for the length of a round. So if thousands expire in a second, one wake-up
    /// serves many, and a lone timer is not late.
    pub(crate) fn sleep_until(&self, deadline: Nanos) -> Nanos {
        deadline.max(self.expired.saturating_add(self.round.min(ROUND)))
    }

    /// The round had `polls` polls, and the next one begins. Returns the time that it took if it
    /// was slow.
    pub(crate) fn end_round(&mut self, polls: u32, now: Nanos) -> Option<Nanos> {
        self.ended = mem::replace(&mut self.began, now);
        let took = now.saturating_sub(self.ended);
        let members = mem::take(&mut self.members);
        if self.is_fixed {
            return None;
        }
        // A round without polls says nothing about the pace, and neither does one whose start is
        // inexact.
        if !mem::take(&mut self.began_roughly) && polls > 0 {
            self.adapt(polls + members, took);
        }
        (took > self.slow).then_some(took)
    }

    /// Sets the number of polls that fit into a round's time. It at most doubles, because one quick
    /// round may be an exception.
    fn adapt(&mut self, polls: u32, took: Nanos) {
        let fits = self.round.saturating_mul(Nanos::from(polls));
        let most = (2 * self.most).min(POLLS_MAX);
        self.most = if took.saturating_mul(Nanos::from(POLLS_MAX)) <= fits {
            most
        } else {
            u32::try_from(fits / took.max(1)).map_or(most, |polls| polls.clamp(1, most))
        };
    }

    /// The loop ends or pauses at about `now`, in the middle of a round. Returns the time that this
    /// round took if it was slow.
    pub(crate) fn stop(&mut self, now: Nanos) -> Option<Nanos> {
        self.ended = self.began;
        self.start(now);
        let took = now.saturating_sub(self.ended);
        (took > self.slow && !self.is_fixed).then_some(took)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pace of a loop that was woken at 0.
    fn pace() -> Pace {
        let mut pace = Pace::new(false);
        pace.woken(0);
        pace
    }

    #[test]
    fn the_reactor_is_due_when_a_rounds_time_has_gone_by_however_few_polls_that_were() {
        let mut pace = pace();
        assert!(!pace.reactor_is_due(ROUND - 1, false));
        assert!(pace.reactor_is_due(ROUND, false));
        assert!(!pace.reactor_is_due(2 * ROUND - 1, false));
        assert!(pace.reactor_is_due(2 * ROUND, false));
    }

    #[test]
    fn where_all_tasks_have_yielded_the_reactor_is_due_sooner() {
        let mut pace = pace();
        assert!(!pace.reactor_is_due(ROUND / 4 - 1, true));
        assert!(pace.reactor_is_due(ROUND / 4, true));
        assert!(!pace.reactor_is_due(ROUND / 2 - 1, true));
    }

    #[test]
    fn a_round_has_as_many_polls_as_fit_into_its_time() {
        let mut pace = pace();
        assert_eq!(pace.polls_at_once(), POLLS_MAX);
        assert!(!pace.is_slow());
        let mut now = 64 * 20_000;
        assert!(pace.end_round(64, now).is_none());
        assert_eq!(pace.polls_at_once(), 2, "polls of 20 us");
        assert!(pace.is_slow());
        for polls in [4, 8, 16, 32, 64, 64] {
            now += 100;
            pace.end_round(1, now);
            assert_eq!(pace.polls_at_once(), polls, "quick polls");
        }
        now += 300_000;
        pace.end_round(1, now);
        assert_eq!(pace.polls_at_once(), 1, "polls of 300 us");
        pace.end_round(0, now + ROUND);
        assert_eq!(pace.polls_at_once(), 1, "a round without polls tells nothing");
    }

    #[test]
    fn a_look_at_the_clock_ends_a_round_whose_polls_suddenly_take_long() {
        let pace = pace();
        for polls in CLOCK_CHECKS {
            assert!(pace.has_time_after(polls, || ROUND / 4));
            assert!(!pace.has_time_after(polls, || ROUND / 4 + 1));
        }
        assert!(pace.has_time_after(5, || unreachable!("no look after each poll")));
        assert!(Pace::new(true).has_time_after(4, || unreachable!("time is virtual")));
    }

    #[test]
    fn a_loop_that_is_to_look_around_always_has_one_poll_a_round() {
        let mut pace = pace();
        pace.set_round(0);
        pace.end_round(1, 1);
        assert_eq!(pace.polls_at_once(), 1);
        assert!(pace.reactor_is_due(1, false));
        pace.set_round(NEVER);
        pace.end_round(1, 2);
        assert_eq!(pace.polls_at_once(), 2);
    }
}
