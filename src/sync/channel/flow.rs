//! The storage between the ends of a channel: a buffer, or a rendezvous if the capacity is 0.

use std::task::{Context, Poll};

use super::super::buffer::{Buffer, Refusal};
use super::super::store::Fifo;
use super::rendezvous::Rendezvous;
use crate::sync::wait_list::WaitKey;

/// Both variants have the same methods, which are documented in `buffer.rs`.
pub(super) enum Flow<T> {
    Buffer(Buffer<T, Fifo<T>>),
    Rendezvous(Rendezvous<T>),
}

/// Calls the same method on either variant.
macro_rules! either {
    ($flow:expr, $either:ident => $call:expr) => {
        match $flow {
            Flow::Buffer($either) => $call,
            Flow::Rendezvous($either) => $call,
        }
    };
}

impl<T> Flow<T> {
    pub(super) fn new(capacity: usize) -> Self {
        match capacity {
            0 => Self::Rendezvous(Rendezvous::new()),
            capacity => Self::Buffer(Buffer::new(capacity)),
        }
    }

    #[inline]
    pub(super) fn try_put(&self, item: T) -> Result<(), (T, Refusal)> {
        either!(self, either => either.try_put(item))
    }

    #[inline]
    pub(super) fn poll_put(
        &self,
        item: &mut Option<T>,
        waiter: &mut Option<WaitKey>,
        cx: &Context<'_>,
    ) -> Poll<Result<(), T>> {
        either!(self, either => either.poll_put(item, waiter, cx))
    }

    pub(super) fn leave_putters(&self, waiter: WaitKey) {
        either!(self, either => either.leave_putters(waiter));
    }

    #[inline]
    pub(super) fn try_get(&self) -> Option<T> {
        either!(self, either => either.try_get())
    }

    #[inline]
    pub(super) fn poll_get(
        &self,
        waiter: &mut Option<WaitKey>,
        cx: &Context<'_>,
    ) -> Poll<Option<T>> {
        either!(self, either => either.poll_get(waiter, cx))
    }

    pub(super) fn leave_getters(&self, waiter: WaitKey) {
        either!(self, either => either.leave_getters(waiter));
    }

    pub(super) fn close(&self) {
        either!(self, either => either.close());
    }

    /// Closes the channel and drops its items.
    pub(super) fn clear(&self) {
        match self {
            Self::Buffer(buffer) => drop(buffer.close_now()),
            Self::Rendezvous(rendezvous) => rendezvous.close_now().for_each(drop),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        either!(self, either => either.is_closed())
    }

    pub(super) fn is_drained(&self) -> bool {
        either!(self, either => either.is_drained())
    }

    pub(super) fn len(&self) -> usize {
        either!(self, either => either.len())
    }

    pub(super) fn capacity(&self) -> usize {
        match self {
            Self::Buffer(buffer) => buffer.capacity(),
            Self::Rendezvous(_) => 0,
        }
    }

    /// The largest number of items held so far.
    pub(super) fn peak(&self) -> usize {
        either!(self, either => either.peak())
    }

    pub(super) fn waiting_putters(&self) -> usize {
        either!(self, either => either.waiting_putters())
    }

    pub(super) fn waiting_getters(&self) -> usize {
        either!(self, either => either.waiting_getters())
    }
}
