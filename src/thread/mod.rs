//! Threads: calls that block, on threads of their own; and what goes between threads and loops.
//!
//! | what for | |
//! |---|---|
//! | a call that blocks or computes, awaited by a task | [`to_thread`] |
//! | a call that is no longer awaited, to find that out | [`check_cancelled`], [`is_cancelled`] |
//! | a thread that has something done on a loop, and waits for the answer | [`Handle::create_task_threadsafe`](crate::Handle::create_task_threadsafe), a [`RemoteTask`] |
//! | the same without an answer | [`Handle::call_soon_threadsafe`](crate::Handle::call_soon_threadsafe) |
//! | a thread that sends a loop one item after another, or receives them | [`channel`](fn@channel) |
//! | a key that travels, to a value that does not | [`LoopBound`] |
//! | a value of each task that calls on other threads see too | [`ContextVar::threadsafe`](crate::ContextVar::threadsafe) |
//!
//! A loop has no other threads than those that such calls and the look-up of hosts need, and none when it has ended.
//!
//! # Examples
//!
//! ```
//! use oneloop::thread::{channel, to_thread};
//!
//! oneloop::run(async {
//!     let (sender, mut receiver) = channel(16);
//!     let produced = to_thread(move || {
//!         for n in 1..=3 {
//!             sender.send(n).unwrap(); // blocks this thread while 16 are waiting
//!         }
//!     });
//!     let consumed = async {
//!         let mut sum = 0;
//!         while let Some(n) = receiver.next().await {
//!             sum += n;
//!         }
//!         sum
//!     };
//!     let ((), sum) = oneloop::gather!(produced, consumed).await;
//!     assert_eq!(sum, 6);
//! });
//! ```

mod blocking;
mod call;
pub mod channel;
mod current_job;
mod job;
mod loop_bound;
mod pool;
mod remote_task;
mod to_thread;

pub(crate) use pool::{Pool, PoolOptions};
pub(crate) use {blocking::blocking_pool, call::Call, job::Operation};

#[doc(inline)]
pub use channel::{Receiver, Sender, channel};
pub use current_job::{Cancelled, check_cancelled, is_cancelled};
pub use loop_bound::LoopBound;
pub use remote_task::RemoteTask;
pub use to_thread::{Limited, ToThread, to_thread};
