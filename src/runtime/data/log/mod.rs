//! What the loop says to the operator of the program: which lines, and where they go.
//!
//! A line never blocks the loop, never panics and never leads to another line of its own, because it is written while the
//! loop cannot run anything else.

mod folds;
pub(crate) mod log_line;
mod stderr;
