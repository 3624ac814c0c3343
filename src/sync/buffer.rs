//! A buffer between tasks that put items in and tasks that take them out: the core of queues and of
//! channels with a capacity.
//!
//! Items stay in the store until a task takes them. A waiter is given a promise: of an item, or of
//! room for one. So no item is ever on its way to a task that may be gone, items leave in the
//! store's order whichever task takes them, and a dropped waiter has only a promise to pass on.
//!
//! Invariants, whenever no method is running:
//!
//! 1. `promised` counts the getters that were promised an item and have not run yet, and `reserved`
//!    counts the putters that were promised room. `promised <= len`, so each getter finds its item,
//!    unless `close_now` has taken all of them back.
//! 2. While a getter waits, each item is promised. While a putter waits, all room is taken or
//!    reserved. `promise_items` and `promise_room` maintain this, and finish before they wake any
//!    task.
//! 3. No task overtakes a line: without a promise, a task takes an item or room only if it finds
//!    the line empty.
//! 4. When the buffer is closed and empty, no getter waits.
//!
//! Comparisons in a priority queue are foreign code. To that code the store looks empty: a task
//! that wants an item there waits.

use std::cell::Cell;
use std::marker::PhantomData;
use std::task::{Context, Poll};

use super::line::{Left, Line};
use super::store::Store;
use super::wait_list::WaitKey;

pub(super) struct Buffer<T, S: Store<T>> {
    store: S,
    /// The number of items ever taken out.
    popped: Cell<u64>,
    /// How many items belong to getters that were woken and have not run yet.
    promised: Cell<usize>,
    /// How many putters were woken and have not run yet.
    reserved: Cell<usize>,
    /// `usize::MAX` for no limit.
    capacity: usize,
    /// The capacity, or 0 once the buffer is closed, so that a putter has only one thing to check.
    limit: Cell<usize>,
    is_closed: Cell<bool>,
    /// The largest `len` so far.
    peak: Cell<usize>,
    getters: Line<Answer>,
    putters: Line<Answer>,
    items: PhantomData<T>,
}

/// The answer with which a waiter is woken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Answer {
    /// An item, or room for one. Also the initial value, before an answer.
    Promise,
    /// No item or room will come.
    Closed,
}

/// Why an item was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refusal {
    Full,
    Closed,
}

