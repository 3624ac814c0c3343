//! The public API as programs use it: one binary, a module per topic.

mod auto_traits;
mod found;
mod gather;
mod macros;
mod panics;
mod python_peer;
mod runtime;
mod tasks;
mod tcp;
mod time;
mod waiting;
mod wakers;
