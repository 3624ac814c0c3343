//! `TempFile`.

use std::fs::File as StdFile;
use std::io;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use super::Doomed;
use crate::fs::File;
use crate::io::{AsFile, Sealed};

/// An open file that is removed when this is dropped. It is made by
/// [`temp_file`](super::temp_file()), and derefs to [`File`].
///
/// The removal works like that of a [`TempDir`](super::TempDir).
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

    /// Returns the path, from the root.
    pub fn path(&self) -> &Path {
        self.doomed.path()
    }

    /// Removes the file now. It is not an error if it is already gone.
    ///
    /// # Cancel safety
    ///
    /// The file is removed in any case.
    ///
    /// # Errors
    ///
    /// An error if its directory may not be written any more.
    pub async fn close(self) -> io::Result<()> {
        self.doomed.remove().await
    }

    /// Keeps the file, under its name or one that [`rename`](crate::fs::rename) gives it.
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

impl AsFile for TempFile {
    fn as_file(&self, sealed: Sealed) -> &StdFile {
        self.file.as_file(sealed)
    }
}

impl AsRef<Path> for TempFile {
    fn as_ref(&self) -> &Path {
        self.path()
    }
}
