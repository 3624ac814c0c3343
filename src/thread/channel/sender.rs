//! The sending end of a channel.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::blocking::{check_may_block, wait_until};
use super::shared::Shared;
use super::{SendError, TrySendError};
use crate::runtime::{self, ClockHold, NEVER, Nanos, hold_while_pending};

/// The sending end of a [`channel`](fn@super::channel), usable from any thread. Clones send to the
/// same receiver.
#[must_use = "dropping it tells the receiver that no further item will come"]
pub struct Sender<T: Send + 'static> {
    shared: Arc<Shared<T>>,
}

impl<T: Send + 'static> Sender<T> {
    pub(super) fn new(shared: Arc<Shared<T>>) -> Self {
        Self { shared }
    }

    /// Sends an item, and blocks the thread while there is no room.
    ///
    /// Waiting senders are woken in the order in which they began to wait. A sender that arrives
    /// while there is room may overtake them.
    ///
    /// # Errors
    ///
    /// [`SendError`] with the item if the receiver is gone or closed the channel, possibly while
    /// this waits.
    ///
    /// # Panics
    ///
    /// Panics if an event loop runs on this thread, because a loop must not be blocked. Use
    /// [`send_async`](Sender::send_async) or [`try_send`](Sender::try_send) there.
    #[doc(alias = "blocking_send")]
    #[track_caller]
    pub fn send(&self, item: T) -> Result<(), SendError<T>> {
        check_may_block("send", "`send_async` or `try_send`");
        self.send_before(item, NEVER).map_err(|error| SendError::new(error.into_inner()))
    }

    /// Like [`send`](Sender::send), but waits no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// [`TrySendError`] with the item if the receiver is gone, or if there was no room in time.
    ///
    /// # Panics
    ///
    /// Same as [`send`](Sender::send).
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::thread::channel;
    /// use std::time::Duration;
    ///
    /// let (sender, _receiver) = channel(1);
    /// sender.send(1).unwrap();
    /// let error = sender.send_timeout(2, Duration::from_millis(1)).unwrap_err();
    /// assert!(error.is_full());
    /// assert_eq!(error.into_inner(), 2);
    /// ```
    #[track_caller]
    pub fn send_timeout(&self, item: T, timeout: Duration) -> Result<(), TrySendError<T>> {
        check_may_block("send_timeout", "`send_async` in a `timeout`, or `try_send`");
        let deadline = runtime::real_now().saturating_add(runtime::nanos(timeout));
        self.send_before(item, deadline)
    }

    fn send_before(&self, item: T, deadline: Nanos) -> Result<(), TrySendError<T>> {
        let item = match self.shared.try_send(item) {
            Err(error) if error.is_full() => error.into_inner(),
            other => return other,
        };
        let mut sending = self.send_async(item);
        match wait_until(Pin::new(&mut sending), deadline) {
            Some(result) => result.map_err(|error| TrySendError::new(error.into_inner(), false)),
            None => sending.item.take().map_or(Ok(()), |item| Err(TrySendError::new(item, true))),
        }
    }

    /// Sends an item if there is room, and never waits.
    ///
    /// # Errors
    ///
    /// [`TrySendError`] with the item if there is no room now, or if the receiver is gone.
    #[doc(alias = "put_nowait")]
    pub fn try_send(&self, item: T) -> Result<(), TrySendError<T>> {
        self.shared.try_send(item)
    }

    /// Like [`send`](Sender::send), but is awaited instead of blocking: for sending from one loop
    /// to another, or to a thread.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, nothing was sent, and the item is dropped with
    /// it.
    ///
    /// # Errors
    ///
    /// Same as [`send`](Sender::send).
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::thread::{channel, to_thread};
    ///
    /// oneloop::run(async {
    ///     let (sender, mut receiver) = channel(1);
    ///     let sum = to_thread(move || {
    ///         let mut sum = 0;
    ///         while let Some(n) = receiver.recv_blocking() {
    ///             sum += n;
    ///         }
    ///         sum
    ///     });
    ///     let send = async {
    ///         for n in 1..=10 {
    ///             sender.send_async(n).await.unwrap();
    ///         }
    ///         drop(sender);
    ///     };
    ///     let (sum, ()) = oneloop::gather!(sum, send).await;
    ///     assert_eq!(sum, 55);
    /// });
    /// ```
    pub fn send_async(&self, item: T) -> Sending<'_, T> {
        Sending { shared: &self.shared, item: Some(item), ticket: None, hold: None }
    }

    /// Returns whether nothing more can be sent: the receiver is gone, or closed the channel.
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
}

impl<T: Send + 'static> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.add_sender();
        Self::new(Arc::clone(&self.shared))
    }
}

impl<T: Send + 'static> Drop for Sender<T> {
    fn drop(&mut self) {
        self.shared.remove_sender();
    }
}

impl<T: Send + 'static> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// The future of [`Sender::send_async`].
#[must_use = "futures do nothing unless awaited"]
pub struct Sending<'a, T: Send + 'static> {
    shared: &'a Shared<T>,
    /// `None` once it has been sent.
    item: Option<T>,
    /// Set while the sender waits, and until it polls again after it was called.
    ticket: Option<u64>,
    /// Held while it waits, because a thread is to receive.
    hold: Option<ClockHold>,
}

/// The item is moved as a whole; nothing is pinned.
impl<T: Send + 'static> Unpin for Sending<'_, T> {}

impl<T: Send + 'static> Future for Sending<'_, T> {
    type Output = Result<(), SendError<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { shared, item, ticket, hold } = &mut *self;
        let poll = |cx: &mut Context<'_>| shared.poll_send(item, ticket, cx.waker().clone());
        let polled = hold_while_pending(hold, runtime::with_budget(cx, poll));
        polled.map(|result| match (result, item.take()) {
            (Err(_), Some(item)) => Err(SendError::new(item)),
            _ => Ok(()),
        })
    }
}

impl<T: Send + 'static> Drop for Sending<'_, T> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.shared.stop_waiting(ticket);
        }
    }
}

impl<T: Send + 'static> fmt::Debug for Sending<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending").field("ticket", &self.ticket).finish_non_exhaustive()
    }
}
