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

/// What all ends share.
struct Shared<T> {
    flow: Flow<T>,
    senders: Count,
    receivers: Count,
    /// Senders that wait until nobody receives any more.
    departures: Watchers,
}

/// Makes a channel with room for `capacity` items: Trio's `open_memory_channel`.
///
/// Both ends can be cloned. When the last [`Sender`] is dropped, the receivers get what is left, and then `None`. When the last
/// [`Receiver`] is dropped, what is left is dropped, and senders get their items back.
///
/// With the capacity 0 it is a *rendezvous*: [`send`](Sender::send) is ready when a receiver has taken the item.
///
/// # Examples
///
/// The program from Trio's documentation: several producers, several consumers, and a channel that closes when the last
/// producer is done.
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

/// As [`channel`], without a limit: [`send`](Sender::send) never waits. If items come faster than they go, it takes all memory.
pub fn unbounded_channel<T>() -> (Sender<T>, Receiver<T>) {
    channel(usize::MAX)
}

/// The end of a [`channel`] that sends.
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
    /// Sends an item; waits while there is no room. With the capacity 0, until a receiver has taken it.
    ///
    /// Senders that wait get room in the order in which they came, and nobody overtakes them.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it was ready, it has not sent, and the item is dropped with it. But with the capacity 0 it may be dropped
    /// between the moment a receiver takes the item and the moment it learns of that: then it was received.
    ///
    /// # Errors
    ///
    /// [`SendError`](super::SendError) with the item: no receiver is left, or the channel was closed, also while this waits.
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

    /// Sends an item, if there is room that nobody waits for; with the capacity 0, if a receiver waits for it.
    ///
    /// # Errors
    ///
    /// [`TrySendError`] with the item: there is no room, no receiver is left, or the channel was closed.
    #[doc(alias = "send_nowait")]
    pub fn try_send(&self, item: T) -> Result<(), TrySendError<T>> {
        let refused = |(item, refusal)| TrySendError { item, is_full: refusal == Refusal::Full };
        self.shared.flow.try_put(item).map_err(refused)
    }

    /// Closes the channel, for all its ends: nothing can be sent any more, also by those who wait. What is there can still be
    /// received.
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
    /// Nothing is lost.
    pub async fn closed(&self) {
        self.shared.departures.until(|| self.is_closed().then_some(())).await;
    }

    /// How many items are there.
    pub fn len(&self) -> usize {
        self.shared.flow.len()
    }

    /// Whether no item is there.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many items there may be; `None` for no limit.
    pub fn capacity(&self) -> Option<usize> {
        self.shared.capacity()
    }

    /// What the channel looks like at this moment.
    pub fn statistics(&self) -> Statistics {
        self.shared.statistics()
    }
}

/// The end of a [`channel`] that receives; also a `Stream`.
///
/// Each item goes to one receiver. Those who wait get theirs in the order in which they came, and nobody takes an item that was
/// sent for one of them. With the capacity 0, one whose sender is dropped at the last moment goes to the end of the line.
///
/// As a stream it keeps its place in the line between two polls. [`recv`](Self::recv), [`try_recv`](Self::try_recv) and its drop
/// give that up.
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
    /// The place in the line of the stream.
    waiter: Cell<Option<WaitKey>>,
}

impl<T> Receiver<T> {
    /// The next item; waits while there is none. `None`: all senders are gone, or the channel was closed, and nothing is left.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it was ready, it has received nothing. An item that was meant for it is there for the next one.
    pub fn recv(&self) -> Recv<'_, T> {
        Recv::new(self)
    }

    /// As [`recv`](Self::recv), under the name of streams.
    ///
    /// # Cancel safety
    ///
    /// That of [`recv`](Self::recv).
    pub fn next(&self) -> Recv<'_, T> {
        self.recv()
    }

    /// The next item, if there is one that nobody waits for.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`]: there is none now, or there will be none.
    #[doc(alias = "receive_nowait")]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.leave_line();
        let flow = &self.shared.flow;
        let reason = || if flow.is_drained() { TryRecvError::CLOSED } else { TryRecvError::EMPTY };
        flow.try_get().ok_or_else(reason)
    }

    /// Closes the channel, for all its ends: nothing can be sent any more, also by those who wait. What is there can still be
    /// received.
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

    /// Whether all senders are gone, or the channel was closed. There may be items left.
    pub fn is_closed(&self) -> bool {
        self.shared.flow.is_closed()
    }

    /// How many items are there. Those that a woken receiver is about to take count.
    pub fn len(&self) -> usize {
        self.shared.flow.len()
    }

    /// Whether no item is there.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many items there may be; `None` for no limit.
    pub fn capacity(&self) -> Option<usize> {
        self.shared.capacity()
    }

    /// What the channel looks like at this moment.
    pub fn statistics(&self) -> Statistics {
        self.shared.statistics()
    }

    pub(super) fn flow(&self) -> &Flow<T> {
        &self.shared.flow
    }

    /// Gives up the place of the stream in the line, and passes on what was promised to it.
    #[inline]
    pub(super) fn leave_line(&self) {
        if let Some(waiter) = self.waiter.get() {
            self.waiter.set(None);
            self.shared.flow.leave_getters(waiter);
        }
    }
}

/// A channel at one moment, as `statistics` of either end finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// How many items are in the channel.
    pub buffered: usize,
    /// The most items that were in the channel at once.
    pub peak: usize,
    /// How many items there may be; `None` for no limit.
    pub capacity: Option<usize>,
    /// How many senders there are.
    pub senders: usize,
    /// How many receivers there are.
    pub receivers: usize,
    /// How many wait to send.
    pub waiting_senders: usize,
    /// How many wait to receive.
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
