//! Names that are unguessable and not taken. Everything here blocks.

use std::fs::{DirBuilder, File as StdFile, OpenOptions as StdOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf, absolute};

use crate::fs::error::cannot;
use crate::sys::files::{for_owner_only, set_mode};

/// How many names are tried. Two names collide once in 2 to the power of 64 times.
const ATTEMPTS_MAX: usize = 100;

/// Makes a file in `dir`, opens it for reading and writing, and returns it with its absolute path.
pub(in crate::fs) fn new_file(
    dir: &Path,
    prefix: &str,
    suffix: &str,
    mode: u32,
) -> io::Result<(StdFile, PathBuf)> {
    let mut options = StdOptions::new();
    options.read(true).write(true).create_new(true);
    set_mode(&mut options, mode);
    first_free(dir, prefix, suffix, |path| options.open(path))
}

/// Makes a directory in `dir` that only its owner can access, and returns its absolute path.
pub(super) fn new_dir(dir: &Path, prefix: &str, suffix: &str) -> io::Result<PathBuf> {
    let mut builder = DirBuilder::new();
    for_owner_only(&mut builder);
    let ((), path) = first_free(dir, prefix, suffix, |path| builder.create(path))?;
    Ok(path)
}

fn first_free<T>(
    dir: &Path,
    prefix: &str,
    suffix: &str,
    make: impl Fn(&Path) -> io::Result<T>,
) -> io::Result<(T, PathBuf)> {
    let cannot = |error| cannot("make something temporary in", dir, &error);
    if [prefix, suffix].iter().any(|part| part.contains('/')) {
        // It would lead to another directory.
        let slash = "the prefix and the suffix are parts of a name, and may have no `/`";
        return Err(cannot(io::Error::new(ErrorKind::InvalidInput, slash)));
    }
    // The working directory may have changed by the time the path is removed.
    let dir = absolute(dir).map_err(cannot)?;
    let mut attempts = 0;
    loop {
        attempts += 1;
        let path = dir.join(format!("{prefix}{:016x}{suffix}", random()));
        match make(&path) {
            Ok(new) => return Ok((new, path)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists && attempts < ATTEMPTS_MAX => {}
            Err(error) => return Err(cannot(error)),
        }
    }
}

/// An unguessable number: the standard library's hasher is keyed by the system's random numbers.
fn random() -> u64 {
    RandomState::new().hash_one(())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn names_differ_and_are_tried_a_limited_number_of_times() {
        let attempts = Cell::new(0);
        let last = Cell::new(PathBuf::new());
        let make = |path: &Path| {
            attempts.set(attempts.get() + 1);
            assert_ne!(last.replace(path.to_owned()), path);
            io::Result::<()>::Err(ErrorKind::AlreadyExists.into())
        };
        let error = first_free(Path::new("/x"), "a", "b", make).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert_eq!(attempts.get(), ATTEMPTS_MAX);
        assert!(error.to_string().contains("`/x`"), "{error}");
    }
}
