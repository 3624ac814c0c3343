//! START HERE: one turn of the event loop.
//!
//! A turn is a *round* of polls, then one look around: what other threads sent, the clock, due timers, the reactor. With
//! nothing runnable after that, the loop parks until somebody wakes it or the next deadline comes.
//!
//! All user code is called from here (and from `context::with`, for what was deferred), and never while the state is
//! borrowed: a task's job is taken out of its slot, polled, and put back. Calls of other threads and reports run in the look
//! around only (`deliver`).

use std::cell::Cell;
use std::ops::ControlFlow;
use std::panic::{self, AssertUnwindSafe};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use super::budget;
use super::context::{self, drop_caught, in_loop, in_round, with};
use super::data::clock::{self, NEVER, Nanos};
use super::data::job::BoxedJob;
use super::data::pace::is_clock_check;
use super::data::record::{Ending, Payload};
use super::data::tasks::{MAIN, Step};
use super::deferred::{run_deferred, run_outbox};
use super::limit;
use super::postponed::deliver;
use super::reactor::Wait;
use super::report::reports::report_second_panic;
use super::state::{Next, Settled, State};

/// Polls main; catches its panic itself.
pub(super) type PollMain<'a> = dyn FnMut(&mut Context<'_>) -> Poll<()> + 'a;

/// What a host should do after [`Runtime::turn`](crate::Runtime::turn).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// Tasks are runnable: call `turn` again at once, or after what the host itself has to do.
    Busy,
    /// Nothing to do before this deadline, or before the descriptor becomes readable; `None`: no deadline.
    Park(Option<Instant>),
}

/// How the loop parks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Park {
    /// In the reactor, on this thread.
    Here,
    /// As here, on behalf of a main that has not ended: if it hangs, it fails.
    ForMain,
    /// The host does it, between two turns.
    InHost,
}

/// How long the loop sleeps before it tries again to make a reactor, where it has no descriptors left for one.
const RETRY_REACTOR: Duration = Duration::from_millis(20);

/// One turn. This function and those below it are the whole loop.
pub(super) fn turn(poll_main: &mut PollMain<'_>, park: Park) -> Turn {
    match round(poll_main) {
        ControlFlow::Continue(polls) => {
            let turn = in_loop(|state| look_around(state, polls, park));
            deliver(polls);
            turn
        }
        // Main is ready, so `run` goes on at once.
        ControlFlow::Break(()) => Turn::Busy,
    }
}

/// Polls what is runnable, in the order of the wakes, also what is woken meanwhile; but no more than a round may have.
/// Says how many polls that took, or breaks off when main is ready.
pub(super) fn round(poll_main: &mut PollMain<'_>) -> ControlFlow<(), u32> {
    in_loop(State::start_round);
    let _budget = budget::start_round();
    let mut suspended = None;
    loop {
        // One access to the state for each poll: it puts the last task away and takes the next one.
        let next = in_round(|state| {
            if let Some((slot, job)) = suspended.take() {
                state.suspend(slot, job);
            }
            state.next_poll()
        });
        let step = match next {
            Some((key, Some(job))) => Step::Poll(key, job),
            Some((key, None)) => Step::PollMain(key),
            None => match in_loop(State::next) {
                Next::Step(step) => step,
                Next::RunDeferred => {
                    run_deferred();
                    continue;
                }
                Next::RunOutbox => {
                    run_outbox();
                    continue;
                }
                Next::LookAround { polls } => return ControlFlow::Continue(polls),
            },
        };
        match take_step(step, poll_main)? {
            Settled::Suspended(slot, job) => suspended = Some((slot, job)),
            settled @ (Settled::Nothing | Settled::Ended(..)) => {
                in_loop(|state| state.settle(settled));
            }
        }
    }
}

/// How many others a future may poll in one poll of its own. They count as much as the polls of a round: where polls take long,
/// whoever polls many lets the loop look around.
pub(crate) fn polls_at_once() -> u32 {
    with(|state| state.pace.polls_at_once()).unwrap_or(1)
}

/// Whether a future that has polled so many others may go on.
#[inline]
pub(crate) fn has_time_after(polls: u32) -> bool {
    let has_time = |state: &mut State| state.pace.has_time_after(polls, clock::real_now);
    !is_clock_check(polls) || with(has_time).unwrap_or(true)
}

/// Polls or drops one task, or main, while nothing is borrowed. Breaks the round off when main is ready.
#[inline]
fn take_step(step: Step, poll_main: &mut PollMain<'_>) -> ControlFlow<(), Settled> {
    ControlFlow::Continue(match step {
        Step::Poll(key, mut job) => {
            let poll = || context::with_waker(key, |cx| job.as_mut().poll(cx));
            match panic::catch_unwind(AssertUnwindSafe(poll)) {
                Ok(Poll::Pending) => Settled::Suspended(key.slot(), job),
                Ok(Poll::Ready(())) => Settled::Ended(key.slot(), Ending::Done(job)),
                Err(payload) => Settled::Ended(key.slot(), after_panic(job, payload)),
            }
        }
        Step::PollMain(key) => match context::with_waker(key, poll_main) {
            Poll::Pending => Settled::Nothing,
            Poll::Ready(()) => return ControlFlow::Break(()),
        },
        Step::Drop(key, job) => {
            let ending = drop_caught(job).map_or(Ending::Cancelled, Ending::Panicked);
            Settled::Ended(key.slot(), ending)
        }
    })
}

