//! Loops inside tokio's: tokio's own things, and crates that need tokio, in tasks of the loop.

#![expect(clippy::unwrap_used, reason = "these are tests, and their helpers")]
#![expect(clippy::absolute_paths, reason = "tokio's names stand beside oneloop's of the same name")]

mod attributes;
mod guest;
mod inside;
