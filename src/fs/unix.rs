//! Methods and conversions that only Unix has.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::{DirEntryExt, OpenOptionsExt};

use super::{DirEntry, File, OpenOptions, TempFile};

impl OpenOptions {
    /// Sets the permissions of a file that is created, which the process's `umask` reduces. The
    /// default is `0o666`.
    pub fn mode(mut self, mode: u32) -> Self {
        self.options.mode(mode);
        self
    }

    /// Sets further flags for `open(2)`, such as `O_NOFOLLOW`. `O_DIRECT` does not work, because it
    /// needs aligned buffers.
    pub fn custom_flags(mut self, flags: i32) -> Self {
        self.options.custom_flags(flags);
        self
    }
}

impl DirEntry {
    /// Returns the inode number of the file in its file system.
    pub fn ino(&self) -> u64 {
        self.entry.ino()
    }
}

impl From<OwnedFd> for File {
    fn from(fd: OwnedFd) -> Self {
        Self::from_std(fd.into())
    }
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner().as_fd()
    }
}

impl AsRawFd for File {
    fn as_raw_fd(&self) -> RawFd {
        self.inner().as_raw_fd()
    }
}

impl AsFd for TempFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        (**self).as_fd()
    }
}
