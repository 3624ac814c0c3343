//! `Queue`, `LifoQueue` and `PriorityQueue`: work for other tasks, as asyncio has them.
//!
//! The three are one type, [`BaseQueue`], with another order of the items each.

mod base;
mod error;
mod futures;

#[doc(hidden)]
pub use super::store::Store;
pub use super::store::{Fifo, Lifo, Order, Smallest};
pub use base::{BaseQueue, LifoQueue, PriorityQueue, Queue};
pub use error::{PutError, TryGetError, TryPutError};
pub use futures::{Get, Put, QueueStream};
