//! A count of permits, and a line of tasks that want more than are available: the core of locks and
//! semaphores.
//!
//! Invariants:
//!
//! 1. While a task waits, the first in the line wants more than is available, so no permit is held
//!    back that could be given.
//! 2. No task overtakes a line: [`Permits::try_acquire`] fails while any task waits, however few
//!    permits it wants.
//! 3. A permit that was granted to a waiter is not available: it belongs to that waiter, and is
//!    passed on if the waiter is dropped.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::line::{Left, Line};
use super::wait_list::WaitKey;
use crate::runtime;

#[derive(Debug)]
pub(super) struct Permits {
    /// Below zero if this many of the permits in use will not come back (see
    /// [`Permits::withdraw`]).
    available: Cell<isize>,
    /// The number of permits that each waiter wants.
    line: Line<usize>,
}

impl Permits {
    /// The largest count that still fits beside a debt.
    pub(super) const MAX: usize = isize::MAX as usize;

    /// `count` is at most [`MAX`](Self::MAX).
    pub(super) const fn new(count: usize) -> Self {
        debug_assert!(count <= Self::MAX);
        #[expect(clippy::cast_possible_wrap, reason = "it fits")]
        Self { available: Cell::new(count as isize), line: Line::new() }
    }

    pub(super) fn available(&self) -> usize {
        usize::try_from(self.available.get()).unwrap_or(0)
    }

    /// Like [`available`](Self::available), but below zero if more permits are in use than should
    /// be.
    pub(super) fn balance(&self) -> isize {
        self.available.get()
    }

    /// The number of waiters.
    pub(super) fn waiting(&self) -> usize {
        self.line.len()
    }

    /// Takes `wanted` permits, at most [`MAX`](Self::MAX), if they are available and no task waits.
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
    /// They come without a guard: the caller must release them.
    pub(super) fn acquire(&self, wanted: usize) -> Acquire<'_> {
        Acquire { permits: self, wanted, waiter: None }
    }

    /// Like [`try_acquire`](Self::try_acquire), but also spends budget. If it fails, the caller
    /// awaits [`acquire`](Self::acquire). Combined in one future, the two would cost twice as much
    /// in the case without waiters.
    #[inline]
    pub(super) fn acquire_at_once(&self, wanted: usize) -> bool {
        runtime::attempt(|| self.try_acquire(wanted))
    }

    /// Returns permits, and hands them to the first waiters as far as they suffice.
    ///
    /// The count cannot overflow: the permits were acquired before, or the caller has checked.
    #[inline]
    pub(super) fn release(&self, count: usize) {
        self.available.set(self.available.get().saturating_add_unsigned(count));
        if !self.line.is_empty() {
            self.hand_over();
        }
    }

    /// Removes permits for good: first the available ones, then others as they are released.
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
    /// `None` before joining the line, and after collecting the permits.
    waiter: Option<WaitKey>,
}

impl Acquire<'_> {
    fn poll_first(&mut self, cx: &Context<'_>) -> Poll<()> {
        let waker = cx.waker().clone();
        // The clone may be foreign code that released some permits.
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
            // This waiter may have been first, and have wanted more than the next one.
            Left::Waiting(_) => self.permits.hand_over(),
        }
    }
}
