//! Names of files: another, an additional, none.

use std::fs;
use std::io;
use std::os::unix;
use std::path::{Path, PathBuf};

use super::job::{with_path, with_paths};

/// Gives a file or directory another name, in the same file system. A file that has this name is replaced.
///
/// # Cancel safety
///
/// It is renamed or not.
///
/// # Errors
///
/// If there is no `from`; if `to` is in another file system ([`CrossesDevices`](io::ErrorKind::CrossesDevices): then
/// [`copy`](super::copy) and [`remove_file`]), or is a directory with something in it.
pub async fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    let (from, to) = (from.as_ref().to_owned(), to.as_ref().to_owned());
    with_paths(from, to, "rename", |from, to| fs::rename(from, to)).await
}

/// Removes a file, or a symbolic link itself. Who has it open can go on using it.
///
/// # Cancel safety
///
/// It is removed or not.
///
/// # Errors
///
/// If there is no such file, it is a directory, or its directory may not be written.
#[doc(alias = "unlink")]
pub async fn remove_file(path: impl AsRef<Path>) -> io::Result<()> {
    with_path(path, "remove", |path| fs::remove_file(path)).await
}

/// Gives the file `original` another name in addition, in the same file system.
///
/// # Cancel safety
///
/// It is done or not.
///
/// # Errors
///
/// If there is no `original`, there is something at `link`, or they are in different file systems.
pub async fn hard_link(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    let (original, link) = (original.as_ref().to_owned(), link.as_ref().to_owned());
    with_paths(original, link, "link", |original, link| fs::hard_link(original, link)).await
}

/// Makes a symbolic link at `link` that leads to `original`, whether or not there is such a thing; a relative one counts
/// from the link's directory.
///
/// # Cancel safety
///
/// It is made or not.
///
/// # Errors
///
/// If there is something at `link`.
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
    let make = move |link: &Path| unix::fs::symlink(&original, link);
    with_path(link, "make the symbolic link", make).await
}

/// Where a symbolic link leads.
///
/// # Cancel safety
///
/// Nothing is lost.
///
/// # Errors
///
/// If there is nothing at the path, or no symbolic link.
pub async fn read_link(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    with_path(path, "read the symbolic link", |path| fs::read_link(path)).await
}
