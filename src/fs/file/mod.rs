//! `File`: an open file, read and written piece by piece.
//!
//! | file | what |
//! |---|---|
//! | `file` | the type; opening, metadata, handing it over |
//! | `read`, `write` | at the position, and at any other |
//! | `traits` | those of futures-io |
//! | `lock` | keeping other processes out |
//! | `operation` | one operation, on a thread, awaited or not |
//! | `shared` | what the threads and the `File` share; the turn |
//! | `cursor` | the position, and what was read ahead: blocking code |
//! | `turns` | the line of those who want a turn: pure data |

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
