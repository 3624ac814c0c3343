//! The handle of a source: the part of a registration that does not depend on the registered type,
//! so that it is compiled once.

use std::io::{self, ErrorKind};
use std::task::{Context, Poll};

use crate::runtime::budget;
use crate::runtime::context::{self, NotHere, candidate, with, with_loop};
use crate::runtime::data::key::HandleKey;
use crate::runtime::data::waiter::Waiter;
use crate::runtime::reactor::{Direction, Drained, EntryId, Interests, Source};
use crate::runtime::state::State;
use crate::runtime::threads::registry;
use crate::sys::edges::EventSource;

pub(crate) struct SourceHandle {
    key: HandleKey,
    /// The name of the object in messages.
    what: &'static str,
}

impl SourceHandle {
    pub(crate) fn register(
        io: &mut dyn EventSource,
        interests: Interests,
        what: &'static str,
    ) -> io::Result<Self> {
        let register = |state: &mut State| {
            let run = state.run_number();
            let slot = state.reactor()?.register(io, interests)?;
            Ok(HandleKey { run, slot })
        };
        let key = with(register).unwrap_or_else(|| Err(needs_loop(what)))?;
        Ok(Self { key, what })
    }

    /// Marks the object as one that another process makes ready. Virtual time stands still while it
    /// is awaited.
    pub(crate) fn set_outside(&self) {
        self.with_source(|source| {
            source.set_outside();
            true
        })
        .ok();
    }

    /// Marks the entry at which the loop itself waits, so that no task is woken there.
    pub(crate) fn set_own(&self, entry: EntryId) {
        self.with_source(|source| source.set_own(entry)).ok();
    }

    pub(crate) fn is_ready(&self, direction: Direction) -> io::Result<bool> {
        self.with_source(|source| source.is_ready(direction))
    }

    /// Ready if an operation may do something now.
    pub(crate) fn poll_ready(
        &self,
        entry: &mut Option<EntryId>,
        direction: Direction,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        enum Found {
            Ready,
            /// The task has used up its budget.
            Spent,
            Waiting,
            /// The waker has to be cloned first.
            Foreign(EntryId),
        }
        let slot = self.key.slot;
        let found = with_loop(self.key.run, |state| {
            let Some(source) = source(state, slot) else { return Found::Ready };
            if source.is_ready(direction) {
                return if budget::spend() { Found::Ready } else { Found::Spent };
            }
            let id = *entry.get_or_insert_with(|| source.new_entry());
            let candidate = candidate(cx.waker());
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
            Err(elsewhere) => return Poll::Ready(Err(self.wrong_place(elsewhere))),
        }
        Poll::Pending
    }

    /// Notes that an operation found no more for now.
    pub(crate) fn drained(&self, direction: Direction, drained: Drained) -> io::Result<()> {
        self.with_source(|source| source.drained(direction, drained))
    }

    /// Handles the error of an operation. Returns `Ok` if it was interrupted, and should be tried
    /// again.
    pub(crate) fn failed(&self, direction: Direction, error: io::Error) -> io::Result<()> {
        if error.kind() == ErrorKind::Interrupted {
            return Ok(());
        }
        if error.kind() == ErrorKind::WouldBlock {
            self.drained(direction, Drained::WouldBlock)?;
        }
        Err(error)
    }

    /// Removes the entry of a waiter that waits no longer.
    pub(crate) fn forget(&self, direction: Direction, entry: EntryId) {
        let HandleKey { run, slot } = self.key;
        // On another thread the entry stays until the next edge, which then wakes once too often.
        let _ = with_loop(run, |state| {
            let forgotten = source(state, slot).map(|source| source.forget(direction, entry));
            state.release(forgotten.unwrap_or(Waiter::NOBODY));
        });
    }

    /// Ends the registration of `io`, the object of this source. Fails if the loop does not run
    /// here, and the object is then still registered.
    pub(crate) fn release(&self, io: &mut dyn EventSource) -> Result<(), NotHere> {
        let HandleKey { run, slot } = self.key;
        with_loop(run, |state| state.release_source(slot, Some(io)))
    }

    /// Ends the registration of an object that was closed elsewhere.
    pub(crate) fn send_release_home(&self) {
        let HandleKey { run, slot } = self.key;
        registry::send_home(run, move || {
            with_loop(run, |state| state.release_source(slot, None)).ok();
        });
    }

    fn with_source<T>(&self, f: impl FnOnce(&mut Source) -> T) -> io::Result<T> {
        let found = with_loop(self.key.run, |state| source(state, self.key.slot).map(f));
        match found {
            Ok(Some(value)) => Ok(value),
            Ok(None) => Err(needs_loop(self.what)),
            Err(elsewhere) => Err(self.wrong_place(elsewhere)),
        }
    }

    /// The error for an object that is used where its loop does not run.
    pub(crate) fn wrong_place(&self, elsewhere: NotHere) -> io::Error {
        let remedy = if elsewhere.loop_has_ended() {
            "it can only be dropped; `into_std`, `into_inner` or `into_owned_fd` takes one along while the loop lives"
        } else {
            "take it off its loop there (`into_std`, `into_inner`, `into_owned_fd`) and register it here"
        };
        io::Error::other(elsewhere.message(self.what, remedy))
    }
}

fn source(state: &mut State, slot: u32) -> Option<&mut Source> {
    state.reactor.as_mut()?.source(slot).filter(|source| !source.is_released())
}

fn waiter(state: &mut State, slot: u32, direction: Direction, id: EntryId) -> Option<&mut Waiter> {
    source(state, slot).map(|source| source.waiter(direction, id))
}

/// Fails if no loop runs here.
pub(crate) fn check_loop(what: &str) -> io::Result<()> {
    with(|_| ()).ok_or_else(|| needs_loop(what))
}

fn needs_loop(what: &str) -> io::Error {
    io::Error::other(format!("a {what} needs a running event loop: use it inside `oneloop::run`"))
}
