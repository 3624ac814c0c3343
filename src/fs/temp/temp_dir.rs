//! `TempDir`.

use std::io;
use std::path::{Path, PathBuf};

use super::Doomed;

/// A directory that is removed, with all that is in it, when this is dropped; made by [`temp_dir`](super::temp_dir()).
///
/// Dropped on a loop, it is removed on a thread, and that is a [cleanup](crate::with_cleanup) of the task that is current
/// then: the task ends when it is done, within a limit of time, and an error is reported. Dropped elsewhere, it is
/// removed at once, and an error is logged.
#[derive(Debug)]
#[must_use = "dropped, it removes the directory"]
pub struct TempDir {
    doomed: Doomed,
}

impl TempDir {
    pub(super) fn new(doomed: Doomed) -> Self {
        Self { doomed }
    }

    /// The path, from the root.
    pub fn path(&self) -> &Path {
        self.doomed.path()
    }

    /// Removes it now, with all that is in it. If it is gone already, that is no error.
    ///
    /// # Cancel safety
    ///
    /// It is removed in any case.
    ///
    /// # Errors
    ///
    /// If something in it may not be removed.
    pub async fn close(self) -> io::Result<()> {
        self.doomed.remove().await
    }

    /// The directory stays.
    pub fn keep(self) -> PathBuf {
        self.doomed.spare()
    }
}

impl AsRef<Path> for TempDir {
    fn as_ref(&self) -> &Path {
        self.path()
    }
}
