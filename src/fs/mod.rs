//! Files, without blocking the loop.
//!
//! Files have no readiness to wait for: an operation on one blocks its thread until the disk has
//! answered. Each operation therefore runs on a thread of the [pool](crate::thread::to_thread), in
//! chunks, and the loop goes on meanwhile. asyncio has no counterpart. The models are the file
//! objects of anyio and Trio, `aiofiles`, and tokio's `fs`; the names come from [`std::fs`].
//!
//! | to | use |
//! |---|---|
//! | read or write a whole file | [`read`], [`read_to_string`], [`write`](fn@write), [`append`], [`copy`] |
//! | change a file so that others see the old or the new content, never a part | [`write_replace`] |
//! | read and write piece by piece, seek | [`File`], [`OpenOptions`] |
//! | list, make and remove directories | [`read_dir`], [`create_dir`], [`create_dir_all`], [`remove_dir`], [`remove_dir_all`] |
//! | rename, remove, link | [`rename`], [`remove_file`], [`hard_link`], [`symlink`], [`read_link`] |
//! | ask about a path | [`metadata`], [`symlink_metadata`], [`try_exists`], [`canonicalize`] |
//! | use a temporary file or directory | [`temp_file`], [`temp_dir`] |
//!
//! An error says what was tried and with which path: "cannot open `x`: No such file or directory".
//! An operation that fails because the disk is full returns the kind
//! [`StorageFull`](std::io::ErrorKind::StorageFull).
//!
//! # Cancel safety
//!
//! A future that is dropped before a thread has begun its work leaves no trace. A thread that is
//! already at work finishes its current step, and no further step begins. Each function says what
//! that means for it.
//!
//! # Examples
//!
//! ```
//! use oneloop::fs;
//!
//! oneloop::run(async {
//!     let dir = fs::temp_dir().await?;
//!     let path = dir.path().join("greeting.txt");
//!     fs::write(&path, "hello\n").await?;
//!     fs::append(&path, "world\n").await?;
//!     assert_eq!(fs::read_to_string(&path).await?, "hello\nworld\n");
//!     std::io::Result::Ok(())
//! })?;
//! # std::io::Result::Ok(())
//! ```

mod copy;
mod dir;
mod error;
mod feed;
mod file;
mod job;
mod links;
mod metadata;
mod open_options;
mod read;
mod read_dir;
mod replace;
mod steps;
mod temp;
mod unix;
mod write;

pub use copy::{CopyFile, copy};
pub use dir::{create_dir, create_dir_all, remove_dir, remove_dir_all};
pub use file::{File, FileLock};
pub use links::{hard_link, read_link, remove_file, rename, symlink};
pub use metadata::{canonicalize, metadata, set_permissions, symlink_metadata, try_exists};
pub use open_options::OpenOptions;
pub use read::{ReadFile, ReadFileToString, read, read_to_string};
pub use read_dir::{DirEntry, ReadDir, read_dir};
pub use replace::{ReplaceFile, write_replace};
pub use std::fs::{FileTimes, FileType, Metadata, Permissions};
pub use temp::{MakeTempDir, MakeTempFile, TempDir, TempFile, temp_dir, temp_file};
pub use write::{WriteFile, append, write};
