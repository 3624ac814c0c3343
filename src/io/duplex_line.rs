//! One direction of a `duplex`: bytes written at one end and read at the other.
//!
//! Only this module's own code runs under the lock: wakers are cloned, woken and dropped outside
//! it.
//!
//! The longest-waiting future is woken first, and alone. A finished operation wakes one waiter at
//! the other end and, if the line allows another operation at its own end, one waiter there. A
//! crowd of futures at one end therefore costs no more than its operations do.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read};
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::runtime::ByNumber;

pub(super) struct Line {
    capacity: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    data: VecDeque<u8>,
    writing: Writing,
    /// The reading end is gone.
    is_deaf: bool,
    readers: Waiting,
    writers: Waiting,
}

#[derive(Default, Clone, Copy, PartialEq)]
enum Writing {
    #[default]
    Open,
    Ended,
    /// Unread data is lost.
    Reset,
}

/// The futures that wait at one end, each under its own name, in order of arrival.
#[derive(Default)]
struct Waiting {
    entries: ByNumber<Waker>,
    last: u64,
}

/// Identifies a waiter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Name(u64);

impl Name {
    /// For callers with no place to keep a name, such as `poll_read`: the last caller to poll is
    /// woken.
    pub(super) const POLL: Self = Self(0);
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum End {
    Read,
    Write,
}

impl Line {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, state: Mutex::default() }
    }

    /// Reads the available bytes; waits as `name` if there are none.
    pub(super) fn poll_read(
        &self,
        name: &mut Option<Name>,
        cx: &Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.poll(End::Read, name, cx, |state| state.read(buf))
    }

    /// Writes as many bytes as there is room for; waits as `name` if there is no room.
    pub(super) fn poll_write(
        &self,
        name: &mut Option<Name>,
        cx: &Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll(End::Write, name, cx, |state| state.write(data, self.capacity))
    }

    fn poll<T>(
        &self,
        end: End,
        name: &mut Option<Name>,
        cx: &Context<'_>,
        mut operation: impl FnMut(&mut State) -> Option<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let mut clone = None;
        loop {
            let mut state = self.lock();
            if let Some(result) = operation(&mut state) {
                let own = name.and_then(|name| state.at(end).remove(name));
                // The future waits no longer, so its drop has nothing to pass on. Callers through
                // the traits have no such drop and keep their name.
                *name = name.filter(|&name| name == Name::POLL);
                let woken =
                    [state.next(end.other(), self.capacity), state.next(end, self.capacity)];
                drop(state);
                drop(own);
                woken.into_iter().flatten().for_each(wake);
                return Poll::Ready(result);
            }
            let waiting = state.at(end);
            if waiting.will_wake(*name, cx.waker()) {
                return Poll::Pending;
            }
            if let Some(waker) = clone.take() {
                let former = waiting.set(name, waker);
                drop(state);
                drop(former);
                return Poll::Pending;
            }
            drop(state);
            clone = Some(cx.waker().clone());
        }
    }

    /// Removes the waiter `name`. If it has already been woken, wakes another waiter in its place.
    pub(super) fn forget(&self, end: End, name: Name) {
        let mut state = self.lock();
        let former = state.at(end).remove(name);
        let woken = if former.is_none() { state.next(end, self.capacity) } else { None };
        drop(state);
        drop(former);
        woken.into_iter().for_each(wake);
    }

    /// Ends the writing. Bytes already written can still be read.
    pub(super) fn end(&self) {
        self.change(|state| {
            if state.writing == Writing::Open {
                state.writing = Writing::Ended;
            }
        });
    }

    /// Ends the writing and discards unread bytes: readers get an error.
    pub(super) fn reset(&self) {
        self.change(|state| {
            state.writing = Writing::Reset;
            state.data = VecDeque::new();
        });
    }

    /// Ends the reading: writers get an error.
    pub(super) fn stop_reading(&self) {
        self.change(|state| {
            state.is_deaf = true;
            state.data = VecDeque::new();
        });
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        let woken = [mem::take(&mut state.readers.entries), mem::take(&mut state.writers.entries)];
        drop(state);
        woken.into_iter().flat_map(ByNumber::into_values).for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Returns `None` if there is nothing to read yet.
    fn read(&mut self, buf: &mut [u8]) -> Option<io::Result<usize>> {
        if self.is_deaf {
            Some(Ok(0))
        } else if !self.data.is_empty() {
            let result = read_all(&mut self.data, buf);
            if self.data.is_empty() {
                // An empty line holds no memory.
                self.data = VecDeque::new();
            }
            Some(result)
        } else {
            match self.writing {
                Writing::Open => None,
                Writing::Ended => Some(Ok(0)),
                Writing::Reset => Some(Err(ErrorKind::ConnectionReset.into())),
            }
        }
    }

    /// Returns `None` if there is no room yet.
    fn write(&mut self, data: &[u8], capacity: usize) -> Option<io::Result<usize>> {
        if self.is_deaf || self.writing != Writing::Open {
            return Some(Err(ErrorKind::BrokenPipe.into()));
        }
        let len = data.len().min(capacity - self.data.len());
        self.data.extend(&data[..len]);
        (len > 0).then_some(Ok(len))
    }

    /// The next waiter to wake at this end, if an operation there need not wait.
    fn next(&mut self, end: End, capacity: usize) -> Option<Woken> {
        let is_over = self.is_deaf || self.writing != Writing::Open;
        let is_ready = match end {
            End::Read => is_over || !self.data.is_empty(),
            End::Write => is_over || self.data.len() < capacity,
        };
        if is_ready { self.at(end).next() } else { None }
    }

    fn at(&mut self, end: End) -> &mut Waiting {
        match end {
            End::Read => &mut self.readers,
            End::Write => &mut self.writers,
        }
    }
}

/// Reads from both halves of the deque, since the data may be split in two.
fn read_all(data: &mut VecDeque<u8>, buf: &mut [u8]) -> io::Result<usize> {
    let len = data.read(buf)?;
    Ok(len + data.read(&mut buf[len..])?)
}

impl End {
    fn other(self) -> Self {
        match self {
            Self::Read => Self::Write,
            Self::Write => Self::Read,
        }
    }
}

impl Waiting {
    fn will_wake(&self, name: Option<Name>, waker: &Waker) -> bool {
        let set = name.and_then(|name| self.entries.get(name.0));
        set.is_some_and(|set| set.will_wake(waker))
    }

    /// Stores `waker` under the name, allocating a name if there is none. Returns the former waker.
    fn set(&mut self, name: &mut Option<Name>, waker: Waker) -> Option<Waker> {
        let name = *name.get_or_insert_with(|| {
            self.last += 1;
            Name(self.last)
        });
        self.entries.insert(name.0, waker)
    }

    fn remove(&mut self, name: Name) -> Option<Waker> {
        self.entries.remove(name.0)
    }

    /// Takes the first waiter. If that is the unnamed one, which may never poll again, takes
    /// another as well.
    fn next(&mut self) -> Option<Woken> {
        let (name, first) = self.entries.pop_first()?;
        let second = if Name(name) == Name::POLL { self.entries.pop_first() } else { None };
        Some(Woken { first, second: second.map(|(_, waker)| waker) })
    }
}

struct Woken {
    first: Waker,
    second: Option<Waker>,
}

fn wake(woken: Woken) {
    woken.first.wake();
    if let Some(second) = woken.second {
        second.wake();
    }
}
