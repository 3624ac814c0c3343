//! The two ends of a channel.

use std::cell::Cell;
use std::fmt::{self, Debug, Formatter};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::super::buffer::Refusal;
use super::super::count::Count;
use super::super::error::{TryRecvError, TrySendError};
use super::super::watchers::Watchers;
use super::flow::Flow;
use super::futures::{Recv, Sending};
use crate::runtime;
use crate::sync::wait_list::WaitKey;

/// The state that all ends share.
struct Shared<T> {
    flow: Flow<T>,
    senders: Count,
    receivers: Count,
    /// Senders waiting until no receiver is left.
    departures: Watchers,
}

/// Creates a channel with room for `capacity` items. Trio's `open_memory_channel`.
///
/// Both ends can be cloned. When the last [`Sender`] is dropped, the receivers get the remaining
/// items, and then `None`. When the last [`Receiver`] is dropped, the remaining items are dropped,
/// and senders get their items back.
///
/// With a capacity of 0 the channel is a *rendezvous*: [`send`](Sender::send) is ready when a
/// receiver has taken the item.
///
/// # Examples
///
/// The program from Trio's documentation, with several producers, several consumers, and a channel
/// that closes when the last producer is done:
///
/// ```
/// use oneloop::sync::{Receiver, Sender, channel};
/// use oneloop::{create_task, gather};
/// use std::cell::RefCell;
/// use std::rc::Rc;
///
/// async fn producer(name: &str, sender: Sender<String>) {
///     for i in 0..3 {
///         sender.send(format!("{i} from {name}")).await.unwrap();
///     }
/// }
///
/// async fn consumer(receiver: Receiver<String>, got: Rc<RefCell<Vec<String>>>) {
///     while let Some(message) = receiver.recv().await {
///         got.borrow_mut().push(message);
///     }
/// }
///
/// oneloop::run(async {
///     let got = Rc::default();
///     let (sender, receiver) = channel(0);
///     let mut tasks = vec![
///         create_task(producer("A", sender.clone())),
///         create_task(producer("B", sender)),
///     ];
///     for receiver in [receiver.clone(), receiver] {
///         tasks.push(create_task(consumer(receiver, Rc::clone(&got))));
///     }
///     gather(tasks).await;
///
///     let mut got = got.take();
///     got.sort();
///     assert_eq!(got[..3], ["0 from A", "0 from B", "1 from A"]);
///     assert_eq!(got.len(), 6);
/// });
/// ```
#[doc(alias = "open_memory_channel")]
#[doc(alias = "mpsc")]
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let shared = Rc::new(Shared {
        flow: Flow::new(capacity),
        senders: Count::new(1),
        receivers: Count::new(1),
        departures: Watchers::new(),
    });
    (Sender { shared: Rc::clone(&shared) }, Receiver { shared, waiter: Cell::new(None) })
}

/// Like [`channel`], but without a limit, so that [`send`](Sender::send) never waits. If items
/// arrive faster than they are taken, the channel grows until memory runs out.
pub fn unbounded_channel<T>() -> (Sender<T>, Receiver<T>) {
    channel(usize::MAX)
}

/// The sending end of a [`channel`].
///
/// It stays on its thread:
///
/// ```compile_fail,E0277
/// let (sender, _receiver) = oneloop::sync::channel(1);
/// std::thread::spawn(move || sender.try_send(1));
/// ```
#[must_use = "dropping it tells the receivers that no further item will come"]
#[doc(alias = "MemorySendChannel")]
#[doc(alias = "UnboundedSender")]
pub struct Sender<T> {
    shared: Rc<Shared<T>>,
}

