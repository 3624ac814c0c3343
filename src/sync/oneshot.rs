//! `oneshot`: one value, sent once from one task to another.
//!
//! [`channel`] creates both ends, in one allocation. The [`Receiver`] is itself the future of the
//! value. If a [`Sender`] is dropped without sending, the receiver gets an error, where a plain
//! asyncio `Future` would wait forever.
//!
//! Both ends are local to a thread: they are neither `Send` nor `Sync`, and use no atomics. They
//! need no loop.
//!
//! # Examples
//!
//! A request that carries the channel for its answer:
//!
//! ```
//! use oneloop::sync::{Queue, oneshot};
//! use std::rc::Rc;
//!
//! struct Square {
//!     of: u32,
//!     answer: oneshot::Sender<u32>,
//! }
//!
//! oneloop::run(async {
//!     let requests = Rc::new(Queue::new(8));
//!     let server = Rc::clone(&requests);
//!     oneloop::create_task(async move {
//!         while let Some(Square { of, answer }) = server.get().await {
//!             // The client may have gone, which is not an error of the server.
//!             answer.send(of * of).ok();
//!         }
//!     })
//!     .detach();
//!
//!     let (answer, square) = oneshot::channel();
//!     requests.put(Square { of: 12, answer }).await.unwrap();
//!     assert_eq!(square.await.unwrap(), 144);
//! });
//! ```
//!
//! The ends stay on their thread:
//!
//! ```compile_fail,E0277
//! let (sender, _receiver) = oneloop::sync::oneshot::channel::<u8>();
//! std::thread::spawn(move || sender.send(1));
//! ```
//!
//! ```compile_fail,E0277
//! let (_sender, mut receiver) = oneloop::sync::oneshot::channel::<u8>();
//! std::thread::spawn(move || receiver.try_recv());
//! ```

use std::cell::Cell;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

pub use super::error::{RecvError, TryRecvError};
use super::waker_cell::WakerCell;
use crate::runtime;

/// The one allocation that both ends share.
struct Shared<T> {
    value: Cell<Option<T>>,
    /// Whether the sender has sent or is gone.
    is_sender_done: Cell<bool>,
    /// Whether the receiver was closed or is gone.
    is_closed: Cell<bool>,
    receiver: WakerCell,
    sender: WakerCell,
}

/// Creates the two ends of a channel for one value.
///
/// # Examples
///
/// ```
/// use oneloop::sync::oneshot;
///
/// oneloop::run(async {
///     let (sender, receiver) = oneshot::channel();
///     oneloop::create_task(async move { sender.send("hello") }).detach();
///     assert_eq!(receiver.await.unwrap(), "hello");
/// });
/// ```
#[doc(alias = "create_future")]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let shared = Rc::new(Shared {
        value: Cell::new(None),
        is_sender_done: Cell::new(false),
        is_closed: Cell::new(false),
        receiver: WakerCell::default(),
        sender: WakerCell::default(),
    });
    (Sender { shared: Rc::clone(&shared) }, Receiver { shared })
}

/// The sending end of a [`channel`], for one value.
///
/// If it is dropped without sending, the receiver gets an error.
#[must_use = "dropping it tells the receiver that no value will come"]
pub struct Sender<T> {
    shared: Rc<Shared<T>>,
}

/// The receiving end of a [`channel`], and the future of its value.
///
/// If it is dropped, the sender notices: [`send`](Sender::send) then returns the value. A value
/// that was sent earlier is dropped with the receiver.
///
/// # Cancel safety
///
/// Awaiting the receiver by reference (`&mut receiver`) loses nothing: the value stays in the
/// channel.
///
/// # Errors
///
/// Gives [`RecvError`] if the sender was dropped without sending, if [`close`](Self::close) came
/// before the value, or if the value was already received.
#[must_use = "it is a future, which does nothing unless awaited"]
pub struct Receiver<T> {
    shared: Rc<Shared<T>>,
}

impl<T> Sender<T> {
    /// Sends the value and wakes the receiver. Never waits.
    ///
    /// A value that was sent is not necessarily received: the receiver may be dropped first.
    ///
    /// # Errors
    ///
    /// Returns the value if the receiver is gone or [closed](Receiver::close).
    #[doc(alias = "set_result")]
    pub fn send(self, value: T) -> Result<(), T> {
        if self.shared.is_closed.get() {
            return Err(value);
        }
        self.shared.value.set(Some(value));
        // Dropping `self` wakes the receiver.
        Ok(())
    }

    /// Whether the receiver is gone or closed, so that [`send`](Self::send) would fail.
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed.get()
    }

    /// Waits until the receiver is gone or closed, so that the value is no longer wanted.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::sync::oneshot;
    /// use std::time::Duration;
    ///
    /// oneloop::run(async {
    ///     let (mut sender, receiver) = oneshot::channel::<u8>();
    ///     let hurried = oneloop::timeout(Duration::from_millis(1), receiver);
    ///     let (late, ()) = oneloop::gather!(hurried, sender.closed()).await;
    ///     assert!(late.is_err());
    /// });
    /// ```
    pub async fn closed(&mut self) {
        poll_fn(|cx| self.poll_closed(cx)).await;
    }

    /// The poll of [`closed`](Self::closed), for hand-written futures.
    pub fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        runtime::with_budget(cx, |cx| {
            if !self.is_closed() {
                self.shared.sender.register(cx.waker());
                if !self.is_closed() {
                    return Poll::Pending;
                }
            }
            Poll::Ready(())
        })
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.shared.is_sender_done.set(true);
        self.shared.sender.clear();
        self.shared.receiver.wake();
    }
}

impl<T> Receiver<T> {
    /// Takes the value if it has arrived. Never waits.
    ///
    /// # Errors
    ///
    /// Returns [`TryRecvError`] if there is no value yet, or if none will come.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        if let Some(value) = self.shared.value.take() {
            return Ok(value);
        }
        let ends = self.shared.is_sender_done.get() || self.shared.is_closed.get();
        Err(if ends { TryRecvError::CLOSED } else { TryRecvError::EMPTY })
    }

    /// Refuses a value that was not sent yet, and wakes a sender that waits in [`Sender::closed`].
    /// A value that was already sent can still be received.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, mut receiver) = oneloop::sync::oneshot::channel();
    /// receiver.close();
    /// assert_eq!(sender.send("too late"), Err("too late"));
    /// assert!(receiver.try_recv().unwrap_err().is_closed());
    /// ```
    pub fn close(&mut self) {
        self.shared.is_closed.set(true);
        self.shared.sender.wake();
    }

    /// Whether no further value can arrive, because the sender is gone or this end was closed.
    pub fn is_closed(&self) -> bool {
        self.shared.is_sender_done.get() || self.shared.is_closed.get()
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, RecvError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        runtime::with_budget(cx, |cx| {
            if !self.is_closed() {
                self.shared.receiver.register(cx.waker());
                // Registering the waker may have run code that sent the value.
                if !self.is_closed() {
                    return Poll::Pending;
                }
            }
            Poll::Ready(self.shared.value.take().ok_or(RecvError::CLOSED))
        })
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.shared.is_closed.set(true);
        // If the sender is gone there is no waiter, and a remaining waker goes with the channel.
        if !self.shared.is_sender_done.get() {
            self.shared.receiver.clear();
            self.shared.sender.wake();
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("is_closed", &self.is_closed()).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("is_closed", &self.is_closed()).finish_non_exhaustive()
    }
}
