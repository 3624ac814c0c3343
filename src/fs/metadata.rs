//! Metadata of paths.

use std::fs::{self, Metadata, Permissions};
use std::io;
use std::path::{Path, PathBuf};

use super::job::with_path;

/// Returns the metadata of a file: its length, times, permissions and kind. Symbolic links are
/// followed.
///
/// # Cancel safety
///
/// Nothing is lost.
///
/// # Errors
///
/// An error if nothing exists at the path (or a link leads nowhere, or in a circle), or if a
/// directory on the way may not be searched.
///
/// # Examples
///
/// ```
/// oneloop::run(async {
///     assert!(oneloop::fs::metadata("/").await?.is_dir());
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[doc(alias = "stat")]
pub async fn metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    with_path(path, "read the metadata of", |path| fs::metadata(path)).await
}

/// Like [`metadata`], but for a symbolic link itself.
///
/// # Cancel safety
///
/// Nothing is lost.
///
/// # Errors
///
/// Same as [`metadata`].
#[doc(alias = "lstat")]
pub async fn symlink_metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    with_path(path, "read the metadata of", |path| fs::symlink_metadata(path)).await
}

/// Returns whether something exists at the path. The answer is `false` for a symbolic link that
/// leads nowhere.
///
/// The answer may be outdated a moment later. To create a file that must not exist yet, use
/// [`File::create_new`](super::File::create_new).
///
/// # Cancel safety
///
/// Nothing is lost.
///
/// # Errors
///
/// An error if the path cannot be followed: a directory on the way may not be searched
/// (`PermissionDenied`), a part on the way is a file and not a directory (`NotADirectory`), or
/// symbolic links lead in a circle.
///
/// # Examples
///
/// ```
/// oneloop::run(async {
///     assert!(oneloop::fs::try_exists("/").await?);
///     assert!(!oneloop::fs::try_exists("/no such file").await?);
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[doc(alias = "exists")]
pub async fn try_exists(path: impl AsRef<Path>) -> io::Result<bool> {
    with_path(path, "look for", Path::try_exists).await
}

/// Returns the path from the root, without `.`, `..` and symbolic links.
///
/// # Cancel safety
///
/// Nothing is lost.
///
/// # Errors
///
/// An error if nothing exists at the path, or if the path is relative and the working directory is
/// gone.
#[doc(alias = "realpath")]
pub async fn canonicalize(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    with_path(path, "find out the full path of", |path| fs::canonicalize(path)).await
}

/// Sets the permissions of a file. Symbolic links are followed.
///
/// # Cancel safety
///
/// The permissions are either set or not.
///
/// # Errors
///
/// An error if nothing exists at the path, or if it belongs to another user.
///
/// # Examples
///
/// ```
/// use oneloop::fs;
/// use std::os::unix::fs::PermissionsExt;
///
/// oneloop::run(async {
///     let dir = fs::temp_dir().await?;
///     let path = dir.path().join("script");
///     fs::write(&path, "#!/bin/sh\n").await?;
///     fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).await?;
///     assert_eq!(fs::metadata(&path).await?.permissions().mode() & 0o777, 0o755);
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[doc(alias = "chmod")]
pub async fn set_permissions(path: impl AsRef<Path>, permissions: Permissions) -> io::Result<()> {
    let set = |path: &Path| fs::set_permissions(path, permissions);
    with_path(path, "set the permissions of", set).await
}
