//! A registered I/O object as the rest of the crate holds it: the object, and the key of its source.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::task::{Context, Poll, ready};

use super::context::{self, NotHere, candidate, with, with_loop};
use super::key::HandleKey;
use super::reactor::{Direction, Drained, EntryId, EventSource, Interests, SignalPipe, Source};
use super::registry;
use super::state::State;
use super::waiter::Waiter;

/// An I/O object registered with a loop's reactor. Usable on the loop's thread, droppable on each to which the object may go:
/// `Send` if the object is, since the rest is a key.
#[expect(unnameable_types, reason = "it stands in a trait of `net` that is for streams alone")]
pub struct Registration<S: EventSource> {
    /// `None` only after `into_inner` and drop took it.
    io: Option<S>,
    key: HandleKey,
    /// What it is called in messages.
    what: &'static str,
}

/// How an operation on the object went, besides failing.
pub(crate) struct Moved<T> {
    pub(crate) value: T,
    /// It moved less than it was offered, so there is no more for now, if the short-read rule holds.
    pub(crate) is_short: bool,
}

/// The error of an object that is used where its loop does not run.
fn wrong_place(elsewhere: NotHere, what: &str) -> io::Error {
    let remedy = if elsewhere.loop_has_ended() {
        "it can only be dropped; `into_std`, `into_inner` or `into_owned_fd` takes one along while the loop lives"
    } else {
        "take it off its loop there (`into_std`, `into_inner`, `into_owned_fd`) and register it here"
    };
    io::Error::other(elsewhere.message(what, remedy))
}

impl<S: EventSource> Registration<S> {
    /// Registers `io`, which is in non-blocking mode, with the loop that runs here.
    pub(crate) fn new(mut io: S, interests: Interests, what: &'static str) -> io::Result<Self> {
        let register = |state: &mut State| {
            let run = state.run_number();
            let slot = state.reactor()?.register(&mut io, interests)?;
            Ok(HandleKey { run, slot })
        };
        let key = with(register).unwrap_or_else(|| Err(needs_loop(what)))?;
        Ok(Self { io: Some(io), key, what })
    }

    pub(crate) fn io(&self) -> &S {
        match &self.io {
            Some(io) => io,
            None => unreachable!("the object is taken out only when the registration goes"),
        }
    }

    /// Ends the registration and gives the object back.
    pub(crate) fn into_inner(mut self) -> io::Result<S> {
        match self.release() {
            Some(Ok(io)) => Ok(io),
            Some(Err(io)) => {
                // Drop sends it home.
                self.io = Some(io);
                self.with_source(|_| ()).and(Err(needs_loop(self.what)))
            }
            None => unreachable!("the object is taken out only when the registration goes"),
        }
    }

    /// Does `operation` if the object may be ready for it; `WouldBlock` if not. Never waits.
    pub(crate) fn try_io<T>(
        &self,
        direction: Direction,
        operation: impl FnMut(&S) -> io::Result<Moved<T>>,
    ) -> io::Result<T> {
        let is_ready = self.with_source(|source| source.is_ready(direction))?;
        if is_ready {
            self.attempt(direction, operation)
        } else {
            Err(ErrorKind::WouldBlock.into())
        }
    }

    /// Does `operation` as soon as the object is ready for it.
    pub(crate) async fn when_ready<T>(
        &self,
        direction: Direction,
        mut operation: impl FnMut(&S) -> io::Result<Moved<T>>,
    ) -> io::Result<T> {
        let mut waiting = Waiting { registration: self, direction, entry: None };
        poll_fn(|cx| self.poll_as(&mut waiting.entry, direction, cx, &mut operation)).await
    }

    /// As [`Registration::when_ready`], for traits whose callers have one waker a direction: the last one is woken.
    pub(crate) fn poll_io<T>(
        &self,
        direction: Direction,
        cx: &mut Context<'_>,
        mut operation: impl FnMut(&S) -> io::Result<Moved<T>>,
    ) -> Poll<io::Result<T>> {
        self.poll_as(&mut Some(EntryId::POLL), direction, cx, &mut operation)
    }

    /// Waits until an operation in this direction may do something.
    pub(crate) async fn ready(&self, direction: Direction) -> io::Result<()> {
        let mut waiting = Waiting { registration: self, direction, entry: None };
        poll_fn(|cx| self.poll_ready(&mut waiting.entry, direction, cx)).await
    }

    /// As [`Registration::ready`], for callers who have one waker a direction: the last one is woken.
    pub(crate) fn poll_direction(
        &self,
        direction: Direction,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_ready(&mut Some(EntryId::POLL), direction, cx)
    }

