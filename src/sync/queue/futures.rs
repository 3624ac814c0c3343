//! The futures of a queue and its stream, each with its place in a line.

use std::fmt::{self, Debug, Formatter};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::super::buffer::Buffer;
use super::super::store::Order;
use super::error::PutError;
use crate::runtime;
use crate::sync::wait_list::WaitKey;

/// The future of [`BaseQueue::put`](super::BaseQueue::put).
#[must_use = "futures do nothing unless awaited"]
pub struct Put<'a, T, O: Order<T>> {
    buffer: &'a Buffer<T, O>,
    /// `None` once the item was put or returned.
    item: Option<T>,
    waiter: Option<WaitKey>,
}

impl<'a, T, O: Order<T>> Put<'a, T, O> {
    pub(super) fn new(buffer: &'a Buffer<T, O>, item: T) -> Self {
        Self { buffer, item: Some(item), waiter: None }
    }
}

/// The item is moved in and out, and never pinned.
impl<T, O: Order<T>> Unpin for Put<'_, T, O> {}

impl<T, O: Order<T>> Future for Put<'_, T, O> {
    type Output = Result<(), PutError<T>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { buffer, item, waiter } = &mut *self;
        runtime::with_budget(cx, |cx| buffer.poll_put(item, waiter, cx)).map_err(PutError)
    }
}

impl<T, O: Order<T>> Drop for Put<'_, T, O> {
    #[inline]
    fn drop(&mut self) {
        if let Some(waiter) = self.waiter {
            self.buffer.leave_putters(waiter);
        }
    }
}

/// The future of [`BaseQueue::get`](super::BaseQueue::get).
#[must_use = "futures do nothing unless awaited"]
pub struct Get<'a, T, O: Order<T>> {
    buffer: &'a Buffer<T, O>,
    waiter: Option<WaitKey>,
}

impl<'a, T, O: Order<T>> Get<'a, T, O> {
    pub(super) fn new(buffer: &'a Buffer<T, O>) -> Self {
        Self { buffer, waiter: None }
    }
}

impl<T, O: Order<T>> Future for Get<'_, T, O> {
    type Output = Option<T>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let Self { buffer, waiter } = &mut *self;
        runtime::with_budget(cx, |cx| buffer.poll_get(waiter, cx))
    }
}

impl<T, O: Order<T>> Drop for Get<'_, T, O> {
    #[inline]
    fn drop(&mut self) {
        if let Some(waiter) = self.waiter {
            self.buffer.leave_getters(waiter);
        }
    }
}

/// The items of a queue until it is closed and drained; see
/// [`BaseQueue::stream`](super::BaseQueue::stream).
///
/// A stream that was polled, and is then neither polled again nor dropped, keeps its place in the
/// line of getters.
#[must_use = "streams do nothing unless polled"]
pub struct QueueStream<'a, T, O: Order<T>> {
    get: Get<'a, T, O>,
}

impl<'a, T, O: Order<T>> QueueStream<'a, T, O> {
    pub(super) fn new(buffer: &'a Buffer<T, O>) -> Self {
        Self { get: Get::new(buffer) }
    }

    /// Returns the next item, or `None` once the queue is closed and drained.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no item. The stream keeps its place in the line until it is
    /// dropped.
    pub async fn next(&mut self) -> Option<T> {
        (&mut self.get).await
    }
}

impl<T, O: Order<T>> Stream for QueueStream<'_, T, O> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        Pin::new(&mut self.get).poll(cx)
    }
}

impl<T, O: Order<T>> Debug for Put<'_, T, O> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Put").field("is_waiting", &self.waiter.is_some()).finish_non_exhaustive()
    }
}

impl<T, O: Order<T>> Debug for Get<'_, T, O> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Get").field("is_waiting", &self.waiter.is_some()).finish_non_exhaustive()
    }
}

impl<T, O: Order<T>> Debug for QueueStream<'_, T, O> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueStream").finish_non_exhaustive()
    }
}