impl<T> Sender<T> {
    /// Sends an item, waiting while there is no room. With a capacity of 0, waits until a receiver
    /// has taken the item.
    ///
    /// Waiting senders get room in order of arrival, and no other sender overtakes them.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, the item is dropped with it and is not sent.
    /// There is one exception, with a capacity of 0: the future may be dropped after a receiver has
    /// taken the item but before the future learns of it. In this case the item was received.
    ///
    /// # Errors
    ///
    /// Returns [`SendError`](super::SendError) with the item if no receiver is left or the channel
    /// was closed, even if that happens during the wait.
    ///
    /// # Examples
    ///
    /// ```
    /// oneloop::run(async {
    ///     let (sender, receiver) = oneloop::sync::channel(8);
    ///     sender.send("a").await.unwrap();
    ///     drop(receiver);
    ///     assert_eq!(sender.send("b").await.unwrap_err().into_inner(), "b");
    /// });
    /// ```
    pub fn send(&self, item: T) -> Sending<'_, T> {
        Sending::new(&self.shared.flow, item)
    }

    /// Sends an item if there is room that no task is waiting for. With a capacity of 0, sends it
    /// if a receiver is waiting.
    ///
    /// # Errors
    ///
    /// Returns [`TrySendError`] with the item if there is no room, no receiver is left, or the
    /// channel was closed.
    #[doc(alias = "send_nowait")]
    pub fn try_send(&self, item: T) -> Result<(), TrySendError<T>> {
        let refused = |(item, refusal)| TrySendError { item, is_full: refusal == Refusal::Full };
        self.shared.flow.try_put(item).map_err(refused)
    }

    /// Closes the channel for all its ends: nothing more can be sent, not even by senders that are
    /// already waiting. Remaining items can still be received.
    pub fn close(&self) {
        self.shared.close();
    }

    /// Whether no receiver is left, or the channel was closed.
    pub fn is_closed(&self) -> bool {
        self.shared.flow.is_closed()
    }

    /// Waits until no receiver is left, or the channel is closed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn closed(&self) {
        self.shared.departures.until(|| self.is_closed().then_some(())).await;
    }

    /// The number of items in the channel.
    pub fn len(&self) -> usize {
        self.shared.flow.len()
    }

    /// Whether the channel has no items.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The maximum number of items, or `None` if there is no limit.
    pub fn capacity(&self) -> Option<usize> {
        self.shared.capacity()
    }

    /// Returns a snapshot of the channel's state.
    pub fn statistics(&self) -> Statistics {
        self.shared.statistics()
    }
}

/// The receiving end of a [`channel`]. It is also a `Stream`.
///
/// Each item goes to one receiver. Waiting receivers get their items in order of arrival, and no
/// other receiver takes an item that was sent for one of them. With a capacity of 0, a receiver
/// whose sender is dropped at the last moment goes to the end of the line.
///
/// As a stream, it keeps its place in the line between two polls. [`recv`](Self::recv),
/// [`try_recv`](Self::try_recv) and dropping the receiver give up the place.
///
/// It stays on its thread:
///
/// ```compile_fail,E0277
/// let (_sender, receiver) = oneloop::sync::channel::<u8>(1);
/// std::thread::spawn(move || receiver.try_recv());
/// ```
#[must_use = "dropping the last one closes the channel"]
#[doc(alias = "MemoryReceiveChannel")]
#[doc(alias = "UnboundedReceiver")]
pub struct Receiver<T> {
    shared: Rc<Shared<T>>,
    /// The stream's place in the line.
    waiter: Cell<Option<WaitKey>>,
}

