//! Standard input, output and error.
//!
//! A process shares its standard descriptors with others: the shell, and the other programs in a
//! pipeline. Non-blocking mode belongs to the shared open file, so setting it would break them.
//! [`channel`] lists the alternatives used instead.

mod blocking;
mod channel;
mod input;
mod output;
mod stdin;
mod stdout;
mod waiters;

pub use stdin::{Stdin, stdin};
pub use stdout::{Stderr, Stdout, stderr, stdout};
