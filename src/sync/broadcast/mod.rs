//! `broadcast`: each receiver gets every item sent after it subscribed.
//!
//! Items wait in a ring of fixed capacity until every receiver has had them. A sender never waits:
//! when the ring is full, the oldest item is dropped. A receiver that had not received it is told
//! once how many items it missed, and continues with the oldest remaining item.
//!
//! Items are cloned, once for each receiver except the last. Both ends are local to a thread and
//! need no loop. Asyncio has no equivalent.
//!
//! # Examples
//!
//! ```
//! use oneloop::sync::broadcast;
//!
//! oneloop::run(async {
//!     let (news, mut alice) = broadcast::channel(2);
//!     let mut bob = news.subscribe();
//!     news.send("one").unwrap();
//!     news.send("two").unwrap();
//!     assert_eq!(alice.recv().await.unwrap(), "one");
//!     assert_eq!(alice.recv().await.unwrap(), "two");
//!
//!     // Bob is slow: there is no room for what he has not got.
//!     news.send("three").unwrap();
//!     assert_eq!(bob.recv().await.unwrap_err().lagged(), Some(1));
//!     assert_eq!(bob.recv().await.unwrap(), "two");
//!     assert_eq!(bob.recv().await.unwrap(), "three");
//!
//!     drop(news);
//!     assert!(bob.recv().await.unwrap_err().is_closed());
//! });
//! ```
//!
//! The ends stay on their thread:
//!
//! ```compile_fail,E0277
//! let (sender, _receiver) = oneloop::sync::broadcast::channel(1);
//! std::thread::spawn(move || sender.send(1));
//! ```
//!
//! ```compile_fail,E0277
//! let (_sender, mut receiver) = oneloop::sync::broadcast::channel::<u8>(1);
//! std::thread::spawn(move || receiver.try_recv());
//! ```

mod error;
mod receiver;
mod ring;

use std::cell::RefCell;
use std::fmt::{self, Debug, Formatter};
use std::rc::Rc;

pub use self::error::{RecvError, TryRecvError};
pub use self::receiver::{Receiver, Recv};
use self::ring::Ring;
use super::count::Count;
pub use super::error::SendError;
use super::watchers::Watchers;

struct Shared<T> {
    /// Never borrowed while foreign code runs: items that leave the ring are dropped or cloned
    /// outside.
    ring: RefCell<Ring<T>>,
    senders: Count,
    receivers: Count,
    /// Receivers that have had everything and wait for more.
    arrivals: Watchers,
    /// Senders that wait until the last receiver is gone.
    departures: Watchers,
}

/// Creates a channel whose ring holds `capacity` items.
///
/// # Panics
///
/// Panics if `capacity` is 0.
#[track_caller]
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    assert!(
        capacity > 0,
        "a broadcast of capacity 0 could never hold an item: give it room for 1 at least"
    );
    let shared = Rc::new(Shared {
        ring: RefCell::new(Ring::new(capacity)),
        senders: Count::new(1),
        receivers: Count::new(0),
        arrivals: Watchers::new(),
        departures: Watchers::new(),
    });
    let receiver = Receiver::new(Rc::clone(&shared));
    (Sender { shared }, receiver)
}

/// The sending end. Clones send to the same receivers.
#[must_use = "dropping it tells the receivers that no further item will come"]
pub struct Sender<T> {
    shared: Rc<Shared<T>>,
}

impl<T> Sender<T> {
    /// Sends an item to all receivers and returns their number. Never waits.
    ///
    /// If the ring is full, the oldest item is dropped. Receivers that had not received it learn so
    /// at their next receive.
    ///
    /// # Errors
    ///
    /// Returns [`SendError`] with the item if there is no receiver. A later
    /// [`subscribe`](Self::subscribe) makes sending possible again.
    pub fn send(&self, item: T) -> Result<usize, SendError<T>> {
        let receivers = self.shared.receivers.get();
        if receivers == 0 {
            return Err(SendError(item));
        }
        let oldest = self.shared.ring.borrow_mut().push(item, receivers);
        self.shared.arrivals.wake_all();
        drop(oldest);
        Ok(receivers)
    }

    /// Returns a new receiver, which gets the items sent from now on.
    pub fn subscribe(&self) -> Receiver<T> {
        Receiver::new(Rc::clone(&self.shared))
    }

    /// The number of receivers.
    pub fn receiver_count(&self) -> usize {
        self.shared.receivers.get()
    }

    /// The number of items that wait for the slowest receiver.
    pub fn len(&self) -> usize {
        self.shared.ring.borrow().len()
    }

    /// Whether every receiver has had everything.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until there is no receiver.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn closed(&self) {
        self.shared.departures.until(|| (self.receiver_count() == 0).then_some(())).await;
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
            self.shared.arrivals.wake_all();
        }
    }
}

impl<T> Debug for Sender<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("len", &self.len())
            .field("receivers", &self.receiver_count())
            .finish_non_exhaustive()
    }
}
