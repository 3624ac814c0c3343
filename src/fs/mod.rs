//! Files, without blocking the loop.
//!
//! Files have no readiness to wait for: an operation on one blocks its thread until the disk has answered. So each is
//! done on a thread of the [pool](crate::thread::to_thread), in chunks, and the loop goes on meanwhile. asyncio has
//! nothing of the kind; anyio's and Trio's file objects, `aiofiles` and tokio's `fs` are what it was modelled on, and the
//! names are those of [`std::fs`].
//!
//! | to | use |
//! |---|---|
//! | read or write a whole file | [`read`], [`read_to_string`], [`write`](fn@write), [`append`], [`copy`] |
//! | change a file such that others see the old or the new content, never a part | [`write_replace`] |
//! | read and write piece by piece, seek | [`File`], [`OpenOptions`] |
//! | list, make and remove directories | [`read_dir`], [`create_dir`], [`create_dir_all`], [`remove_dir`], [`remove_dir_all`] |
//! | rename, remove, link | [`rename`], [`remove_file`], [`hard_link`], [`symlink`], [`read_link`] |
//! | ask about a path | [`metadata`], [`symlink_metadata`], [`try_exists`], [`canonicalize`] |
//! | have a place for a while | [`temp_file`], [`temp_dir`] |
//!
//! An error says what was tried and with which path: "cannot open `x`: No such file or directory". What fails because the
//! disk is full has the kind [`StorageFull`](std::io::ErrorKind::StorageFull).
//!
//! # Cancel safety
//!
//! A future that is dropped before a thread has begun with its work leaves no trace. What a thread does at that moment is
//! done to its end; nothing more is begun. Each function says what that means for it.
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
