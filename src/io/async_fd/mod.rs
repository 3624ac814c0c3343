//! Any descriptor: waits for readiness, runs operations that wait, or calls a callback instead of
//! resuming a task.

mod callback;
mod registered;
mod traits;

pub use callback::{FdCallback, add_reader, add_writer};
pub use registered::{AsyncFd, Interest};
