//! A channel without capacity: each item goes straight from a sender to a receiver.
//!
//! A sender waits in its line with the item until a receiver takes it. Only items of `try_send`,
//! which has no future that could wait, are kept in `loose`: such an item was sent because a
//! receiver was waiting, but that receiver may be gone before it runs.
//!
//! A receiver that waits is given a promise of an item, as in `buffer.rs`: `offers()` counts the
//! items, and `promised` of them belong to receivers that were woken and have not run yet. While a
//! receiver waits, every item is promised. One thing differs: a sender that is dropped takes its
//! item away, promised or not. So a woken receiver may find nothing; then it joins the line again.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::task::{Context, Poll};

use super::super::buffer::{Answer, Refusal};
use super::super::line::{Left, Line};
use crate::runtime::trim_queue;
use crate::sync::wait_list::WaitKey;

pub(super) struct Rendezvous<T> {
    putters: Line<Offer<T>>,
    getters: Line<Answer>,
    /// Items of `try_send`. While this is borrowed, items are only moved in and out.
    loose: RefCell<VecDeque<Offer<T>>>,
    promised: Cell<usize>,
    /// The largest number of loose items so far.
    peak: Cell<usize>,
    /// The number that the next offer gets.
    next: Cell<u64>,
    is_closed: Cell<bool>,
}

struct Offer<T> {
    /// `None` once a receiver has taken the item.
    item: Option<T>,
    /// Orders offers by age.
    number: u64,
}

impl<T> Rendezvous<T> {
    pub(super) fn new() -> Self {
        Self {
            putters: Line::new(),
            getters: Line::new(),
            loose: RefCell::default(),
            promised: Cell::new(0),
            peak: Cell::new(0),
            next: Cell::new(0),
            is_closed: Cell::new(false),
        }
    }

    /// The number of items that were sent and are kept for a woken receiver.
    pub(super) fn len(&self) -> usize {
        self.loose.borrow().len()
    }

    pub(super) fn peak(&self) -> usize {
        self.peak.get()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.get()
    }

    pub(super) fn waiting_putters(&self) -> usize {
        self.putters.len()
    }

    pub(super) fn waiting_getters(&self) -> usize {
        self.getters.len()
    }

    fn offers(&self) -> usize {
        self.putters.len() + self.len()
    }

    fn offer(&self, item: T) -> Offer<T> {
        let number = self.next.get();
        self.next.set(number + 1);
        Offer { item: Some(item), number }
    }

    /// Sends to a waiting receiver that was promised nothing, or returns the item.
    pub(super) fn try_put(&self, item: T) -> Result<(), (T, Refusal)> {
        if self.is_closed() {
            return Err((item, Refusal::Closed));
        }
        if self.getters.is_empty() {
            return Err((item, Refusal::Full));
        }
        self.loose.borrow_mut().push_back(self.offer(item));
        self.peak.set(self.peak.get().max(self.len()));
        self.promise();
        Ok(())
    }

    /// Offers the item until a receiver has taken it. A caller that abandons `waiter` calls
    /// [`leave_putters`](Self::leave_putters).
    pub(super) fn poll_put(
        &self,
        item: &mut Option<T>,
        waiter: &mut Option<WaitKey>,
        cx: &Context<'_>,
    ) -> Poll<Result<(), T>> {
        if let Some(key) = *waiter {
            let Poll::Ready(offer) = self.putters.poll(key, cx) else { return Poll::Pending };
            *waiter = None;
            return Poll::Ready(offer.item.map_or(Ok(()), Err));
        }
        let Some(wanted) = item.take() else { return Poll::Ready(Ok(())) };
        let waker = cx.waker().clone();
        if self.is_closed() {
            return Poll::Ready(Err(wanted));
        }
        *waiter = Some(self.putters.join(self.offer(wanted), waker));
        self.promise();
        Poll::Pending
    }

