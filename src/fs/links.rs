//! Renames, removes and links files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::job::{with_path, with_paths};
use crate::sys::files::make_symlink;

/// Renames a file or directory within one file system. An existing file at `to` is replaced.
///
/// # Cancel safety
///
/// It is either renamed or not.
///
/// # Errors
///
/// An error if `from` does not exist; if `to` is in another file system
/// ([`CrossesDevices`](io::ErrorKind::CrossesDevices): use [`copy`](super::copy) and
/// [`remove_file`] then); or if `to` is a directory that is not empty.
pub async fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    let (from, to) = (from.as_ref().to_owned(), to.as_ref().to_owned());
    with_paths(from, to, "rename", |from, to| fs::rename(from, to)).await
}

/// Removes a file, or a symbolic link itself. Processes that have the file open can go on using it.
///
/// # Cancel safety
///
/// It is either removed or not.
///
/// # Errors
///
/// An error if the file does not exist or is a directory, or if its directory may not be written.
#[doc(alias = "unlink")]
pub async fn remove_file(path: impl AsRef<Path>) -> io::Result<()> {
    with_path(path, "remove", |path| fs::remove_file(path)).await
}

/// Gives the file `original` an additional name in the same file system.
///
/// # Cancel safety
///
/// The link is either made or not.
///
/// # Errors
///
/// An error if `original` does not exist, if something exists at `link`, or if they are in
/// different file systems.
pub async fn hard_link(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    let (original, link) = (original.as_ref().to_owned(), link.as_ref().to_owned());
    with_paths(original, link, "link", |original, link| fs::hard_link(original, link)).await
}

/// Makes a symbolic link at `link` that leads to `original`, whether or not that exists. A relative
/// `original` is resolved from the link's directory.
///
/// # Cancel safety
///
/// The link is either made or not.
///
/// # Errors
///
/// An error if something exists at `link`.
///
/// # Examples
///
/// ```
/// use oneloop::fs;
/// use std::path::Path;
///
/// oneloop::run(async {
///     let dir = fs::temp_dir().await?;
///     let link = dir.path().join("current");
///     fs::symlink("version-2", &link).await?;
///     assert_eq!(fs::read_link(&link).await?, Path::new("version-2"));
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub async fn symlink(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    let original = original.as_ref().to_owned();
    let make = move |link: &Path| make_symlink(&original, link);
    with_path(link, "make the symbolic link", make).await
}

/// Returns the target of a symbolic link.
///
/// # Cancel safety
///
/// Nothing is lost.
///
/// # Errors
///
/// An error if nothing exists at the path, or if it is not a symbolic link.
pub async fn read_link(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    with_path(path, "read the symbolic link", |path| fs::read_link(path)).await
}
