//! Threads: run blocking calls on other threads, and communicate between threads and loops.
//!
//! | task | item |
//! |---|---|
//! | await a call that blocks or computes | [`to_thread`] |
//! | find out, inside such a call, that it is no longer awaited | [`check_cancelled`], [`is_cancelled`] |
//! | run something on a loop from another thread, and wait for the answer | [`Handle::create_task_threadsafe`](crate::Handle::create_task_threadsafe), a [`RemoteTask`] |
//! | the same without an answer | [`Handle::call_soon_threadsafe`](crate::Handle::call_soon_threadsafe) |
//! | send items from a thread to a loop, or back | [`channel`](fn@channel) |
//! | refer, from anywhere, to a value that stays in its loop | [`LoopBound`] |
//! | give each task a value that its calls on other threads see too | [`ContextVar::threadsafe`](crate::ContextVar::threadsafe) |
//!
//! A loop only has the threads that such calls and host look-ups need, and none once it has ended.
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
pub(crate) use {
    blocking::blocking_pool,
    call::{Call, PoolRef},
    job::Operation,
};

#[doc(inline)]
pub use channel::{Receiver, Sender, channel};
pub use current_job::{CallCancelled, check_cancelled, is_cancelled};
pub use loop_bound::LoopBound;
pub use remote_task::RemoteTask;
pub use to_thread::{Limited, ToThread, to_thread};
