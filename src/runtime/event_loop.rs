//! START HERE: one turn of the event loop.
//!
//! A turn is a *round* of polls and then one look around: at mail from other threads, the clock,
//! due timers and the reactor. If nothing is runnable after that, the loop parks until a wake or
//! the next deadline.
//!
//! All user code is called from here, except for deferred wakes and drops, which `context::with`
//! runs. None is called while the state is borrowed: the loop takes a task's job out of its slot,
//! polls it, and puts it back. Calls from other threads and reports run in the look around only
//! (`deliver`).

use std::cell::Cell;
use std::mem;
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
use super::reactor::{Reactor, Wait};
use super::report::reports::report_second_panic;
use super::state::{Next, Settled, State};

/// Polls main. It catches main's panic itself.
pub(super) type PollMain<'a> = dyn FnMut(&mut Context<'_>) -> Poll<()> + 'a;

/// What a host should do after [`Runtime::turn`](crate::Runtime::turn).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// Tasks are runnable: call `turn` again at once, or after the host's own work.
    Busy,
    /// There is nothing to do before this deadline, or before the descriptor becomes readable.
    /// `None` means that there is no deadline.
    Park(Option<Instant>),
}

/// How the loop parks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Park {
    /// In the reactor, on this thread.
    Here,
    /// Like `Here`, for a main that has not ended. If it hangs under virtual time, it fails.
    ForMain,
    /// The host parks, between two turns.
    InHost,
}

/// How long the loop sleeps before it tries again to make a reactor, if the process has no
/// descriptors left for one.
const RETRY_REACTOR: Duration = Duration::from_millis(20);

/// One turn. This function and those below it are the whole loop.
pub(super) fn turn(poll_main: &mut PollMain<'_>, park: Park) -> Turn {
    match round(poll_main) {
        ControlFlow::Continue(polls) => {
            let look =
                |state: &mut State| (look_around(state, polls, park), state.to_park.is_some());
            let (turn, parks_in_hook) = in_loop(look);
            if parks_in_hook {
                park_in_hook();
            }
            deliver(polls);
            turn
        }
        // Main is ready, so `run` goes on at once.
        ControlFlow::Break(()) => Turn::Busy,
    }
}

