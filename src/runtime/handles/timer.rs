//! A timer as the rest of the crate holds it: a key, whose drop removes the timer.

use std::task::{Context, Poll};

use crate::runtime::context::{self, candidate, with, with_loop};
use crate::runtime::data::clock::{NEVER, Nanos, When, real_now};
use crate::runtime::data::key::HandleKey;
use crate::runtime::data::waiter::Waiter;
use crate::runtime::limit;
use crate::runtime::state::State;

/// An armed timer of some loop.
#[derive(Debug)]
pub(crate) struct Timer {
    key: HandleKey,
}

impl Timer {
    /// Arms a timer on this thread's loop, which wakes `cx` when it expires. Returns `None` if that
    /// moment is now or has passed.
    #[track_caller]
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as `start`")]
    pub(crate) fn arm(when: When, cx: &Context<'_>, what: &str) -> Option<Self> {
        Self::start(when, cx, what).1
    }

    /// Like [`Timer::arm`], but also returns the deadline.
    #[track_caller]
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "as a call it hands the result over in memory: 12 ns of 61"
    )]
    pub(crate) fn start(when: When, cx: &Context<'_>, what: &str) -> (Nanos, Option<Self>) {
        let candidate = candidate(cx.waker());
        let mut deadline = NEVER;
        let arm = |state: &mut State| {
            let now = state.clock.now();
            deadline = match when {
                When::After(duration) => now.saturating_add(duration),
                When::At(deadline) => deadline,
            };
            if deadline <= now {
                return None;
            }
            let waiter = state.waiter_of(&candidate);
            let slot = state.timers().arm(deadline, waiter.unwrap_or(Waiter::NOBODY));
            let key = HandleKey { run: state.run_number(), slot };
            Some((Self { key }, waiter.is_some()))
        };
        let Some(armed) = with(arm) else { context::no_loop(what) };
        let Some((timer, is_set)) = armed else { return (deadline, None) };
        if !is_set {
            timer.wait_cloned(cx);
        }
        (deadline, Some(timer))
    }

    /// Arms a timer for `deadline` without looking at the clock. If the deadline has passed, the
    /// timer wakes `cx` in the next look around.
    #[track_caller]
    pub(crate) fn arm_unseen(deadline: Nanos, cx: &Context<'_>, what: &str) -> Self {
        let candidate = candidate(cx.waker());
        let arm = |state: &mut State| {
            let waiter = state.waiter_of(&candidate);
            let slot = state.timers().arm(deadline, waiter.unwrap_or(Waiter::NOBODY));
            (Self { key: HandleKey { run: state.run_number(), slot } }, waiter.is_some())
        };
        let Some((timer, is_set)) = with(arm) else { context::no_loop(what) };
        if !is_set {
            timer.wait_cloned(cx);
        }
        timer
    }

    /// Polls the timer in `place`, which the first call arms. Ready when it is due.
    #[track_caller]
    pub(crate) fn poll_in(
        place: &mut Option<Self>,
        when: When,
        cx: &Context<'_>,
        what: &str,
    ) -> Poll<()> {
        if place.is_none() {
            *place = Self::arm(when, cx, what);
        }
        place.as_ref().map_or(Poll::Ready(()), |timer| timer.poll(cx, what))
    }

    /// Ready when the timer has expired. Otherwise it wakes `cx` then.
    #[track_caller]
    pub(crate) fn poll(&self, cx: &Context<'_>, what: &str) -> Poll<()> {
        let slot = self.key.slot;
        let candidate = candidate(cx.waker());
        let is_set = with_loop(self.key.run, |state| {
            if state.timers().is_expired(slot) {
                return None;
            }
            Some(state.set_waiter(&candidate, |state| waiter(state, slot)))
        });
        match is_set {
            Ok(None) => Poll::Ready(()),
            Ok(Some(is_set)) => {
                if !is_set {
                    self.wait_cloned(cx);
                }
                Poll::Pending
            }
            Err(elsewhere) => panic!("{}", elsewhere.message(what, "make a new one here")),
        }
    }

    fn wait_cloned(&self, cx: &Context<'_>) {
        let slot = self.key.slot;
        context::wait_cloned(self.key.run, cx.waker(), |state| waiter(state, slot));
    }
}

#[expect(clippy::unnecessary_wraps, reason = "elsewhere the place of a waiter can be gone")]
fn waiter(state: &mut State, slot: u32) -> Option<&mut Waiter> {
    Some(state.timers().waiter(slot))
}

impl Drop for Timer {
    fn drop(&mut self) {
        let HandleKey { run, slot } = self.key;
        context::at_home(run, move |state| {
            let waiter = state.timers().remove(slot);
            state.release(waiter);
        });
    }
}

/// The time by the clock of this thread's loop, or by the real clock if none runs.
pub(crate) fn now() -> Nanos {
    with(|state| state.clock.now()).unwrap_or_else(real_now)
}

/// When the next timer of this thread's loop is due, or a moment shortly before.
pub(crate) fn next_deadline() -> Option<Nanos> {
    with(State::next_deadline).flatten()
}

/// When the limits around the calling code end it, if there are any.
pub(crate) fn deadline() -> Option<Nanos> {
    let deadline = limit::current();
    (deadline != NEVER).then_some(deadline)
}

/// Whether a limit around the calling code has passed, so that it will end that code.
pub(crate) fn is_overdue() -> bool {
    let at = limit::current();
    at != NEVER && at <= now()
}

/// Whether this thread's loop has a virtual clock.
pub(crate) fn is_virtual() -> Option<bool> {
    with(|state| state.clock.is_virtual())
}
