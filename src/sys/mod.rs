//! The platform seam: everything that differs between operating systems, below the kernel. It knows
//! nothing of loops.
//!
//! A platform is a folder beside this file with these modules. All other code uses only their
//! names.
//!
//! | module | contents |
//! |---|---|
//! | `clock` | the monotonic clock, and the time that a thread has computed |
//! | `cores` | pins threads to cores |
//! | `edges` | sources of events, and what the reactor tells about them |
//! | `errors` | classes of errors, by their numbers |
//! | `files` | reads and writes at positions, permissions, links |
//! | `locks` | locks of open files |
//! | `sockets` | operations on sockets that `socket2` lacks or that not every platform has |
//! | `stderr` | writes to standard error that do not wait |
//!
//! `unix` has further modules, which only code for Unix uses: `children`, `descriptors`, `passing`
//! and `reopen`.
//!
//! `cfg` attributes that ask for a platform stand in this folder, in the reactor's alarm, and on
//! `mod` and `pub use` lines. `tests/tidy/platforms.rs` checks that.

#[cfg(unix)]
#[path = "unix/mod.rs"]
mod platform;

pub(crate) use platform::*;