/// Polls the runnable tasks in the order of their wakes, including tasks that are woken meanwhile,
/// until the round has had its polls. Returns the number of polls, or breaks off when main is
/// ready.
pub(super) fn round(poll_main: &mut PollMain<'_>) -> ControlFlow<(), u32> {
    in_loop(State::start_round);
    let _budget = budget::start_round();
    let mut suspended = None;
    loop {
        // One access to the state per poll: it puts the last task away and takes the next one.
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

/// How many other futures a future may poll within one poll of its own. These polls count like the
/// polls of a round, so a gathering of slow members lets the loop look around.
pub(crate) fn polls_at_once() -> u32 {
    with(|state| state.pace.polls_at_once()).unwrap_or(1)
}

/// Whether a future that has made `polls` polls of others may go on.
#[inline]
pub(crate) fn has_time_after(polls: u32) -> bool {
    let has_time = |state: &mut State| state.pace.has_time_after(polls, clock::real_now);
    !is_clock_check(polls) || with(has_time).unwrap_or(true)
}

/// Polls or drops one task, or polls main, while nothing is borrowed. Breaks the round off when
/// main is ready.
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

/// Drops the rest of a job after a panic: the future or, if the drop of the future panicked, its
/// output. The first panic is the task's. A second one can only be reported.
#[cold]
fn after_panic(job: BoxedJob, payload: Payload) -> Ending {
    if let Some(second) = drop_caught(job) {
        let task = with(|state| state.tasks.label(state.current));
        report_second_panic(task.as_ref(), second);
    }
    Ending::Panicked(payload)
}

/// Does everything but the polls, once per round, and parks if nothing is runnable then.
pub(super) fn look_around(state: &mut State, polls: u32, park: Park) -> Turn {
    let now = state.end_round(polls);
    state.take_in(now);
    let is_busy = state.is_busy();
    // Our own park takes events in. But if the host parks or time jumps, a look has to find the
    // events that are ready now. One look may not find all of them.
    let before_park = !is_busy && (park == Park::InHost || state.clock.is_virtual());
    let mut has_more = false;
    if before_park && state.may_have_events()
        || is_busy && state.pace.reactor_is_due(now, state.queue.only_yielded())
    {
        poll_reactor(state, Wait::Not);
        has_more = state.reactor.as_deref().is_some_and(Reactor::has_more);
    }
    if has_more || state.is_busy() {
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

/// Parks until `deadline` by the real clock, or lets the host park. Does not park if there is mail.
pub(super) fn parked(state: &mut State, deadline: Option<Nanos>, park: Park) -> Turn {
    if !state.inbox().try_park() {
        return Turn::Busy;
    }
    if park == Park::InHost {
        if let (Some(deadline), Some(reactor)) = (deadline, &mut state.reactor) {
            let deadline = state.pace.sleep_until(deadline);
            reactor.set_alarm(deadline, clock::real_now());
        }
        return Turn::Park(deadline.map(clock::to_instant));
    }
    if state.around_park.is_some() {
        state.to_park = Some(deadline.unwrap_or(NEVER));
        return Turn::Busy;
    }
    park_here(state, deadline);
    Turn::Busy
}

/// Parks inside the hook of the builder, if the look around has found that the loop is to park. The
/// state is not lent to the hook.
pub(super) fn park_in_hook() {
    let to_park = |state: &mut State| Some((state.to_park.take()?, state.around_park.clone()?));
    let Some(Some((deadline, hook))) = with(to_park) else { return };
    let mut has_parked = false;
    let mut park = || {
        if !mem::replace(&mut has_parked, true) {
            // The hook may have woken a task.
            in_loop(|state| {
                let deadline = if state.is_busy() { 0 } else { deadline };
                park_here(state, (deadline != NEVER).then_some(deadline));
            });
        }
    };
    hook(&mut park);
    // A hook that does not park wants another turn.
    with(|state| state.inbox().woken());
}

/// Parks until `deadline` by the real clock, and takes in what has come.
fn park_here(state: &mut State, deadline: Option<Nanos>) {
    let has_reactor = state.reactor.is_some();
    if !has_reactor && deadline.is_none() {
        // Only another thread can wake this loop, and that is cheaper without a reactor.
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
}

pub(super) fn poll_reactor(state: &mut State, wait: Wait) {
    if let Err(error) = state.poll_reactor(wait) {
        if state.owner.is_disowned {
            // A forked child only drops its copy of its parent's loop.
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
    // The task is polled inside its creator, but the creator's limits do not apply to it.
    let started = limit::unlimited(|| take_step(step, &mut |_| Poll::Pending));
    let ControlFlow::Continue(settled) = started else { return };
    in_loop(|state| {
        state.eager_depth -= 1;
        state.settle(settled);
        state.step_out(outer);
    });
    run_outbox();
}

/// Runs `main`, which catches its own panics, until it is ready. Returns `false` if it hangs.
pub(super) fn run_until_ready(poll_main: &mut PollMain<'_>) -> bool {
    let is_ready = Cell::new(false);
    let mut poll_main = |cx: &mut Context<'_>| {
        let poll = poll_main(cx);
        is_ready.set(poll.is_ready());
        poll
    };
    with(|state| {
        state.inbox().woken();
        state.start_rounds();
        // A run that ends within one round never looks around. Without this look, many such runs
        // would starve timers, sockets and other threads. Only timers need the clock to be read.
        let now = if state.next_deadline().is_some() { state.clock.now() } else { 0 };
        state.take_in(now);
        poll_reactor(state, Wait::Not);
        state.queue(MAIN);
    });
    deliver(0);
    // A park of our own is over when the turn is, so only a main that hangs has nothing to do.
    while !is_ready.get() && turn(&mut poll_main, Park::ForMain) == Turn::Busy {}
    with(State::stop_rounds);
    is_ready.get()
}
