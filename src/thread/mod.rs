//! Threads: calls that block, on threads of their own.

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
pub(crate) use {blocking::blocking_pool, call::Call};

#[doc(inline)]
pub use channel::{Receiver, Sender, channel};
pub use current_job::{Cancelled, check_cancelled, is_cancelled};
pub use loop_bound::LoopBound;
pub use remote_task::RemoteTask;
pub use to_thread::{Limited, ToThread, to_thread};
