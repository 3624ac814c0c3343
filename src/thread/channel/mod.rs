//! `channel`: sends items from other threads to a loop, or to another thread.

mod blocking;
mod receiver;
mod sender;
mod shared;

pub use receiver::{Receiver, Recv};
pub use sender::{Sender, Sending};

pub use crate::sync::channel::{SendError, TryRecvError, TrySendError};

use std::sync::Arc;

use shared::Shared;

/// Makes a channel with room for `capacity` items. Its ends may be on different threads: for
/// example, a thread reads from a device, and a task handles what it reads.
///
/// [`Sender::send`] blocks its thread while there is no room; [`Receiver::recv`] is awaited. There
/// can be any number of senders, and there is one receiver. When the last sender is dropped, the
/// receiver gets the remaining items, and then `None`. When the receiver is dropped, the remaining
/// items are dropped, and senders get their items back.
///
/// Items are received in the order in which they were sent. Many items that arrive while the loop
/// is busy wake it once. Between tasks of one loop, [`sync::channel`](crate::sync::channel()) is
/// faster. Under [virtual time](crate::Builder::virtual_time) the clock of a loop stands still
/// while it waits for a channel of this kind, because a thread may be about to send.
///
/// With the capacity `usize::MAX` there is no limit: senders never wait for room, and if items
/// arrive faster than they are received, they use up all memory.
///
/// # Panics
///
/// Panics if the capacity is 0, because there has to be room for one item. A thread that must know
/// that its item was received can send a [`Sender`] along, and wait for the answer.
///
/// # Examples
///
/// ```
/// use oneloop::thread::channel;
///
/// oneloop::run(async {
///     let (sender, mut receiver) = channel(8);
///     let producer = std::thread::spawn(move || {
///         for line in ["one", "two", "three"] {
///             sender.send(line).unwrap(); // blocks while the loop is behind
///         }
///     });
///     let mut lines = Vec::new();
///     while let Some(line) = receiver.recv().await {
///         lines.push(line);
///     }
///     assert_eq!(lines, ["one", "two", "three"]);
///     producer.join().unwrap();
/// });
/// ```
#[doc(alias = "mpsc")]
#[doc(alias = "flume")]
#[doc(alias = "janus")]
#[track_caller]
pub fn channel<T: Send + 'static>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    assert!(
        capacity > 0,
        "a `thread::channel` needs room for one item at least: make it with a capacity of 1 or more"
    );
    let shared = Arc::new(Shared::new(capacity));
    (Sender::new(Arc::clone(&shared)), Receiver::new(shared))
}
