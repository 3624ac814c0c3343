//! `File`: an open file, read and written piece by piece.
//!
//! | file | contents |
//! |---|---|
//! | `file` | the type; opening, metadata, conversions |
//! | `read`, `write` | reads and writes, at the position and at any offset |
//! | `traits` | the traits of futures-io |
//! | `lock` | locks against other processes |
//! | `operation` | one operation on a thread, awaited or not |
//! | `shared` | the state that threads and the `File` share; the turn |
//! | `cursor` | the position, and data read ahead: blocking code |
//! | `turns` | the line for the turn: pure data |

mod cursor;
#[expect(clippy::module_inception, reason = "the type gives the folder its name")]
mod file;
mod lock;
mod operation;
mod read;
mod shared;
mod traits;
mod turns;
mod write;

pub use file::File;
pub use lock::FileLock;
