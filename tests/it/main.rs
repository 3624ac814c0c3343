//! The public API as programs use it: one binary, a module per topic.

mod auto_traits;
mod cancel_tokens;
mod cleanups;
mod context_vars;
mod found;
mod gather;
mod groups;
mod macros;
mod panics;
mod reports;
mod runtime;
mod sync;
mod tasks;
mod tcp;
mod time;
mod together;
mod waiting;
mod wakers;
