//! A line of waiters, with the borrows inside: what every primitive of this folder stands on.
//!
//! How to build one on it:
//!
//! - Its future holds an `Option<WaitKey>`. The first poll tries without waiting, but only if the [`Line`] is empty, or it would
//!   overtake. If that fails it clones the waker, *tries again* (a clone is the code of others, which may have changed
//!   everything), and then calls [`Line::join`] with the waiter's own data: how much it wants, room for what it gets.
//! - Whoever has something to give calls [`Line::grant_if`] or [`Line::grant`]: the first waiter's data is changed, its
//!   wait is over, and it is woken. What was granted belongs to it from this moment, although it has not run yet: nobody
//!   else can take it.
//! - A later poll calls [`Line::poll`], which is ready with the data once it was granted.
//! - Its `drop` calls [`Line::leave`]. [`Left::Granted`]: it was given something that it never saw, so pass that on. [`Left::Waiting`]:
//!   it may have stood in the way of those behind it, so look whether the new first one can be granted something.
//!
//! Closures that get a waiter's data run while the list is borrowed: they move values, and never call the code of others.

use std::cell::{Cell, RefCell};
use std::fmt::{self, Debug, Formatter};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::{Context, Poll, Waker};

use super::wait_list::{WaitKey, WaitList};

pub(super) struct Line<T> {
    list: RefCell<WaitList<T>>,
    /// How many wait. Beside the list, so that who finds nobody waiting borrows nothing.
    len: Cell<usize>,
    /// What tasks of one loop share stays on its thread: so nothing that has a line is `Send`.
    _local: PhantomData<*const ()>,
}

/// What a waiter that goes leaves behind.
#[must_use = "what was granted has to be passed on"]
pub(super) enum Left<T> {
    /// It had not been granted anything.
    Waiting(T),
    /// It had been, and did not know.
    Granted(T),
}

impl<T> Line<T> {
    pub(super) const fn new() -> Self {
        Self { list: RefCell::new(WaitList::new()), len: Cell::new(0), _local: PhantomData }
    }

    /// How many wait; those that were granted something do not.
    pub(super) fn len(&self) -> usize {
        self.len.get()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len.get() == 0
    }

    /// Goes to the end of the line.
    pub(super) fn join(&self, value: T, waker: Waker) -> WaitKey {
        let mut list = self.list.borrow_mut();
        let key = list.push_back(value, waker);
        self.len.set(list.len());
        key
    }

    /// Ready with the data of a waiter that was granted something, which then is no waiter any more; otherwise it goes on
    /// waiting, with the waker of `cx`.
    pub(super) fn poll(&self, key: WaitKey, cx: &Context<'_>) -> Poll<T> {
        if let Some(value) = self.collect(key) {
            return Poll::Ready(value);
        }
        if !self.list.borrow().will_wake(key, cx.waker()) {
            let waker = cx.waker().clone();
            // It may have been granted something meanwhile, and its former waker have been used up.
            if let Some(value) = self.collect(key) {
                return Poll::Ready(value);
            }
            let former = self.list.borrow_mut().set_waker(key, waker);
            drop(former);
        }
        Poll::Pending
    }

    /// Takes a waiter that was granted something out.
    fn collect(&self, key: WaitKey) -> Option<T> {
        let mut list = self.list.borrow_mut();
        if list.is_waiting(key) {
            return None;
        }
        let (value, waker) = list.remove(key);
        drop(list);
        // It is there only if this poll comes before the wake.
        drop(waker);
        Some(value)
    }

    /// Takes a waiter out, in whatever state it is.
    pub(super) fn leave(&self, key: WaitKey) -> Left<T> {
        let mut list = self.list.borrow_mut();
        let was_waiting = list.is_waiting(key);
        let (value, waker) = list.remove(key);
        self.len.set(list.len());
        drop(list);
        drop(waker);
        if was_waiting { Left::Waiting(value) } else { Left::Granted(value) }
    }

    /// Shows the first waiter's data.
    pub(super) fn front<R>(&self, look: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.list.borrow_mut().front().map(look)
    }

    /// Ends the wait of the first waiter, and wakes it. `false`: nobody waits.
    pub(super) fn grant(&self, give: impl FnOnce(&mut T)) -> bool {
        self.grant_if(|value| {
            give(value);
            true
        })
    }

    /// As [`grant`](Self::grant), if `give` says so; otherwise the waiter stays the first.
    pub(super) fn grant_if(&self, give: impl FnOnce(&mut T) -> bool) -> bool {
        let mut give = Some(give);
        self.grant_while(|value| give.take().is_some_and(|give| give(value))) > 0
    }

    /// As [`grant_if`](Self::grant_if) for one after another, until `give` says no. Returns how many were granted something.
    ///
    /// All of them were before the first is woken: who joins the line while they are woken has nothing to do with it.
    pub(super) fn grant_while(&self, mut give: impl FnMut(&mut T) -> bool) -> usize {
        let mut list = self.list.borrow_mut();
        // Mostly it is one, which then needs no place among those that are to be woken.
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

    /// Ends the wait of all who wait now, in their order, and wakes them.
    pub(super) fn grant_all(&self, mut give: impl FnMut(&mut T)) -> usize {
        self.grant_while(|value| {
            give(value);
            true
        })
    }

    /// Wakes `first` and all that are to be woken. A waker that panics does not keep the others asleep.
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
