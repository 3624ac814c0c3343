//! A buffer between those who put items in and those who take them out: the core of queues and of channels with a capacity.
//!
//! Items stay in the store until somebody takes them. Who waits is given a promise: of an item, or of room for one. So an item is
//! never on its way to somebody who may be gone, items leave in the store's order whoever takes them, and a waiter that is dropped
//! has only a promise to pass on.
//!
//! Invariants, whenever no method runs:
//!
//! 1. `promised` counts the getters that were promised an item and have not run yet, `reserved` the putters that were promised
//!    room. `promised <= len`, so each getter finds its item, unless `close_now` has taken all of them back.
//! 2. While a getter waits, each item is promised; while a putter waits, all room is taken or reserved.
//!    `promise_items` and `promise_room` keep it so, and are done with it before they wake anybody.
//! 3. Nobody passes a line: without a promise only who finds the line empty takes an item, or room.
//! 4. Closed, with nothing left: no getter waits.
//!
//! Comparisons in a priority queue are the code of others. To that code the store looks empty: who wants something there waits.

use std::cell::Cell;
use std::marker::PhantomData;
use std::task::{Context, Poll};

use super::line::{Left, Line};
use super::store::Store;
use super::wait_list::WaitKey;

pub(super) struct Buffer<T, S: Store<T>> {
    store: S,
    /// How many items were ever taken out.
    popped: Cell<u64>,
    /// How many items belong to getters that were woken and have not run yet.
    promised: Cell<usize>,
    /// How many putters were woken, and have not run yet.
    reserved: Cell<usize>,
    /// `usize::MAX` for no limit.
    capacity: usize,
    /// The capacity; 0 once it is closed, so that who puts something in has one thing to check.
    limit: Cell<usize>,
    is_closed: Cell<bool>,
    /// The largest `len` so far.
    peak: Cell<usize>,
    getters: Line<Answer>,
    putters: Line<Answer>,
    items: PhantomData<T>,
}

/// What a waiter is woken with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Answer {
    /// An item, or room for one; at first, what the waiter hopes for.
    Promise,
    /// There will be none.
    Closed,
}

/// Why an item was not taken in.
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

    /// How many items are there, promised ones included.
    pub(super) fn len(&self) -> usize {
        self.store.len()
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.get()
    }

    /// How many items were ever put in.
    pub(super) fn pushed(&self) -> u64 {
        self.popped.get() + self.len() as u64
    }

    /// The most items that were there at once.
    pub(super) fn peak(&self) -> usize {
        self.peak.get()
    }

    /// How many wait for an item.
    pub(super) fn waiting_getters(&self) -> usize {
        self.getters.len()
    }

    /// How many wait for room.
    pub(super) fn waiting_putters(&self) -> usize {
        self.putters.len()
    }

    /// Whether an item would have to wait for room. It has to where others wait: there is no room then.
    pub(super) fn is_full(&self) -> bool {
        self.len() + self.reserved.get() >= self.capacity
    }

    /// Puts an item in, or gives it back.
    #[inline]
    pub(super) fn try_put(&self, item: T) -> Result<(), (T, Refusal)> {
        if self.len() + self.reserved.get() >= self.limit.get() {
            let refusal = if self.is_closed() { Refusal::Closed } else { Refusal::Full };
            return Err((item, refusal));
        }
        self.push(item);
        Ok(())
    }

    /// Puts the item in when there is room. Whoever lets `waiter` go calls [`leave_putters`](Self::leave_putters).
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
        // It may have been closed after the promise.
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
        // Once more: the clone may have run code that took something out.
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

    /// Gives up the wait for room, and passes on what was promised.
    pub(super) fn leave_putters(&self, waiter: WaitKey) {
        if let Left::Granted(Answer::Promise) = self.putters.leave(waiter) {
            self.reserved.set(self.reserved.get() - 1);
            self.promise_room();
        }
    }

    /// Takes the next item, unless it is promised. Where others wait, all are.
    #[inline]
    pub(super) fn try_get(&self) -> Option<T> {
        if self.len() <= self.promised.get() {
            return None;
        }
        self.pop()
    }

    /// Whether no item will come any more.
    pub(super) fn is_drained(&self) -> bool {
        self.is_closed.get() && self.len() == 0
    }

    /// Takes the next item when there is one; `None` when there will be none. Whoever lets `waiter` go calls
    /// [`leave_getters`](Self::leave_getters).
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
        // Once more: the clone may have run code that put something in.
        if let Poll::Ready(end) = self.poll_at_once() {
            return Poll::Ready(end);
        }
        *waiter = Some(self.getters.join(Answer::Promise, waker));
        Poll::Pending
    }

    /// What a getter gets that does not wait.
    fn poll_at_once(&self) -> Poll<Option<T>> {
        match self.try_get() {
            None if !self.is_drained() => Poll::Pending,
            item => Poll::Ready(item),
        }
    }

    /// Gives up the wait for an item, and passes on what was promised.
    pub(super) fn leave_getters(&self, waiter: WaitKey) {
        if let Left::Granted(Answer::Promise) = self.getters.leave(waiter) {
            self.end_promise();
            self.promise_items();
        }
    }

    /// Takes nothing in any more. Who waits for room is told so; who waits for an item, when no item is left.
    pub(super) fn close(&self) {
        self.is_closed.set(true);
        self.limit.set(0);
        self.putters.grant_all(|answer| *answer = Answer::Closed);
        self.end_getters();
    }

    /// As [`close`](Self::close), and takes all items out, promised ones too.
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

    /// `None` only inside of a comparison that is made for a change of the store.
    #[inline]
    fn pop(&self) -> Option<T> {
        let item = self.store.pop()?;
        self.popped.set(self.popped.get() + 1);
        if !self.putters.is_empty() {
            self.promise_room();
        }
        if !self.getters.is_empty() {
            // After a comparison that wanted something.
            self.promise_items();
            self.end_getters();
        }
        Some(item)
    }

    fn end_promise(&self) {
        self.promised.set(self.promised.get() - 1);
    }

    /// Promises items that nobody was promised to those who wait.
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

    /// Promises room that nobody was promised to those who wait.
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

    /// Tells those who wait for an item that none will come, if that is so.
    fn end_getters(&self) {
        if self.is_drained() {
            self.getters.grant_all(|answer| *answer = Answer::Closed);
        }
    }
}
