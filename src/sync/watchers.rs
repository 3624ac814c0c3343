//! Tasks that wait for a condition that becomes true for all of them at once, such as a closed
//! channel or a value that is set.

use std::pin::Pin;
use std::task::{Context, Poll};

use super::line::Line;
use super::wait_list::WaitKey;
use crate::runtime;

/// A line in which waiters compete for nothing: all are woken at once, and each checks for itself.
#[derive(Debug)]
pub(super) struct Watchers {
    line: Line<()>,
}

impl Watchers {
    pub(super) const fn new() -> Self {
        Self { line: Line::new() }
    }

    /// Makes all waiters check again, in order.
    pub(super) fn wake_all(&self) {
        self.line.grant_all(|()| ());
    }

    /// Waits until `look` finds something. `look` is called at each poll, with nothing borrowed.
    pub(super) fn until<R, F: FnMut() -> Option<R> + Unpin>(&self, look: F) -> Until<'_, F> {
        Until { watchers: self, waiter: None, look }
    }

    /// The poll of [`until`](Self::until). A caller that abandons `waiter` calls
    /// [`leave`](Self::leave).
    pub(super) fn poll_until<R>(
        &self,
        waiter: &mut Option<WaitKey>,
        cx: &mut Context<'_>,
        look: impl FnMut() -> Option<R>,
    ) -> Poll<R> {
        runtime::with_budget(cx, |cx| self.poll_in_budget(waiter, cx, look))
    }

    fn poll_in_budget<R>(
        &self,
        waiter: &mut Option<WaitKey>,
        cx: &Context<'_>,
        mut look: impl FnMut() -> Option<R>,
    ) -> Poll<R> {
        if let Some(found) = look() {
            self.leave(waiter);
            return Poll::Ready(found);
        }
        if let Some(key) = *waiter {
            if self.line.poll(key, cx).is_pending() {
                return Poll::Pending;
            }
            // The waiter was woken, but the reason is gone again.
            *waiter = None;
        }
        let waker = cx.waker().clone();
        // The clone may have run code that changed the result of `look`.
        if let Some(found) = look() {
            return Poll::Ready(found);
        }
        *waiter = Some(self.line.join((), waker));
        Poll::Pending
    }

    pub(super) fn leave(&self, waiter: &mut Option<WaitKey>) {
        if let Some(key) = waiter.take() {
            // Woken or not, no other waiter depends on this one.
            drop(self.line.leave(key));
        }
    }
}

/// The future of [`Watchers::until`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub(super) struct Until<'a, F> {
    watchers: &'a Watchers,
    waiter: Option<WaitKey>,
    look: F,
}

impl<R, F: FnMut() -> Option<R> + Unpin> Future for Until<'_, F> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let Self { watchers, waiter, look } = &mut *self;
        watchers.poll_until(waiter, cx, look)
    }
}

impl<F> Drop for Until<'_, F> {
    fn drop(&mut self) {
        self.watchers.leave(&mut self.waiter);
    }
}
