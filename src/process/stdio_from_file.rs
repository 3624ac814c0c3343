//! `Stdio` from a file of `fs`, in a program that has both.

use super::stdio::{Source, Stdio};
use crate::fs;

/// The child reads or writes from the position that the file's operations have reached. If one is
/// still under way, such as a write through [`AsyncWrite`](crate::io::AsyncWrite) that was not
/// flushed, starting the child returns an error; [`fs::File::into_std`] waits for it.
impl From<fs::File> for Stdio {
    fn from(file: fs::File) -> Self {
        file.into_std_now().map_or_else(|error| Self(Source::Failed(error)), Self::from)
    }
}
