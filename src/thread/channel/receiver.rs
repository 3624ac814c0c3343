//! The receiving end of a channel.

use std::collections::VecDeque;
use std::fmt;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::TryRecvError;
use super::blocking::{check_may_block, wait_until};
use super::shared::Shared;
use crate::runtime::{self, ClockHold, NEVER, hold_while_pending};

/// The receiving end of a [`channel`](fn@super::channel). It may move to another thread.
///
/// Dropping it drops the remaining items, and senders get their items back.
#[must_use = "dropping it closes the channel"]
pub struct Receiver<T: Send + 'static> {
    shared: Arc<Shared<T>>,
    /// Items taken out of the channel, to be returned next. They still count as in the channel.
    buffer: VecDeque<T>,
    /// Held while it waits, because a thread is to send.
    hold: Option<ClockHold>,
}

impl<T: Send + 'static> Receiver<T> {
    pub(super) fn new(shared: Arc<Shared<T>>) -> Self {
        Self { shared, buffer: VecDeque::new(), hold: None }
    }

    /// Receives the next item, and waits while there is none. Returns `None` when all senders are
    /// gone or the channel was closed, and no items remain.
    ///
    /// A task that receives one item after another lets other tasks run from time to time, even if
    /// items arrive faster than it takes them.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped before it is ready has received nothing.
    pub fn recv(&mut self) -> Recv<'_, T> {
        Recv { receiver: self }
    }

    /// Same as [`recv`](Self::recv), under the name that streams use.
    ///
    /// # Cancel safety
    ///
    /// Same as [`recv`](Self::recv).
    #[expect(
        clippy::should_implement_trait,
        reason = "it is awaited; streams have this name for it"
    )]
    pub fn next(&mut self) -> Recv<'_, T> {
        self.recv()
    }

    /// Like [`recv`](Self::recv), but blocks the thread: for receiving from a loop on another
    /// thread.
    ///
    /// # Panics
    ///
    /// Panics if an event loop runs on this thread.
    #[doc(alias = "blocking_recv")]
    #[track_caller]
    pub fn recv_blocking(&mut self) -> Option<T> {
        check_may_block("recv_blocking", "`recv`");
        if let Ok(item) = self.try_recv() {
            return Some(item);
        }
        wait_until(pin!(self.recv()), NEVER).flatten()
    }

    /// Receives the next item if there is one, without waiting.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`] if the channel is empty now, or is closed and will stay empty.
    #[doc(alias = "get_nowait")]
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        if self.buffer.is_empty() && !self.shared.take_all(&mut self.buffer, None) {
            return Err(TryRecvError::CLOSED);
        }
        self.take().ok_or(TryRecvError::EMPTY)
    }

    /// Closes the channel: nothing more can be sent, and waiting senders fail too. The items in it
    /// can still be received.
    ///
    /// # Examples
    ///
    /// ```
    /// oneloop::run(async {
    ///     let (sender, mut receiver) = oneloop::thread::channel(8);
    ///     sender.try_send("in time").unwrap();
    ///     receiver.close();
    ///     assert!(sender.try_send("too late").unwrap_err().is_closed());
    ///     assert_eq!(receiver.recv().await, Some("in time"));
    ///     assert_eq!(receiver.recv().await, None);
    /// });
    /// ```
    pub fn close(&self) {
        self.shared.close();
    }

    /// Returns whether all senders are gone or the channel was closed. Items may remain in it.
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed()
    }

    /// Returns the number of items in the channel.
    pub fn len(&self) -> usize {
        self.shared.len()
    }

    /// Returns whether the channel contains no items.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how many items fit into the channel, or `None` if there is no limit.
    pub fn capacity(&self) -> Option<usize> {
        self.shared.capacity()
    }

    fn take(&mut self) -> Option<T> {
        let item = self.buffer.pop_front()?;
        runtime::trim_queue(&mut self.buffer);
        self.shared.give_room();
        Some(item)
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let polled = runtime::with_budget(cx, |cx| {
            if self.buffer.is_empty() {
                let is_open = self.shared.take_all(&mut self.buffer, Some(cx.waker().clone()));
                if is_open && self.buffer.is_empty() {
                    return Poll::Pending;
                }
            }
            Poll::Ready(self.take())
        });
        hold_while_pending(&mut self.hold, polled)
    }
}

impl<T: Send + 'static> Stream for Receiver<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.poll_recv(cx)
    }
}

/// Items are moved as a whole; nothing is pinned.
impl<T: Send + 'static> Unpin for Receiver<T> {}

impl<T: Send + 'static> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.shared.close_and_clear();
    }
}

impl<T: Send + 'static> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// The future of [`Receiver::recv`].
#[must_use = "futures do nothing unless awaited"]
#[derive(Debug)]
pub struct Recv<'a, T: Send + 'static> {
    receiver: &'a mut Receiver<T>,
}

impl<T: Send + 'static> Future for Recv<'_, T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.receiver.poll_recv(cx)
    }
}

impl<T: Send + 'static> Drop for Recv<'_, T> {
    fn drop(&mut self) {
        self.receiver.hold = None;
    }
}
