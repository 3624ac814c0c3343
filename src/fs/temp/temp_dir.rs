//! `TempDir`.

use std::io;
use std::path::{Path, PathBuf};

use super::Doomed;

/// A directory that is removed, with everything in it, when this is dropped. It is made by
/// [`temp_dir`](super::temp_dir()).
///
/// If it is dropped on a loop, a thread removes the directory, as a [cleanup](crate::with_cleanup)
/// of the task that is current then: the task ends when the removal is done, within a time limit,
/// and an error is reported. If it is dropped elsewhere, the directory is removed at once, and an
/// error is logged.
#[derive(Debug)]
#[must_use = "dropped, it removes the directory"]
pub struct TempDir {
    doomed: Doomed,
}

impl TempDir {
    pub(super) fn new(doomed: Doomed) -> Self {
        Self { doomed }
    }

    /// Returns the path, from the root.
    pub fn path(&self) -> &Path {
        self.doomed.path()
    }

    /// Removes the directory now, with everything in it. It is not an error if it is already gone.
    ///
    /// # Cancel safety
    ///
    /// The directory is removed in any case.
    ///
    /// # Errors
    ///
    /// An error if something in it may not be removed.
    pub async fn close(self) -> io::Result<()> {
        self.doomed.remove().await
    }

    /// Keeps the directory, and returns its path.
    pub fn keep(self) -> PathBuf {
        self.doomed.spare()
    }
}

impl AsRef<Path> for TempDir {
    fn as_ref(&self) -> &Path {
        self.path()
    }
}
