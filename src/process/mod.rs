//! Processes: start programs, communicate with them, and end them.
//!
//! [`Command`] says which program to run, and how. [`Command::output`] returns what it wrote.
//! [`Command::spawn`] returns a [`Child`], whose streams are read and written like any others:
//!
//! ```
//! use oneloop::process::{Command, Stdio};
//!
//! oneloop::run(async {
//!     let mut cat = Command::new("cat");
//!     let mut child = cat.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
//!     let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
//!     stdin.write_all(b"hello").await?;
//!     let mut reply = [0; 5];
//!     stdout.read_exact(&mut reply).await?;
//!     assert_eq!(&reply, b"hello");
//!
//!     drop(stdin); // there is no more, so `cat` ends
//!     assert!(child.wait().await?.success());
//!     std::io::Result::Ok(())
//! })?;
//! # std::io::Result::Ok(())
//! ```
//!
//! # How a loop learns that a child has ended
//!
//! Each loop that has children listens for the signal SIGCHLD, as any other code of the program
//! may. Only the loop's own children are reaped. Code that replaces the handler of the signal,
//! instead of adding to it, keeps the loop from hearing it. Code that waits for all children takes
//! their status away.
//!
//! A process that was started with SIGCHLD ignored or blocked, as some launchers do, works as well:
//! from the first child on, the signal is no longer ignored, and the loop's thread does not block
//! it while the loop exists.
//!
//! A child inherits blocked and ignored signals from this process, as with asyncio. If SIGTERM is
//! among them, [`terminate`](Child::terminate) may have no effect on the child. Where a child is
//! ended with a grace period, SIGKILL follows.
//!
//! # As the first process of a container
//!
//! The process with the id 1 becomes the parent of every process whose own parent has ended. From
//! its first child on, a loop there reaps those as well, one to two seconds after they have ended.
//! Other code of the program that starts children has to wait for them within this time. This needs
//! the container's `/proc`.
//!
//! # Forks
//!
//! A forked process that goes on without `exec` has no children, whatever handles it has inherited:
//! they return errors, and dropping them does nothing. On a loop of its own it may start new ones.

mod child;
mod command;
mod communicate;
mod ending;
mod orphans;
mod reaper;
mod start;
mod stdio;
#[cfg(feature = "fs")]
mod stdio_from_file;
mod strays;
mod table;
mod tree;

pub use child::Child;
pub use command::Command;
pub use std::process::{ExitStatus, Output};
pub use stdio::Stdio;

use crate::io::pipe;

/// The pipe to a child's input.
pub type ChildStdin = pipe::Sender;
/// The pipe from a child's output.
pub type ChildStdout = pipe::Receiver;
/// The pipe from a child's errors.
pub type ChildStderr = pipe::Receiver;
