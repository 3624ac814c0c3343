//! A line of waiters that manages its own borrows: the basis of all primitives in this folder.
//!
//! To build a primitive on it:
//!
//! - The future holds an `Option<WaitKey>`. Its first poll tries without waiting, but only if the
//!   [`Line`] is empty; otherwise it would overtake. If that fails it clones the waker, *tries
//!   again* (the clone is foreign code, which may have changed everything), and then calls
//!   [`Line::join`] with the waiter's own data: how much it wants, or room for the result.
//! - Code that has something to give calls [`Line::grant_if`] or [`Line::grant`]: this changes the
//!   first waiter's data, ends its wait and wakes it. The grant belongs to that waiter from this
//!   moment, although it has not run yet: no other task can take it.
//! - A later poll calls [`Line::poll`], which is ready with the data once something was granted.
//! - The future's `drop` calls [`Line::leave`]. [`Left::Granted`]: the waiter was given something
//!   that it never saw, so pass it on. [`Left::Waiting`]: the waiter may have blocked the ones
//!   behind it, so check whether the new first waiter can be granted something.
//!
//! Closures that receive a waiter's data run while the list is borrowed: they move values and never
//! call foreign code.

use std::cell::{Cell, RefCell};
use std::fmt::{self, Debug, Formatter};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::{Context, Poll, Waker};

use super::wait_list::{WaitKey, WaitList};

pub(super) struct Line<T> {
    list: RefCell<WaitList<T>>,
    /// The number of waiters. Kept outside the list, so that checking for an empty line borrows
    /// nothing.
    len: Cell<usize>,
    /// State shared by tasks of one loop stays on its thread, so nothing that has a line is `Send`.
    _local: PhantomData<*const ()>,
}

/// The data of a waiter that left.
#[must_use = "what was granted has to be passed on"]
pub(super) enum Left<T> {
    /// The waiter had not been granted anything.
    Waiting(T),
    /// The waiter had been granted something and did not know.
    Granted(T),
}

impl<T> Line<T> {
    pub(super) const fn new() -> Self {
        Self { list: RefCell::new(WaitList::new()), len: Cell::new(0), _local: PhantomData }
    }

    /// The number of waiters, without the ones that were granted something.
    pub(super) fn len(&self) -> usize {
        self.len.get()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len.get() == 0
    }

    /// Joins the end of the line.
    pub(super) fn join(&self, value: T, waker: Waker) -> WaitKey {
        let mut list = self.list.borrow_mut();
        let key = list.push_back(value, waker);
        self.len.set(list.len());
        key
    }

    /// Ready with the data of a waiter that was granted something, which thereby leaves the line.
    /// Otherwise the waiter continues to wait, with the waker of `cx`.
    pub(super) fn poll(&self, key: WaitKey, cx: &Context<'_>) -> Poll<T> {
        if let Some(value) = self.collect(key) {
            return Poll::Ready(value);
        }
        if !self.list.borrow().will_wake(key, cx.waker()) {
            let waker = cx.waker().clone();
            // The clone may have led to a grant, which used up the former waker.
            if let Some(value) = self.collect(key) {
                return Poll::Ready(value);
            }
            let former = self.list.borrow_mut().set_waker(key, waker);
            drop(former);
        }
        Poll::Pending
    }

    /// Removes a waiter that was granted something.
    fn collect(&self, key: WaitKey) -> Option<T> {
        let mut list = self.list.borrow_mut();
        if list.is_waiting(key) {
            return None;
        }
        let (value, waker) = list.remove(key);
        drop(list);
        // There is a waker only if this poll comes before the wake.
        drop(waker);
        Some(value)
    }

    /// Removes a waiter in any state.
    pub(super) fn leave(&self, key: WaitKey) -> Left<T> {
        let mut list = self.list.borrow_mut();
        let was_waiting = list.is_waiting(key);
        let (value, waker) = list.remove(key);
        self.len.set(list.len());
        drop(list);
        drop(waker);
        if was_waiting { Left::Waiting(value) } else { Left::Granted(value) }
    }

    /// Shows the first waiter's data to `look`.
    pub(super) fn front<R>(&self, look: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.list.borrow_mut().front().map(look)
    }

    /// Ends the wait of the first waiter and wakes it. Returns `false` if there is no waiter.
    pub(super) fn grant(&self, give: impl FnOnce(&mut T)) -> bool {
        self.grant_if(|value| {
            give(value);
            true
        })
    }

    /// Like [`grant`](Self::grant) if `give` returns `true`. Otherwise the waiter stays first.
    pub(super) fn grant_if(&self, give: impl FnOnce(&mut T) -> bool) -> bool {
        let mut give = Some(give);
        self.grant_while(|value| give.take().is_some_and(|give| give(value))) > 0
    }

    /// Like [`grant_if`](Self::grant_if) for one waiter after another, until `give` returns
    /// `false`. Returns the number of waiters that were granted something.
    ///
    /// All grants are made before the first wake, so tasks that join the line during the wakes are
    /// not affected.
    pub(super) fn grant_while(&self, mut give: impl FnMut(&mut T) -> bool) -> usize {
        let mut list = self.list.borrow_mut();
        // Usually there is one waiter, which then skips the chain of entries to wake.
        let mut first = None;
        let mut count = 0;
        while list.front().is_some_and(&mut give) {
            if count == 0 && !list.has_to_wake() {
                first = list.release_front();
            } else {
                list.grant_front();
            }
            count += 1;
        }
        self.len.set(list.len());
        let are_more = list.has_to_wake();
        drop(list);
        if are_more {
            self.wake_granted(first);
        } else if let Some(waker) = first {
            waker.wake();
        }
        count
    }

    /// Ends the wait of all current waiters, in order, and wakes them.
    pub(super) fn grant_all(&self, mut give: impl FnMut(&mut T)) -> usize {
        self.grant_while(|value| {
            give(value);
            true
        })
    }

    /// Wakes `first` and then all entries in the chain to wake. A waker that panics does not keep
    /// the others asleep.
    fn wake_granted(&self, mut first: Option<Waker>) {
        let mut panic = None;
        let mut next = || first.take().or_else(|| self.list.borrow_mut().next_waker());
        while let Some(waker) = next() {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
                panic.get_or_insert(payload);
            }
        }
        if let Some(payload) = panic {
            resume_unwind(payload);
        }
    }
}

impl<T> Debug for Line<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("len", &self.len()).finish_non_exhaustive()
    }
}
