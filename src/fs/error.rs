//! What an error of the operating system says here: also what was tried, and with which file.

use std::io;
use std::path::Path;

/// "cannot open `x`: No such file or directory", of the same kind.
pub(super) fn cannot(doing: &str, path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot {doing} `{}`: {error}", path.display()))
}

/// As [`cannot`], where there are two paths: "cannot rename `x` to `y`: ..".
pub(super) fn cannot_to(doing: &str, from: &Path, to: &Path, error: &io::Error) -> io::Error {
    let (from, to) = (from.display(), to.display());
    io::Error::new(error.kind(), format!("cannot {doing} `{from}` to `{to}`: {error}"))
}
