//! A loop that a host drives, turn by turn.

use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use super::runtime::{Runtime, cannot_go_on, check_process, outer_run};
use super::steps::Steps;
use crate::runtime::context::with;
use crate::runtime::data::clock;
use crate::runtime::event_loop::{self, Park, PollMain, Turn};
use crate::runtime::host::set_host;
use crate::runtime::limit;
use crate::runtime::state::State;

impl Runtime {
    /// Makes one turn, for a host with a loop of its own: a GUI, a game, another runtime. Polls the
    /// runnable tasks, then looks at timers, sockets and messages of other threads. Never waits.
    ///
    /// After [`Turn::Busy`], the host calls this again at once. After [`Turn::Park`], it calls this
    /// when the deadline has come, or when [`Runtime::reactor_fd`] is readable. The descriptor
    /// becomes readable when a socket is ready, when another thread has sent something, or when
    /// code between two turns has woken a task. Once it is there, it also becomes readable at the
    /// deadline, so a host that watches it needs no timer (on Linux).
    ///
    /// A host that is a future itself takes [`Runtime::poll_turn`].
    ///
    /// # Panics
    ///
    /// Panics if a loop already runs on this thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::{Runtime, Turn};
    ///
    /// let done = std::rc::Rc::new(std::cell::Cell::new(false));
    /// let flag = done.clone();
    /// let mut runtime = Runtime::new()?;
    /// let task = runtime.create_task(async move {
    ///     oneloop::sleep(std::time::Duration::from_millis(1)).await;
    ///     flag.set(true);
    /// });
    /// while !done.get() {
    ///     if let Turn::Park(Some(deadline)) = runtime.turn() {
    ///         std::thread::sleep(deadline.saturating_duration_since(std::time::Instant::now()));
    ///     }
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn turn(&mut self) -> Turn {
        let place = Location::caller();
        refuse_inside(place);
        self.stop_hosting();
        let turn = || event_loop::turn(&mut |_| Poll::Pending, Park::InHost);
        self.inside(|| turn_at(place, turn))
    }

    /// Makes one turn, for a host that is a future: a task of another runtime, or the main loop of
    /// another language. Never waits.
    ///
    /// It is [`Runtime::turn`] with these differences:
    ///
    /// - Everything that gives the loop something to do wakes `cx`: a wake or a call of another
    ///   thread, and code on this thread between two turns. This costs no system call. The host
    ///   then polls again. After [`Turn::Busy`] it comes back without being woken.
    /// - Between two turns, the loop stays the thread's loop, until another one runs here or this
    ///   one is dropped. So [`sleep`](crate::sleep), [`create_task`](crate::create_task), sockets
    ///   and [`Task`](crate::Task) handles work in the host's own tasks. A new timer that is due
    ///   before all others wakes the host, too.
    /// - Sockets are looked at only if the host says that [`Runtime::reactor_fd`] `is_readable`, if
    ///   the last look did not find all events, or if tasks keep the loop busy. One `true` for each
    ///   time that the descriptor becomes readable is enough, so an edge-triggered watch serves.
    ///
    /// A host that cannot watch a descriptor passes `true` each time and polls at the deadline of
    /// [`Turn::Park`].
    ///
    /// # Panics
    ///
    /// Panics if a loop already runs on this thread, or in a forked child of the process that made
    /// this one.
    ///
    /// # Examples
    ///
    /// A host that is only a block of code. A real one returns `Pending` after `Park`, and watches
    /// the descriptor.
    ///
    /// ```
    /// use oneloop::{Runtime, Turn};
    /// use std::task::{Context, Waker};
    ///
    /// let mut runtime = Runtime::new()?;
    /// let mut cx = Context::from_waker(Waker::noop());
    /// let task = runtime.create_task(async { 42 });
    /// while runtime.poll_turn(&mut cx, false) == Turn::Busy {}
    ///
    /// // The loop is still this thread's loop.
    /// assert!(task.is_finished());
    /// oneloop::create_task(async { println!("hello") }).detach();
    /// while runtime.poll_turn(&mut cx, false) == Turn::Busy {}
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn poll_turn(&mut self, cx: &mut Context<'_>, is_readable: bool) -> Turn {
        let place = Location::caller();
        refuse_inside(place);
        self.stay();
        set_host(cx.waker());
        let turn = || Some(event_loop::turn(&mut |_| Poll::Pending, Park::InHost));
        hosted_turn(place, is_readable, turn).unwrap_or(Turn::Busy)
    }

    /// Calls `f` with this loop as the thread's loop, for code that uses it between two runs or
    /// turns: to create tasks, arm timers, or register sockets. Tasks are polled in the next run or
    /// turn.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut runtime = oneloop::Runtime::new()?;
    /// let task = runtime.enter(|| oneloop::create_task(async { 42 }));
    /// assert_eq!(runtime.run(task).unwrap(), 42);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        let deadline = self.with(State::next_deadline);
        let result = self.inside(f);
        let is_to_turn = self.with(|state| {
            // A host that polls was told at each access.
            state.host.is_none() && (state.is_busy() || state.next_deadline() != deadline)
        });
        if is_to_turn {
            self.tell_host();
        }
        result
    }

    /// Returns when [`Runtime::turn`] must be called next if nothing else happens, or `None` if no
    /// timer is armed.
    ///
    /// This is the earliest deadline or, where very many timers have nearly the same one, a moment
    /// shortly before it.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.with(State::next_deadline).map(clock::to_instant)
    }

    /// Tells the host, which may be about to sleep, that something has changed between two turns.
    pub(crate) fn tell_host(&self) {
        self.with(|state| state.inbox()).announce();
    }
}

impl Runtime {
    /// Makes one turn of the loop, for a host that polls its run. Returns `None` when all `steps`
    /// are done.
    pub(super) fn turn_steps<F: Future>(
        &self,
        steps: Pin<&mut Steps<F>>,
        hurry: &mut PollMain<'_>,
        cx: &Context<'_>,
        is_readable: bool,
    ) -> Option<Turn> {
        self.stay();
        set_host(cx.waker());
        hosted_turn(steps.place(), is_readable, || steps.turn(hurry))
    }
}

/// Calls `turn`, which makes a turn of this thread's loop, for a host that polls.
#[track_caller]
fn hosted_turn(
    place: &'static Location<'static>,
    is_readable: bool,
    turn: impl FnOnce() -> Option<Turn>,
) -> Option<Turn> {
    with(|state| state.start_hosted_turn(is_readable));
    let turn = turn_at(place, turn);
    with(|state| state.end_hosted_turn(turn.unwrap_or(Turn::Busy)));
    turn
}

/// Calls `turn`, which makes a turn of this thread's loop.
#[track_caller]
fn turn_at<R>(place: &'static Location<'static>, turn: impl FnOnce() -> R) -> R {
    if let Err(error) = check_process() {
        cannot_go_on(&error);
    }
    with(|state| {
        state.inbox().woken();
        state.start_rounds();
        state.running_since = Some(place);
    });
    let turn = limit::unlimited(turn);
    with(|state| state.running_since = None);
    turn
}

#[track_caller]
pub(super) fn refuse_inside(place: &Location<'_>) {
    if let Some(outer) = outer_run() {
        panic!(
            "an event loop cannot be turned at {place}, inside the one that runs on this thread since {outer}"
        );
    }
}
