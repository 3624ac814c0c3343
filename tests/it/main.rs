//! The public API as programs use it: one binary, a module per topic.

#[cfg(all(feature = "fs", feature = "process", feature = "workers"))]
mod auto_traits;
mod cancel_tokens;
mod cleanups;
mod context_vars;
#[cfg(feature = "net")]
mod found;
mod gather;
mod groups;
mod macros;
mod panics;
mod reports;
mod runtime;
mod sync;
mod tasks;
#[cfg(feature = "net")]
mod tcp;
mod time;
mod together;
mod waiting;
mod wakers;
