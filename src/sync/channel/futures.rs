//! The futures of a channel, each with its place in a line.

use std::fmt::{self, Debug, Formatter};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::super::error::SendError;
use super::ends::Receiver;
use super::flow::Flow;
use crate::runtime;
use crate::sync::wait_list::WaitKey;

/// The future of [`Sender::send`](super::Sender::send).
#[must_use = "futures do nothing unless awaited"]
pub struct Sending<'a, T> {
    flow: &'a Flow<T>,
    /// `None` once the item was sent, or while it waits in the line of a rendezvous.
    item: Option<T>,
    waiter: Option<WaitKey>,
}

impl<'a, T> Sending<'a, T> {
    pub(super) fn new(flow: &'a Flow<T>, item: T) -> Self {
        Self { flow, item: Some(item), waiter: None }
    }
}

/// The item is moved in and out, and never pinned.
impl<T> Unpin for Sending<'_, T> {}

impl<T> Future for Sending<'_, T> {
    type Output = Result<(), SendError<T>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { flow, item, waiter } = &mut *self;
        runtime::with_budget(cx, |cx| flow.poll_put(item, waiter, cx)).map_err(SendError)
    }
}

impl<T> Drop for Sending<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if let Some(waiter) = self.waiter {
            self.flow.leave_putters(waiter);
        }
    }
}

/// The future of [`Receiver::recv`].
#[must_use = "futures do nothing unless awaited"]
pub struct Recv<'a, T> {
    receiver: &'a Receiver<T>,
    waiter: Option<WaitKey>,
}

impl<'a, T> Recv<'a, T> {
    pub(super) fn new(receiver: &'a Receiver<T>) -> Self {
        Self { receiver, waiter: None }
    }
}

impl<T> Future for Recv<'_, T> {
    type Output = Option<T>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let Self { receiver, waiter } = &mut *self;
        receiver.leave_line();
        runtime::with_budget(cx, |cx| receiver.flow().poll_get(waiter, cx))
    }
}

impl<T> Drop for Recv<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if let Some(waiter) = self.waiter {
            self.receiver.flow().leave_getters(waiter);
        }
    }
}

impl<T> Debug for Sending<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending").field("waiter", &self.waiter).finish_non_exhaustive()
    }
}

impl<T> Debug for Recv<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recv").field("waiter", &self.waiter).finish_non_exhaustive()
    }
}