/// What is left is the future or, if it was the future's drop that panicked, its output. The first panic is the task's; a
/// second one has no other way out than a report.
#[cold]
fn after_panic(job: BoxedJob, payload: Payload) -> Ending {
    if let Some(second) = drop_caught(job) {
        let task = with(|state| state.tasks.label(state.current));
        report_second_panic(task.as_ref(), second);
    }
    Ending::Panicked(payload)
}

/// Everything but the polls, once for each round; parks if nothing is runnable then.
pub(super) fn look_around(state: &mut State, polls: u32, park: Park) -> Turn {
    let now = state.end_round(polls);
    state.take_in(now);
    let is_busy = state.is_busy();
    // A park of our own takes events in; before the host parks, or time jumps, comes what is ready now.
    let before_park = !is_busy && (park == Park::InHost || state.clock.is_virtual());
    if before_park || is_busy && state.pace.reactor_is_due(now, state.queue.only_yielded()) {
        poll_reactor(state, Wait::Not);
    }
    if state.is_busy() {
        return Turn::Busy;
    }
    match state.next_deadline() {
        Some(deadline) if state.clock.is_virtual() => {
            let reactor = state.reactor.as_ref();
            let waits_for_outside = reactor.is_some_and(|reactor| reactor.waits_for_outside());
            match state.clock.jump_to(deadline, waits_for_outside) {
                None => Turn::Busy,
                held_until => parked(state, held_until, park),
            }
        }
        None if park == Park::ForMain && state.nothing_can_come() => state.nap(),
        deadline => parked(state, deadline, park),
    }
}

/// Parks until `deadline`, by the real clock, or lets the host do it; unless somebody has sent something.
fn parked(state: &mut State, deadline: Option<Nanos>, park: Park) -> Turn {
    if !state.inbox().try_park() {
        return Turn::Busy;
    }
    if park == Park::InHost {
        return Turn::Park(deadline.map(clock::to_instant));
    }
    let has_reactor = state.reactor.is_some();
    if !has_reactor && deadline.is_none() {
        // Nothing can wake this loop but another thread, which is cheaper without the reactor.
        thread::park();
    } else if state.reactor().is_err() {
        let now = clock::real_now();
        let left = deadline.map_or(NEVER, |deadline| deadline.saturating_sub(now));
        thread::park_timeout(Duration::from_nanos(left).min(RETRY_REACTOR));
    } else {
        let deadline = deadline.map_or(NEVER, |deadline| state.pace.sleep_until(deadline));
        poll_reactor(state, Wait::Until { deadline, now: clock::real_now() });
    }
    let now = state.woken();
    state.take_in(now);
    Turn::Busy
}

pub(super) fn poll_reactor(state: &mut State, wait: Wait) {
    if let Err(error) = state.poll_reactor(wait) {
        if state.owner.is_disowned {
            // A forked child drops what it has of its parent's loop.
            return;
        }
        panic!("the event loop cannot wait for events: {error}");
    }
}

/// Polls a new task at once, inside the call that created it.
pub(super) fn start_eagerly(slot: u32) {
    let start = |state: &mut State| {
        state.eager_depth += 1;
        (state.step_in(), state.begin(state.key_of(slot)))
    };
    let (outer, Some(step)) = in_loop(start) else { return };
    // It is polled inside its creator and is no part of it.
    let started = limit::unlimited(|| take_step(step, &mut |_| Poll::Pending));
    let ControlFlow::Continue(settled) = started else { return };
    in_loop(|state| {
        state.eager_depth -= 1;
        state.settle(settled);
        state.step_out(outer);
    });
    run_outbox();
}

/// Runs `main`, which catches its own panics, until it says that it is ready.
pub(super) fn run_until_ready(poll_main: &mut PollMain<'_>) {
    let is_ready = Cell::new(false);
    let mut poll_main = |cx: &mut Context<'_>| {
        let poll = poll_main(cx);
        is_ready.set(poll.is_ready());
        poll
    };
    with(|state| {
        state.inbox().woken();
        state.start_rounds();
        // A run that is over within a round never looks around; many of them must not starve what came from elsewhere.
        let now = if state.next_deadline().is_some() { state.clock.now() } else { 0 };
        state.take_in(now);
        poll_reactor(state, Wait::Not);
        state.queue(MAIN);
    });
    deliver(0);
    while !is_ready.get() {
        turn(&mut poll_main, Park::ForMain);
    }
    with(State::stop_rounds);
}
