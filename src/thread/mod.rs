//! Threads: calls that block, on threads of their own.

mod blocking;
mod call;
mod current_job;
mod job;
mod pool;
mod to_thread;

#[expect(unused_imports, reason = "for other pools than that of `to_thread`")]
pub(crate) use {
    call::Call,
    pool::{Pool, PoolOptions},
};

pub use current_job::{Cancelled, check_cancelled, is_cancelled};
pub use to_thread::{ToThread, to_thread};
