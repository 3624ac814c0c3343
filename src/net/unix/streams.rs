//! Unix streams as a `StreamReader` and a `StreamWriter`.

use std::io;
use std::panic::Location;
use std::path::Path;

use super::UnixStream;
use crate::io::{StreamReader, StreamWriter};
use crate::net::streams::streams;

impl UnixStream {
    /// Splits the connection into a buffered reader and writer, like the pair that asyncio's
    /// `open_unix_connection` returns.
    ///
    /// Closing the writer closes the connection; dropping it ends only its direction. See
    /// [`StreamWriter`].
    #[track_caller]
    pub fn into_streams(self) -> (StreamReader, StreamWriter) {
        streams(self, Location::caller()).0
    }
}

/// Connects to the Unix socket at `path` and returns the connection as a reader and a writer;
/// asyncio's `open_unix_connection`.
///
/// For an abstract name, use [`UnixStream::connect_addr`] and [`UnixStream::into_streams`].
///
/// # Cancel safety
///
/// If dropped before it is ready, it has connected to nothing.
///
/// # Errors
///
/// The errors of [`UnixStream::connect`].
#[track_caller]
#[doc(alias = "create_unix_connection")]
pub fn open_unix_connection(
    path: impl AsRef<Path>,
) -> impl Future<Output = io::Result<(StreamReader, StreamWriter)>> {
    let place = Location::caller();
    async move { Ok(streams(UnixStream::connect(path).await?, place).0) }
}
