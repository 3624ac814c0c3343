//! Threads: calls that block, on threads of their own.

mod blocking;
mod call;
pub mod channel;
mod current_job;
mod job;
mod pool;
mod remote_task;
mod to_thread;

#[expect(unused_imports, reason = "for other pools than that of `to_thread`")]
pub(crate) use pool::{Pool, PoolOptions};
pub(crate) use {blocking::blocking_pool, call::Call};

#[doc(inline)]
pub use channel::{Receiver, Sender, channel};
pub use current_job::{Cancelled, check_cancelled, is_cancelled};
pub use remote_task::RemoteTask;
pub use to_thread::{Limited, ToThread, to_thread};