impl<T, S: Store<T>> Buffer<T, S> {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            store: S::default(),
            popped: Cell::new(0),
            promised: Cell::new(0),
            reserved: Cell::new(0),
            capacity,
            limit: Cell::new(capacity),
            is_closed: Cell::new(false),
            peak: Cell::new(0),
            getters: Line::new(),
            putters: Line::new(),
            items: PhantomData,
        }
    }

    /// The number of items in the buffer, including promised ones.
    pub(super) fn len(&self) -> usize {
        self.store.len()
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.get()
    }

    /// The number of items ever put in.
    pub(super) fn pushed(&self) -> u64 {
        self.popped.get() + self.len() as u64
    }

    /// The largest number of items held so far.
    pub(super) fn peak(&self) -> usize {
        self.peak.get()
    }

    /// The number of tasks that wait for an item.
    pub(super) fn waiting_getters(&self) -> usize {
        self.getters.len()
    }

    /// The number of tasks that wait for room.
    pub(super) fn waiting_putters(&self) -> usize {
        self.putters.len()
    }

    /// Whether an item would have to wait for room. This holds whenever putters wait, because then
    /// there is no free room.
    pub(super) fn is_full(&self) -> bool {
        self.len() + self.reserved.get() >= self.capacity
    }

    /// Puts an item in, or returns it.
    #[inline]
    pub(super) fn try_put(&self, item: T) -> Result<(), (T, Refusal)> {
        if self.len() + self.reserved.get() >= self.limit.get() {
            let refusal = if self.is_closed() { Refusal::Closed } else { Refusal::Full };
            return Err((item, refusal));
        }
        self.push(item);
        Ok(())
    }

    /// Puts the item in once there is room. A caller that abandons `waiter` calls
    /// [`leave_putters`](Self::leave_putters).
    ///
    /// The error is the item, if the buffer is closed.
    #[inline]
    pub(super) fn poll_put(
        &self,
        item: &mut Option<T>,
        waiter: &mut Option<WaitKey>,
        cx: &Context<'_>,
    ) -> Poll<Result<(), T>> {
        let Some(wanted) = item.take() else { return Poll::Ready(Ok(())) };
        if let Some(key) = *waiter {
            return self.poll_waiting_put(wanted, key, item, waiter, cx);
        }
        match self.try_put(wanted) {
            Ok(()) => Poll::Ready(Ok(())),
            Err((wanted, Refusal::Closed)) => Poll::Ready(Err(wanted)),
            Err((wanted, Refusal::Full)) => self.join_putters(wanted, item, waiter, cx),
        }
    }

    fn poll_waiting_put(
        &self,
        wanted: T,
        key: WaitKey,
        item: &mut Option<T>,
        waiter: &mut Option<WaitKey>,
        cx: &Context<'_>,
    ) -> Poll<Result<(), T>> {
        let Poll::Ready(answer) = self.putters.poll(key, cx) else {
            *item = Some(wanted);
            return Poll::Pending;
        };
        *waiter = None;
        if answer == Answer::Promise {
            self.reserved.set(self.reserved.get() - 1);
        }
        // The buffer may have been closed after the promise.
        if self.is_closed() {
            return Poll::Ready(Err(wanted));
        }
        self.push(wanted);
        Poll::Ready(Ok(()))
    }

    fn join_putters(
        &self,
        wanted: T,
        item: &mut Option<T>,
        waiter: &mut Option<WaitKey>,
        cx: &Context<'_>,
    ) -> Poll<Result<(), T>> {
        let waker = cx.waker().clone();
        // Try again, because the clone may have run code that took something out.
        match self.try_put(wanted) {
            Ok(()) => Poll::Ready(Ok(())),
            Err((wanted, Refusal::Closed)) => Poll::Ready(Err(wanted)),
            Err((wanted, Refusal::Full)) => {
                *item = Some(wanted);
                *waiter = Some(self.putters.join(Answer::Promise, waker));
                Poll::Pending
            }
        }
    }

    /// Gives up the wait for room and passes the promise on, if there is one.
    pub(super) fn leave_putters(&self, waiter: WaitKey) {
        if let Left::Granted(Answer::Promise) = self.putters.leave(waiter) {
            self.reserved.set(self.reserved.get() - 1);
            self.promise_room();
        }
    }

    /// Takes the next item unless it is promised. While getters wait, all items are promised.
    #[inline]
    pub(super) fn try_get(&self) -> Option<T> {
        if self.len() <= self.promised.get() {
            return None;
        }
        self.pop()
    }

    /// Whether no further item will come.
    pub(super) fn is_drained(&self) -> bool {
        self.is_closed.get() && self.len() == 0
    }

    /// Takes the next item once there is one. Returns `None` if no further item will come. A caller
    /// that abandons `waiter` calls [`leave_getters`](Self::leave_getters).
    #[inline]
    pub(super) fn poll_get(
        &self,
        waiter: &mut Option<WaitKey>,
        cx: &Context<'_>,
    ) -> Poll<Option<T>> {
        if let Some(key) = *waiter {
            return self.poll_waiting_get(key, waiter, cx);
        }
        match self.try_get() {
            Some(item) => Poll::Ready(Some(item)),
            None => self.join_getters(waiter, cx),
        }
    }

    fn poll_waiting_get(
        &self,
        key: WaitKey,
        waiter: &mut Option<WaitKey>,
        cx: &Context<'_>,
    ) -> Poll<Option<T>> {
        let Poll::Ready(answer) = self.getters.poll(key, cx) else { return Poll::Pending };
        *waiter = None;
        if answer == Answer::Closed {
            return Poll::Ready(None);
        }
        self.end_promise();
        match self.pop() {
            Some(item) => Poll::Ready(Some(item)),
            None => self.join_getters(waiter, cx),
        }
    }

    fn join_getters(&self, waiter: &mut Option<WaitKey>, cx: &Context<'_>) -> Poll<Option<T>> {
        if self.is_drained() {
            return Poll::Ready(None);
        }
        let waker = cx.waker().clone();
        // Try again, because the clone may have run code that put something in.
        if let Poll::Ready(end) = self.poll_at_once() {
            return Poll::Ready(end);
        }
        *waiter = Some(self.getters.join(Answer::Promise, waker));
        Poll::Pending
    }

    /// The result for a getter that does not wait.
    fn poll_at_once(&self) -> Poll<Option<T>> {
        match self.try_get() {
            None if !self.is_drained() => Poll::Pending,
            item => Poll::Ready(item),
        }
    }

    /// Gives up the wait for an item and passes the promise on, if there is one.
    pub(super) fn leave_getters(&self, waiter: WaitKey) {
        if let Left::Granted(Answer::Promise) = self.getters.leave(waiter) {
            self.end_promise();
            self.promise_items();
        }
    }

    /// Refuses further items. Waiting putters are told at once, waiting getters once no item is
    /// left.
    pub(super) fn close(&self) {
        self.is_closed.set(true);
        self.limit.set(0);
        self.putters.grant_all(|answer| *answer = Answer::Closed);
        self.end_getters();
    }

    /// Like [`close`](Self::close), and also takes all items out, including promised ones.
    pub(super) fn close_now(&self) -> Vec<T> {
        self.is_closed.set(true);
        self.limit.set(0);
        let items = self.store.clear();
        self.popped.set(self.popped.get() + items.len() as u64);
        self.close();
        items
    }

    #[inline]
    fn push(&self, item: T) {
        self.store.push(item);
        let len = self.len();
        if len > self.peak.get() {
            self.peak.set(len);
        }
        if !self.getters.is_empty() {
            self.promise_items();
        }
    }

    /// Returns `None` only inside a comparison made for a change of the store.
    #[inline]
    fn pop(&self) -> Option<T> {
        let item = self.store.pop()?;
        self.popped.set(self.popped.get() + 1);
        if !self.putters.is_empty() {
            self.promise_room();
        }
        if !self.getters.is_empty() {
            // A comparison may have put items in, or started to wait for one.
            self.promise_items();
            self.end_getters();
        }
        Some(item)
    }

    fn end_promise(&self) {
        self.promised.set(self.promised.get() - 1);
    }

    /// Promises the unpromised items to waiting getters.
    fn promise_items(&self) {
        let promise = |_: &mut Answer| {
            let can = self.promised.get() < self.len();
            if can {
                self.promised.set(self.promised.get() + 1);
            }
            can
        };
        self.getters.grant_while(promise);
    }

    /// Promises the unreserved room to waiting putters.
    fn promise_room(&self) {
        let promise = |_: &mut Answer| {
            let can = self.len() + self.reserved.get() < self.capacity;
            if can {
                self.reserved.set(self.reserved.get() + 1);
            }
            can
        };
        self.putters.grant_while(promise);
    }

    /// If no further item will come, tells the waiting getters.
    fn end_getters(&self) {
        if self.is_drained() {
            self.getters.grant_all(|answer| *answer = Answer::Closed);
        }
    }
}
