//! Permits: a count, and a line of those who want more than there is. The core of locks, semaphores and bounded queues.
//!
//! Invariants:
//!
//! 1. While somebody waits, the first in the line wants more than is available; so nothing that could be given is kept.
//! 2. Nobody takes a permit past a line: [`Permits::try_acquire`] fails while anybody waits, however few it wants.
//! 3. A permit that was granted to a waiter is not available: it belongs to the waiter, and is passed on if that one is dropped.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::line::{Left, Line};
use super::wait_list::WaitKey;
use crate::runtime;

#[derive(Debug)]
pub(super) struct Permits {
    /// Below zero: so many of those that are out will not come back (see [`Permits::withdraw`]).
    available: Cell<isize>,
    /// How many each wants.
    line: Line<usize>,
}

impl Permits {
    /// As many as can be told from a debt.
    pub(super) const MAX: usize = isize::MAX as usize;

    /// `count` is [`MAX`](Self::MAX) at most.
    pub(super) const fn new(count: usize) -> Self {
        debug_assert!(count <= Self::MAX);
        #[expect(clippy::cast_possible_wrap, reason = "it fits")]
        Self { available: Cell::new(count as isize), line: Line::new() }
    }

    pub(super) fn available(&self) -> usize {
        usize::try_from(self.available.get()).unwrap_or(0)
    }

    /// As [`available`](Self::available), but below zero if more are out than there should be.
    pub(super) fn balance(&self) -> isize {
        self.available.get()
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.line.len()
    }

    /// Takes `wanted` permits, [`MAX`](Self::MAX) at most, if they are there and nobody waits.
    #[inline]
    pub(super) fn try_acquire(&self, wanted: usize) -> bool {
        let left = self.available.get().checked_sub_unsigned(wanted);
        let can = self.line.is_empty() && left.is_some_and(|left| left >= 0);
        if can {
            self.available.set(left.unwrap_or(0));
        }
        can
    }

    /// Waits for `wanted` permits.
    ///
    /// They come without a guard: the caller sees to it that they are released.
    pub(super) fn acquire(&self, wanted: usize) -> Acquire<'_> {
        Acquire { permits: self, wanted, waiter: None }
    }

    /// Like [`try_acquire`](Self::try_acquire), and takes its share of the budget. If it fails, the caller awaits
    /// [`acquire`](Self::acquire): as one future the two would cost twice as much where nobody waits.
    #[inline]
    pub(super) fn acquire_at_once(&self, wanted: usize) -> bool {
        runtime::attempt(|| self.try_acquire(wanted))
    }

    /// Gives permits back, to the first in the line if they are enough for it.
    ///
    /// They fit: they were acquired before, or the caller has seen to it.
    #[inline]
    pub(super) fn release(&self, count: usize) {
        self.available.set(self.available.get().saturating_add_unsigned(count));
        if !self.line.is_empty() {
            self.hand_over();
        }
    }

    /// Takes permits out of the world: those that are available now, the rest from those that are released later.
    pub(super) fn withdraw(&self, count: usize) {
        self.available.set(self.available.get().saturating_sub_unsigned(count));
    }

    fn hand_over(&self) {
        let grant = |wanted: &mut usize| {
            let left = self.available.get().saturating_sub_unsigned(*wanted);
            if left >= 0 {
                self.available.set(left);
            }
            left >= 0
        };
        self.line.grant_while(grant);
    }
}

/// The future of [`Permits::acquire`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub(super) struct Acquire<'a> {
    permits: &'a Permits,
    wanted: usize,
    /// `None` before the line was joined, and after the permits were collected.
    waiter: Option<WaitKey>,
}

impl Acquire<'_> {
    fn poll_first(&mut self, cx: &Context<'_>) -> Poll<()> {
        let waker = cx.waker().clone();
        // The clone may be the code of others, which has released some.
        if self.permits.try_acquire(self.wanted) {
            return Poll::Ready(());
        }
        self.waiter = Some(self.permits.line.join(self.wanted, waker));
        Poll::Pending
    }
}

impl Future for Acquire<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        runtime::with_budget(cx, |cx| {
            let Some(waiter) = self.waiter else { return self.poll_first(cx) };
            let poll = self.permits.line.poll(waiter, cx);
            if poll.is_ready() {
                self.waiter = None;
            }
            poll.map(drop)
        })
    }
}

impl Drop for Acquire<'_> {
    fn drop(&mut self) {
        let Some(waiter) = self.waiter else { return };
        match self.permits.line.leave(waiter) {
            Left::Granted(count) => self.permits.release(count),
            // It may have been the first, and have wanted more than the next one does.
            Left::Waiting(_) => self.permits.hand_over(),
        }
    }
}
