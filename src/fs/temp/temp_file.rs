//! `TempFile`.

use std::io;
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use super::Doomed;
use crate::fs::File;

/// An open file that is removed when this is dropped; made by [`temp_file`](super::temp_file()). It derefs to [`File`].
///
/// It is removed as a [`TempDir`](super::TempDir) is.
#[derive(Debug)]
#[must_use = "dropped, it removes the file"]
pub struct TempFile {
    file: File,
    doomed: Doomed,
}

impl TempFile {
    pub(super) fn new(file: File, doomed: Doomed) -> Self {
        Self { file, doomed }
    }

    /// The path, from the root.
    pub fn path(&self) -> &Path {
        self.doomed.path()
    }

    /// Removes it now. If it is gone already, that is no error.
    ///
    /// # Cancel safety
    ///
    /// It is removed in any case.
    ///
    /// # Errors
    ///
    /// If its directory may not be written any more.
    pub async fn close(self) -> io::Result<()> {
        self.doomed.remove().await
    }

    /// The file stays: with its name, or one that [`rename`](crate::fs::rename) gives it.
    pub fn keep(self) -> (File, PathBuf) {
        (self.file, self.doomed.spare())
    }
}

impl Deref for TempFile {
    type Target = File;

    fn deref(&self) -> &File {
        &self.file
    }
}

impl AsFd for TempFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl AsRef<Path> for TempFile {
    fn as_ref(&self) -> &Path {
        self.path()
    }
}
