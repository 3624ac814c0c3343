//! Those who wait until something is the case, which is the case for all of them at once: a channel is closed, a value is there.

use std::pin::Pin;
use std::task::{Context, Poll};

use super::line::Line;
use super::wait_list::WaitKey;
use crate::runtime;

/// A line in which nobody takes anything from those behind: all are woken at once, and each looks for itself.
#[derive(Debug)]
pub(super) struct Watchers {
    line: Line<()>,
}

impl Watchers {
    pub(super) const fn new() -> Self {
        Self { line: Line::new() }
    }

    /// Has all who wait look again, in their order.
    pub(super) fn wake_all(&self) {
        self.line.grant_all(|()| ());
    }

    /// Waits until `look` finds something. It is called at each poll, with nothing borrowed.
    pub(super) fn until<R, F: FnMut() -> Option<R> + Unpin>(&self, look: F) -> Until<'_, F> {
        Until { watchers: self, waiter: None, look }
    }

    /// The poll of [`until`](Self::until). Whoever lets `waiter` go calls [`leave`](Self::leave).
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
            // It was woken, and what it was woken for is over again.
            *waiter = None;
        }
        let waker = cx.waker().clone();
        // The clone may have run code that changed what is looked at.
        if let Some(found) = look() {
            return Poll::Ready(found);
        }
        *waiter = Some(self.line.join((), waker));
        Poll::Pending
    }

    pub(super) fn leave(&self, waiter: &mut Option<WaitKey>) {
        if let Some(key) = waiter.take() {
            // Woken or not, nobody else depends on it.
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
