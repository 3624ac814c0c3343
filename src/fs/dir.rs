//! Making and removing directories.

use std::fs;
use std::io;
use std::path::Path;

use super::job::with_path;

/// Makes a directory, in one that exists.
///
/// # Cancel safety
///
/// It is made or not.
///
/// # Errors
///
/// If there is something at the path, or its parent is missing or may not be written.
#[doc(alias = "mkdir")]
pub async fn create_dir(path: impl AsRef<Path>) -> io::Result<()> {
    with_path(path, "make the directory", |path| fs::create_dir(path)).await
}

/// Makes a directory and those above it, where they are missing. If it exists, that is no error.
///
/// # Cancel safety
///
/// Once begun, it goes on.
///
/// # Errors
///
/// If something on the way is no directory, or may not be written. What was made stays.
///
/// # Examples
///
/// ```
/// use oneloop::fs;
///
/// oneloop::run(async {
///     let dir = fs::temp_dir().await?;
///     fs::create_dir_all(dir.path().join("a/b/c")).await?;
///     assert!(fs::try_exists(dir.path().join("a/b")).await?);
///     fs::remove_dir_all(dir.path().join("a")).await?;
///     assert!(!fs::try_exists(dir.path().join("a")).await?);
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[doc(alias = "makedirs")]
pub async fn create_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    with_path(path, "make the directory", |path| fs::create_dir_all(path)).await
}

/// Removes a directory that is empty.
///
/// # Cancel safety
///
/// It is removed or not.
///
/// # Errors
///
/// If there is none, there is something in it, or its parent may not be written.
#[doc(alias = "rmdir")]
pub async fn remove_dir(path: impl AsRef<Path>) -> io::Result<()> {
    with_path(path, "remove the directory", |path| fs::remove_dir(path)).await
}

/// Removes a directory with everything in it. Symbolic links are removed, not followed.
///
/// # Cancel safety
///
/// Once begun, it goes on, however large the directory is.
///
/// # Errors
///
/// If there is no such directory, or something in it may not be removed. What was removed before is gone.
#[doc(alias = "rmtree")]
pub async fn remove_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    with_path(path, "remove the directory", |path| fs::remove_dir_all(path)).await
}