    /// Withdraws the offer, and drops the item if no receiver took it.
    pub(super) fn leave_putters(&self, waiter: WaitKey) {
        let (Left::Waiting(offer) | Left::Granted(offer)) = self.putters.leave(waiter);
        drop(offer);
    }

    /// Takes the oldest item unless it is promised.
    pub(super) fn try_get(&self) -> Option<T> {
        if self.offers() <= self.promised.get() || !self.getters.is_empty() {
            return None;
        }
        self.take()
    }

    /// Whether no further item will come.
    pub(super) fn is_drained(&self) -> bool {
        self.is_closed() && self.offers() == 0
    }

    /// Takes the oldest item once there is one. Returns `None` if no further item will come. A
    /// caller that abandons `waiter` calls [`leave_getters`](Self::leave_getters).
    pub(super) fn poll_get(
        &self,
        waiter: &mut Option<WaitKey>,
        cx: &Context<'_>,
    ) -> Poll<Option<T>> {
        if let Some(key) = *waiter {
            let Poll::Ready(answer) = self.getters.poll(key, cx) else { return Poll::Pending };
            *waiter = None;
            if answer == Answer::Promise {
                self.promised.set(self.promised.get() - 1);
                if let Some(item) = self.take() {
                    return Poll::Ready(Some(item));
                }
            }
        }
        if let Poll::Ready(end) = self.poll_at_once() {
            return Poll::Ready(end);
        }
        let waker = cx.waker().clone();
        // Try again, because the clone may have run code that sent something.
        if let Poll::Ready(end) = self.poll_at_once() {
            return Poll::Ready(end);
        }
        *waiter = Some(self.getters.join(Answer::Promise, waker));
        Poll::Pending
    }

    /// The result for a receiver that does not wait.
    fn poll_at_once(&self) -> Poll<Option<T>> {
        match self.try_get() {
            None if !self.is_drained() => Poll::Pending,
            item => Poll::Ready(item),
        }
    }

    /// Gives up the wait for an item and passes the promise on, if there is one.
    pub(super) fn leave_getters(&self, waiter: WaitKey) {
        if let Left::Granted(Answer::Promise) = self.getters.leave(waiter) {
            self.promised.set(self.promised.get() - 1);
            self.promise();
        }
    }

    /// Like [`close`](Self::close), and also takes the loose items out.
    pub(super) fn close_now(&self) -> impl Iterator<Item = T> + use<T> {
        let items = self.loose.take();
        self.close();
        items.into_iter().filter_map(|offer| offer.item)
    }

    /// Refuses further items. Waiting senders get their items back.
    pub(super) fn close(&self) {
        self.is_closed.set(true);
        self.putters.grant_all(|_| ());
        self.end_getters();
    }

    /// Takes the oldest item, loose or offered by a waiting sender.
    fn take(&self) -> Option<T> {
        let item = if self.is_loose_older() {
            let mut loose = self.loose.borrow_mut();
            let offer = loose.pop_front();
            trim_queue(&mut loose);
            offer.and_then(|offer| offer.item)
        } else {
            let mut item = None;
            self.putters.grant(|offer| item = offer.item.take());
            item
        };
        self.end_getters();
        item
    }

    fn is_loose_older(&self) -> bool {
        let Some(loose) = self.loose.borrow().front().map(|offer| offer.number) else {
            return false;
        };
        self.putters.front(|offer| loose < offer.number).unwrap_or(true)
    }

    /// Promises the unpromised items to waiting receivers.
    fn promise(&self) {
        let offers = self.offers();
        self.getters.grant_while(|_| {
            let can = self.promised.get() < offers;
            if can {
                self.promised.set(self.promised.get() + 1);
            }
            can
        });
    }

    /// If no further item will come, tells the waiting receivers.
    fn end_getters(&self) {
        if self.is_drained() {
            self.getters.grant_all(|answer| *answer = Answer::Closed);
        }
    }
}
