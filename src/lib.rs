//! asyncio for Rust.
mod runtime;
pub mod io;
pub mod net;
pub mod signal;
pub mod task;
pub mod testing;
pub mod time;

#[cfg(feature = "macros")]
pub use oneloop_macros::{main, test};
pub use runtime::{Builder, Closed, Handle, Runtime, Turn, Unhandled, run};
pub use task::{CancelOnDrop, CancelReason, JoinError, Task, TaskKey, TaskRef, all_tasks, call_later, call_soon, create_task, current_task, gather, try_gather, yield_now};
pub use time::{TimeoutError, interval, sleep, sleep_until, timeout, timeout_at, wait_for};