    /// As [`Registration::poll_io`], for one of several: the entry, none at first, is its own, and [`Registration::forget`]
    /// takes it back.
    pub(crate) fn poll_as<T>(
        &self,
        entry: &mut Option<EntryId>,
        direction: Direction,
        cx: &mut Context<'_>,
        operation: &mut impl FnMut(&S) -> io::Result<Moved<T>>,
    ) -> Poll<io::Result<T>> {
        loop {
            ready!(self.poll_ready(entry, direction, cx))?;
            match self.attempt(direction, &mut *operation) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    fn poll_ready(
        &self,
        entry: &mut Option<EntryId>,
        direction: Direction,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        enum Found {
            Ready,
            /// The task has had its share of this round.
            Spent,
            Waiting,
            /// The waker has to be cloned first.
            Foreign(EntryId),
        }
        let slot = self.key.slot;
        let candidate = candidate(cx.waker());
        let found = with_loop(self.key.run, |state| {
            let Some(source) = source(state, slot) else { return Found::Ready };
            if source.is_ready(direction) {
                return if state.spend() { Found::Ready } else { Found::Spent };
            }
            let id = *entry.get_or_insert_with(|| source.new_entry());
            let is_set = state.set_waiter(&candidate, |state| waiter(state, slot, direction, id));
            if is_set { Found::Waiting } else { Found::Foreign(id) }
        });
        match found {
            Ok(Found::Ready) => return Poll::Ready(Ok(())),
            Ok(Found::Spent) => cx.waker().wake_by_ref(),
            Ok(Found::Waiting) => {}
            Ok(Found::Foreign(id)) => {
                context::wait_cloned(self.key.run, cx.waker(), |state| {
                    waiter(state, slot, direction, id)
                });
            }
            Err(elsewhere) => return Poll::Ready(Err(wrong_place(elsewhere, self.what))),
        }
        Poll::Pending
    }

    /// Does the operation now, and notes what it says about the object's readiness.
    fn attempt<T>(
        &self,
        direction: Direction,
        mut operation: impl FnMut(&S) -> io::Result<Moved<T>>,
    ) -> io::Result<T> {
        let (result, drained) = loop {
            match operation(self.io()) {
                Ok(Moved { value, is_short: true }) => break (Ok(value), Drained::Short),
                Ok(Moved { value, is_short: false }) => return Ok(value),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    break (Err(error), Drained::WouldBlock);
                }
                Err(error) => return Err(error),
            }
        };
        self.with_source(|source| source.drained(direction, drained))?;
        result
    }

    fn with_source<T>(&self, f: impl FnOnce(&mut Source) -> T) -> io::Result<T> {
        let found = with_loop(self.key.run, |state| source(state, self.key.slot).map(f));
        match found {
            Ok(Some(value)) => Ok(value),
            Ok(None) => Err(needs_loop(self.what)),
            Err(elsewhere) => Err(wrong_place(elsewhere, self.what)),
        }
    }

    /// Who waited at this entry waits no longer.
    pub(crate) fn forget(&self, direction: Direction, entry: EntryId) {
        let HandleKey { run, slot } = self.key;
        // On another thread the entry stays until the next edge, whose wake then is one too many.
        let _ = with_loop(run, |state| {
            let forgotten = source(state, slot).map(|source| source.forget(direction, entry));
            state.release(forgotten.unwrap_or(Waiter::NOBODY));
        });
    }

    /// Takes the object out, deregistered if that could be done here.
    fn release(&mut self) -> Option<Result<S, S>> {
        let mut io = self.io.take()?;
        let released =
            with_loop(self.key.run, |state| state.release_source(self.key.slot, Some(&mut io)));
        Some(if released.is_ok() { Ok(io) } else { Err(io) })
    }
}

fn source(state: &mut State, slot: u32) -> Option<&mut Source> {
    state.reactor.as_mut()?.source(slot).filter(|source| !source.is_released())
}

fn waiter(state: &mut State, slot: u32, direction: Direction, id: EntryId) -> Option<&mut Waiter> {
    source(state, slot).map(|source| source.waiter(direction, id))
}

/// An error where no loop runs.
pub(crate) fn check_loop(what: &str) -> io::Result<()> {
    with(|_| ()).ok_or_else(|| needs_loop(what))
}

fn needs_loop(what: &str) -> io::Error {
    io::Error::other(format!("a {what} needs a running event loop: use it inside `oneloop::run`"))
}

impl<S: EventSource> Drop for Registration<S> {
    fn drop(&mut self) {
        let Some(Err(io)) = self.release() else { return };
        // On another thread, or between two runs: it is closed at once, so that the peer sees it, which takes it out of the
        // reactor too. The key goes home.
        drop(io);
        send_release_home(self.key);
    }
}

/// Not of the registration's type, which may borrow what does not live as long as the mail.
fn send_release_home(key: HandleKey) {
    let HandleKey { run, slot } = key;
    registry::send_home(run, move || {
        with_loop(run, |state| state.release_source(slot, None::<&mut SignalPipe>)).ok();
    });
}

/// A future that waits for a direction, and takes its entry back when it is dropped.
struct Waiting<'a, S: EventSource> {
    registration: &'a Registration<S>,
    direction: Direction,
    entry: Option<EntryId>,
}

impl<S: EventSource> Drop for Waiting<'_, S> {
    fn drop(&mut self) {
        if let Some(entry) = self.entry {
            self.registration.forget(self.direction, entry);
        }
    }
}

impl<S: EventSource + fmt::Debug> fmt::Debug for Registration<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.io(), f)
    }
}
