//! Operations on files that the standard library has only in traits of the platform.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{
    DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown, symlink,
};
use std::path::Path;

use nix::unistd;

/// Reads at a position. The file's own position is neither used nor changed.
pub(crate) fn read_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    file.read_at(buf, offset)
}

/// Writes at a position. The file's own position is neither used nor changed.
pub(crate) fn write_at(file: &File, data: &[u8], offset: u64) -> io::Result<usize> {
    file.write_at(data, offset)
}

/// Closes a file, and returns the error that a drop ignores.
pub(crate) fn close(file: File) -> io::Result<()> {
    Ok(unistd::close(file)?)
}

/// Whether both belong to one file.
pub(crate) fn is_same_file(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Gives a file with the metadata `new` to the owner in `old`, if the process may do so. Only root
/// may.
pub(crate) fn give_to_owner(file: &File, old: &Metadata, new: &Metadata) {
    if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
        fchown(file, Some(old.uid()), Some(old.gid())).ok();
    }
}

/// Makes new files with the permissions of the file with this metadata, minus the `umask`.
pub(crate) fn set_mode_of(options: &mut OpenOptions, metadata: &Metadata) {
    options.mode(metadata.permissions().mode() & 0o7777);
}

/// Makes new files with the permissions `mode`, minus the `umask`.
pub(crate) fn set_mode(options: &mut OpenOptions, mode: u32) {
    options.mode(mode);
}

/// Makes new directories that only their owner can access.
pub(crate) fn for_owner_only(builder: &mut DirBuilder) {
    builder.mode(0o700);
}

/// Makes a symbolic link at `link` that leads to `original`.
pub(crate) fn make_symlink(original: &Path, link: &Path) -> io::Result<()> {
    symlink(original, link)
}
