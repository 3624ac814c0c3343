//! Any descriptor: waiting until it is ready, and operations that wait; with a callback in the place of a task, if need be.

mod callback;
mod registered;
mod traits;

pub use callback::{FdCallback, add_reader, add_writer};
pub use registered::{AsyncFd, Interest};
