//! The registry of loops: from the index in a key to the inbox of the loop, on any thread.
//!
//! An entry is made at its first use, stays for ever, and serves one loop after another. So an
//! index always leads to an inbox, without a reference count. Indices are given out in turn, and
//! task numbers continue where the last tenant stopped. So no number repeats, and a stale waker
//! almost never meets its serial again.

use std::io;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, TryLockError};
use std::task::Waker;
use std::thread::{self, Thread};

use super::calls::Calls;
use super::inbox::{Cancel, Inbox};
use crate::runtime::data::key::{FOREIGN_INDEX, NO_INDEX, PLACES, RunNumber, TaskNumber, WakerKey};

static REGISTRY: [OnceLock<Entry>; PLACES as usize] = [const { OnceLock::new() }; PLACES as usize];

/// Where the search for a free index starts.
static NEXT: AtomicU16 = AtomicU16::new(NO_INDEX + 1);

struct Entry {
    /// The numbers for the next tenant. The current tenant keeps this locked.
    next: Mutex<Next>,
    inbox: Inbox,
}

#[derive(Clone, Copy)]
struct Next {
    generation: u64,
    task: TaskNumber,
}

/// A loop's place in the registry, free again when dropped.
pub(crate) struct Place {
    run: RunNumber,
    inbox: &'static Inbox,
    next: MutexGuard<'static, Next>,
    is_closed: bool,
}

impl Place {
    pub(crate) fn take() -> io::Result<Self> {
        for _ in 0..PLACES {
            let index = NEXT.fetch_add(1, Ordering::Relaxed) % PLACES;
            if index == NO_INDEX || index == FOREIGN_INDEX {
                continue;
            }
            let entry = REGISTRY[usize::from(index)].get_or_init(Entry::new);
            let mut next = match entry.next.try_lock() {
                Ok(next) => next,
                // The thread of the last tenant panicked, but the numbers are consistent.
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => continue,
            };
            next.generation += 1;
            let generation = next.generation;
            entry.inbox.open(generation, thread::current());
            let run = RunNumber::new(index, generation);
            return Ok(Self { run, inbox: &entry.inbox, next, is_closed: false });
        }
        let limit = PLACES - 2;
        Err(io::Error::other(format!("{limit} event loops exist already: drop a `Runtime` first")))
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    pub(crate) fn run(&self) -> RunNumber {
        self.run
    }

    pub(crate) fn inbox(&self) -> &'static Inbox {
        self.inbox
    }

    pub(crate) fn first_task(&self) -> TaskNumber {
        self.next.task
    }

    /// Closes the inbox: later wakes have no effect. Returns the unread calls.
    pub(crate) fn close(&mut self) -> (Calls, Option<Waker>) {
        self.is_closed = true;
        self.inbox.close()
    }

    /// Where the next tenant's task numbers start.
    pub(crate) fn set_next_task(&mut self, number: TaskNumber) {
        self.next.task = number;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.is_closed {
            drop(self.close());
        }
    }
}

impl Entry {
    fn new() -> Self {
        Self {
            next: Mutex::new(Next { generation: 0, task: TaskNumber::FIRST }),
            inbox: Inbox::new(),
        }
    }
}

/// The inbox at the place of the loop `run`. Another loop may have the place by now, so calls name
/// their tenant.
pub(crate) fn inbox_at(run: RunNumber) -> Option<&'static Inbox> {
    REGISTRY[usize::from(run.index())].get().map(|entry| &entry.inbox)
}

/// The thread that drives the loop `run`, if that loop still exists.
pub(crate) fn thread_of(run: RunNumber) -> Option<Thread> {
    inbox_at(run)?.thread_of(run.generation())
}

/// Sends `call` to the thread of the loop `run`. If that loop has ended, drops `call` here.
pub(crate) fn send_home(run: RunNumber, call: impl FnOnce() + Send + 'static) {
    if let Some(inbox) = inbox_at(run) {
        let _dropped_here = inbox.send_call(run.generation(), Box::new(call));
    }
}

/// Cancels a task of the loop `run`. Returns `false` if that loop has ended.
pub(crate) fn cancel_remote(run: RunNumber, cancel: Cancel) -> bool {
    inbox_at(run).is_some_and(|inbox| inbox.send_cancel(run.generation(), cancel))
}

/// Wakes a task from a thread that is not currently running the task's loop.
pub(crate) fn wake_remote(key: WakerKey) {
    if let Some(entry) = REGISTRY[usize::from(key.index())].get() {
        entry.inbox.send_wake(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_again_to_a_later_loop_under_another_run_number() {
        let mut first = Place::take().unwrap();
        let (run, index) = (first.run(), first.run().index());
        assert!(thread_of(run).is_some());
        first.set_next_task(TaskNumber::FIRST.next());
        // Pretends that the place was given away many times since. A handle of the first loop may
        // outlive all of these tenants.
        first.next.generation += (1 << 20) - 1;
        drop(first);
        assert!(thread_of(run).is_none());
        let mut held = Vec::new();
        let again = loop {
            let place = Place::take().unwrap();
            if place.run().index() == index {
                break place;
            }
            held.push(place);
        };
        assert_ne!(again.run(), run);
        assert_eq!(again.first_task(), TaskNumber::FIRST.next(), "task numbers go on");
        assert!(thread_of(run).is_none(), "the old run number finds nobody");
    }
}
