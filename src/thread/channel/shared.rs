//! The state that both ends of a channel share.
//!
//! The receiver takes all items at once, under one lock, and returns them one by one. Meanwhile
//! they still count as in the channel: `len` counts the items that were sent and not yet returned,
//! and it alone decides whether there is room. The receiver therefore need not lock to make room,
//! unless a sender waits for it:
//!
//! - a sender that waits for room first announces it (`waiting`), then looks at `len` again;
//! - the receiver first lowers `len`, then looks at `waiting`.
//!
//! At least one of the two sees the other. Each item that is returned calls the oldest waiting
//! sender.

use std::collections::VecDeque;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use super::{SendError, TrySendError};
use crate::runtime::{self, ByNumber};

pub(super) struct Shared<T> {
    capacity: usize,
    /// Items sent and not yet returned. Grows only under the lock.
    len: AtomicUsize,
    /// The number of senders that wait for room and have not been called.
    waiting: AtomicUsize,
    state: Mutex<State<T>>,
}

struct State<T> {
    queue: VecDeque<T>,
    senders: usize,
    /// Nothing more can be sent.
    is_closed: bool,
    receiver: Option<Waker>,
    /// The senders that wait for room, by ticket. The smallest ticket is the oldest.
    waiting: ByNumber<Waker>,
    tickets: u64,
}

impl<T> Shared<T> {
    /// Makes the state of a channel with one sender.
    pub(super) fn new(capacity: usize) -> Self {
        let state = State {
            queue: VecDeque::new(),
            senders: 1,
            is_closed: false,
            receiver: None,
            waiting: ByNumber::new(),
            tickets: 0,
        };
        Self {
            capacity,
            len: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            state: Mutex::new(state),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Only allocation can panic under the lock, and that leaves the lists intact.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::SeqCst)
    }

    pub(super) fn capacity(&self) -> Option<usize> {
        Some(self.capacity).filter(|&capacity| capacity != usize::MAX)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    fn has_room(&self) -> bool {
        self.len() < self.capacity
    }

    // Sending.

    pub(super) fn add_sender(&self) {
        self.lock().senders += 1;
    }

    pub(super) fn remove_sender(&self) {
        let mut state = self.lock();
        state.senders -= 1;
        if state.senders == 0 {
            state.is_closed = true;
            let receiver = state.receiver.take();
            drop(state);
            wake(receiver);
        }
    }

    pub(super) fn try_send(&self, item: T) -> Result<(), TrySendError<T>> {
        let state = self.lock();
        if state.is_closed {
            return Err(TrySendError::new(item, false));
        }
        if !self.has_room() {
            return Err(TrySendError::new(item, true));
        }
        self.push(state, item);
        Ok(())
    }

    /// Sends the item in `place`, or queues the ticket among the waiting senders. On an error the
    /// item stays in `place`.
    pub(super) fn poll_send(
        &self,
        place: &mut Option<T>,
        ticket: &mut Option<u64>,
        waker: Waker,
    ) -> Poll<Result<(), SendError<()>>> {
        let mut state = self.lock();
        // It was called, or polls again: in either case it no longer waits.
        let mut former = ticket.and_then(|ticket| state.waiting.remove(ticket));
        if !state.is_closed && !self.has_room() {
            let number = *ticket.get_or_insert_with(|| {
                state.tickets += 1;
                state.tickets
            });
            state.waiting.insert(number, waker);
            self.count_waiting(&state);
            if !self.has_room() {
                drop(state);
                drop(former);
                return Poll::Pending;
            }
            former = state.waiting.remove(number);
        }
        self.count_waiting(&state);
        *ticket = None;
        let result = if state.is_closed {
            drop(state);
            Err(SendError::new(()))
        } else {
            let item = place.take().expect("polled only until it is ready");
            self.push(state, item);
            Ok(())
        };
        drop(former);
        Poll::Ready(result)
    }

    /// A sender stops waiting for room. If it had been called, another is called in its place.
    pub(super) fn stop_waiting(&self, ticket: u64) {
        let mut state = self.lock();
        let former = state.waiting.remove(ticket);
        let next = if former.is_none() && self.has_room() { state.next_waiting() } else { None };
        self.count_waiting(&state);
        drop(state);
        drop(former);
        wake(next);
    }

    fn push(&self, mut state: MutexGuard<'_, State<T>>, item: T) {
        state.queue.push_back(item);
        self.len.fetch_add(1, Ordering::SeqCst);
        let receiver = state.receiver.take();
        drop(state);
        wake(receiver);
    }

    fn count_waiting(&self, state: &State<T>) {
        self.waiting.store(state.waiting.len(), Ordering::SeqCst);
    }

    // Receiving.

    /// Moves all items into `buffer`, which must be empty. Returns `false` if there are none and
    /// never will be.
    pub(super) fn take_all(&self, buffer: &mut VecDeque<T>, waker: Option<Waker>) -> bool {
        let mut state = self.lock();
        if !state.queue.is_empty() {
            mem::swap(&mut state.queue, buffer);
            return true;
        }
        let is_open = !state.is_closed;
        let former = if is_open && waker.is_some() {
            mem::replace(&mut state.receiver, waker)
        } else {
            waker
        };
        drop(state);
        drop(former);
        is_open
    }

    /// One of the items has been returned.
    pub(super) fn give_room(&self) {
        self.len.fetch_sub(1, Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) > 0 {
            let mut state = self.lock();
            let next = state.next_waiting();
            self.count_waiting(&state);
            drop(state);
            wake(next);
        }
    }

    /// Closes the channel for sending.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        let waiting = mem::take(&mut state.waiting);
        self.count_waiting(&state);
        let receiver = state.receiver.take();
        drop(state);
        waiting.into_values().chain(receiver).for_each(runtime::wake_guarded);
    }

    /// Like [`Shared::close`], but also drops the items: nothing will be received either.
    pub(super) fn close_and_clear(&self) {
        self.close();
        let queue = mem::take(&mut self.lock().queue);
        drop(queue);
    }
}

impl<T> State<T> {
    fn next_waiting(&mut self) -> Option<Waker> {
        self.waiting.pop_first().map(|(_, waker)| waker)
    }
}

/// Wakers run foreign code, and so does dropping them.
fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        runtime::wake_guarded(waker);
    }
}
