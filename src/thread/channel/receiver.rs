//! The end of a channel that receives.

use std::collections::VecDeque;
use std::fmt;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::TryRecvError;
use super::blocking::{check_may_block, wait_until};
use super::shared::Shared;
use crate::runtime::{self, NEVER};

/// The end of a [`channel`](fn@super::channel) that receives. It may move to another thread.
///
/// Dropped, it drops what is left, and senders get their items back.
#[must_use = "dropping it closes the channel"]
pub struct Receiver<T: Send + 'static> {
    shared: Arc<Shared<T>>,
    /// Taken out of the channel, to be given out next. They count as in it.
    buffer: VecDeque<T>,
}

impl<T: Send + 'static> Receiver<T> {
    pub(super) fn new(shared: Arc<Shared<T>>) -> Self {
        Self { shared, buffer: VecDeque::new() }
    }

    /// The next item; waits while there is none. `None`: all senders are gone, or the channel was closed, and nothing is left.
    ///
    /// A task that receives one item after another lets the other tasks run from time to time, also where items come faster
    /// than it takes them.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it was ready, it has received nothing.
    pub fn recv(&mut self) -> Recv<'_, T> {
        Recv { receiver: self }
    }

    /// As [`recv`](Self::recv), under the name of streams.
    ///
    /// # Cancel safety
    ///
    /// That of [`recv`](Self::recv).
    #[expect(
        clippy::should_implement_trait,
        reason = "it is awaited; streams have this name for it"
    )]
    pub fn next(&mut self) -> Recv<'_, T> {
        self.recv()
    }

    /// As [`recv`](Self::recv), on a thread that may block: for what a loop sends to a thread.
    ///
    /// # Panics
    ///
    /// Where an event loop runs on this thread.
    #[doc(alias = "blocking_recv")]
    #[track_caller]
    pub fn recv_blocking(&mut self) -> Option<T> {
        check_may_block("recv_blocking", "`recv`");
        if let Ok(item) = self.try_recv() {
            return Some(item);
        }
        wait_until(pin!(self.recv()), NEVER).flatten()
    }

    /// The next item, if there is one.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`]: there is none now, or there will be none.
    #[doc(alias = "get_nowait")]
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        if self.buffer.is_empty() && !self.shared.take_all(&mut self.buffer, None) {
            return Err(TryRecvError::CLOSED);
        }
        self.take().ok_or(TryRecvError::EMPTY)
    }

    /// Closes the channel: nothing can be sent any more, also by those who wait. What is there can still be received.
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

    /// Whether all senders are gone, or the channel was closed. There may be items left.
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed()
    }

    /// How many items are in the channel.
    pub fn len(&self) -> usize {
        self.shared.len()
    }

    /// Whether no item is in the channel.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many items there may be; `None` for no limit.
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
        ready!(runtime::poll_budget(cx));
        if self.buffer.is_empty() {
            let is_open = self.shared.take_all(&mut self.buffer, Some(cx.waker().clone()));
            if is_open && self.buffer.is_empty() {
                return Poll::Pending;
            }
        }
        Poll::Ready(self.take())
    }
}

impl<T: Send + 'static> Stream for Receiver<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.poll_recv(cx)
    }
}

/// The items are moved as a whole.
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
