//! Standard input, output and error.
//!
//! A process shares its standard descriptors with others: the shell, the programs beside it in a pipeline. Non-blocking mode belongs to what
//! is shared, so setting it would break the others. [`channel`] says what is done instead.

mod blocking;
mod channel;
mod input;
mod output;
mod stdin;
mod stdout;
mod waiters;

pub use stdin::{Stdin, stdin};
pub use stdout::{Stderr, Stdout, stderr, stdout};
