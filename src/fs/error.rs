//! Adds to an error of the operating system what was tried, and on which file.

use std::io;
use std::path::Path;

/// Returns "cannot open `x`: No such file or directory", with the same kind.
pub(super) fn cannot(doing: &str, path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot {doing} `{}`: {error}", path.display()))
}

/// Like [`cannot`], for an operation on two paths: "cannot rename `x` to `y`: ..".
pub(super) fn cannot_to(doing: &str, from: &Path, to: &Path, error: &io::Error) -> io::Error {
    let (from, to) = (from.display(), to.display());
    io::Error::new(error.kind(), format!("cannot {doing} `{from}` to `{to}`: {error}"))
}