impl<T> Receiver<T> {
    /// Receives the next item, waiting while there is none. Returns `None` if all senders are gone
    /// or the channel was closed, and no item is left.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, it has received nothing. An item meant for it
    /// goes to the next receiver.
    pub fn recv(&self) -> Recv<'_, T> {
        Recv::new(self)
    }

    /// Like [`recv`](Self::recv), under the name that streams use.
    ///
    /// # Cancel safety
    ///
    /// The same as that of [`recv`](Self::recv).
    pub fn next(&self) -> Recv<'_, T> {
        self.recv()
    }

    /// Receives the next item if there is one that no task is waiting for.
    ///
    /// # Errors
    ///
    /// Returns [`TryRecvError`] if there is no such item now, or if no further item will come.
    #[doc(alias = "receive_nowait")]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.leave_line();
        let flow = &self.shared.flow;
        let reason = || if flow.is_drained() { TryRecvError::CLOSED } else { TryRecvError::EMPTY };
        flow.try_get().ok_or_else(reason)
    }

    /// Closes the channel for all its ends: nothing more can be sent, not even by senders that are
    /// already waiting. Remaining items can still be received.
    ///
    /// # Examples
    ///
    /// ```
    /// oneloop::run(async {
    ///     let (sender, receiver) = oneloop::sync::channel(8);
    ///     sender.send("in time").await.unwrap();
    ///     receiver.close();
    ///     assert!(sender.try_send("too late").unwrap_err().is_closed());
    ///     assert_eq!(receiver.recv().await, Some("in time"));
    ///     assert_eq!(receiver.recv().await, None);
    /// });
    /// ```
    pub fn close(&self) {
        self.shared.close();
    }

    /// Whether all senders are gone or the channel was closed. Items may remain.
    pub fn is_closed(&self) -> bool {
        self.shared.flow.is_closed()
    }

    /// The number of items in the channel, including items that a woken receiver is about to take.
    pub fn len(&self) -> usize {
        self.shared.flow.len()
    }

    /// Whether the channel has no items.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The maximum number of items, or `None` if there is no limit.
    pub fn capacity(&self) -> Option<usize> {
        self.shared.capacity()
    }

    /// Returns a snapshot of the channel's state.
    pub fn statistics(&self) -> Statistics {
        self.shared.statistics()
    }

    pub(super) fn flow(&self) -> &Flow<T> {
        &self.shared.flow
    }

    /// Gives up the stream's place in the line and passes the promise on, if there is one.
    #[inline]
    pub(super) fn leave_line(&self) {
        if let Some(waiter) = self.waiter.get() {
            self.waiter.set(None);
            self.shared.flow.leave_getters(waiter);
        }
    }
}

/// A snapshot of a channel, as returned by `statistics` of either end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// The number of items in the channel.
    pub buffered: usize,
    /// The largest number of items in the channel so far.
    pub peak: usize,
    /// The maximum number of items, or `None` if there is no limit.
    pub capacity: Option<usize>,
    /// The number of senders.
    pub senders: usize,
    /// The number of receivers.
    pub receivers: usize,
    /// The number of tasks that wait to send.
    pub waiting_senders: usize,
    /// The number of tasks that wait to receive.
    pub waiting_receivers: usize,
}

impl<T> Shared<T> {
    fn close(&self) {
        self.flow.close();
        self.departures.wake_all();
    }

    fn capacity(&self) -> Option<usize> {
        Some(self.flow.capacity()).filter(|&capacity| capacity != usize::MAX)
    }

    fn statistics(&self) -> Statistics {
        Statistics {
            buffered: self.flow.len(),
            peak: self.flow.peak(),
            capacity: self.capacity(),
            senders: self.senders.get(),
            receivers: self.receivers.get(),
            waiting_senders: self.flow.waiting_putters(),
            waiting_receivers: self.flow.waiting_getters(),
        }
    }
}

impl<T> Stream for Receiver<T> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let mut waiter = self.waiter.take();
        let poll = runtime::with_budget(cx, |cx| self.shared.flow.poll_get(&mut waiter, cx));
        self.waiter.set(waiter);
        poll
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.senders.add();
        Self { shared: Rc::clone(&self.shared) }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if self.shared.senders.remove() {
            self.shared.close();
        }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.shared.receivers.add();
        Self { shared: Rc::clone(&self.shared), waiter: Cell::new(None) }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.leave_line();
        if self.shared.receivers.remove() {
            self.shared.flow.clear();
            self.shared.departures.wake_all();
        }
    }
}

impl<T> Debug for Sender<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("statistics", &self.statistics()).finish_non_exhaustive()
    }
}

impl<T> Debug for Receiver<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("statistics", &self.statistics()).finish_non_exhaustive()
    }
}
