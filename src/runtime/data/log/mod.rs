//! Lines for the operator of the program: which ones are written, and where.
//!
//! Writing a line never blocks the loop, never panics and never causes another line, because the
//! loop cannot run anything else meanwhile.

mod folds;
pub(crate) mod log_line;
mod stderr;
