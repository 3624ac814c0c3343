//! Makes and removes directories.

use std::fs;
use std::io;
use std::path::Path;

use super::job::with_path;

/// Makes a directory. Its parent must exist.
///
/// # Cancel safety
///
/// The directory is either made or not.
///
/// # Errors
///
/// An error if something exists at the path, or if its parent is missing or may not be written.
#[doc(alias = "mkdir")]
pub async fn create_dir(path: impl AsRef<Path>) -> io::Result<()> {
    with_path(path, "make the directory", |path| fs::create_dir(path)).await
}

/// Makes a directory, and any of its parents that are missing. It is not an error if it already
/// exists.
///
/// # Cancel safety
///
/// Once begun, it goes on to the end.
///
/// # Errors
///
/// An error if something on the way is not a directory, or may not be written. Directories that
/// were already made stay.
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

/// Removes an empty directory.
///
/// # Cancel safety
///
/// The directory is either removed or not.
///
/// # Errors
///
/// An error if it does not exist or is not empty, or if its parent may not be written.
#[doc(alias = "rmdir")]
pub async fn remove_dir(path: impl AsRef<Path>) -> io::Result<()> {
    with_path(path, "remove the directory", |path| fs::remove_dir(path)).await
}

/// Removes a directory with everything in it. Symbolic links are removed, not followed.
///
/// # Cancel safety
///
/// Once begun, it goes on to the end, however large the directory is.
///
/// # Errors
///
/// An error if the directory does not exist, or if something in it may not be removed. Entries
/// removed before the error are gone.
#[doc(alias = "rmtree")]
pub async fn remove_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    with_path(path, "remove the directory", |path| fs::remove_dir_all(path)).await
}
