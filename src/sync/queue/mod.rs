//! `Queue`, `LifoQueue` and `PriorityQueue`: queues of work for other tasks, as in asyncio.
//!
//! The three are one type, [`BaseQueue`], each with another order of the items.

mod base;
mod error;
mod futures;

#[doc(hidden)]
pub use super::store::Store;
pub use super::store::{Fifo, Lifo, Order, Smallest};
pub use base::{BaseQueue, LifoQueue, PriorityQueue, Queue};
pub use error::{PutError, TryGetError, TryPutError};
pub use futures::{Get, Put, QueueStream};
