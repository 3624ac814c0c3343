//! Threads: calls that block, on threads of their own.

mod to_thread;

pub use to_thread::{ToThread, to_thread};
