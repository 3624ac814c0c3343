//! `open_connection` and `open_unix_connection`.

use std::io;
use std::panic::Location;
use std::path::Path;

use super::streams::streams;
use super::{TcpStream, ToSocketAddrs, UnixStream};
use crate::io::{StreamReader, StreamWriter};

/// Connects to `addr` and returns the connection as a reader and a writer; asyncio's
/// `open_connection`.
///
/// It connects like [`TcpStream::connect`] and, like asyncio, enables `TCP_NODELAY`. To read lines
/// longer than 64 KiB, use [`StreamReader::with_limit`].
///
/// # Cancel safety
///
/// If dropped before it is ready, it closes the socket.
///
/// # Errors
///
/// The errors of [`TcpStream::connect`].
///
/// # Examples
///
/// ```
/// oneloop::run(async {
///     let greet = async |_reader, mut writer: oneloop::io::StreamWriter| writer.write("hello");
///     let server = oneloop::start_server(greet, "127.0.0.1:0").await?;
///
///     let (mut reader, _writer) = oneloop::open_connection(server.local_addrs()[0]).await?;
///     assert_eq!(reader.read_to_end().await?, b"hello");
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn open_connection(
    addr: impl ToSocketAddrs,
) -> impl Future<Output = io::Result<(StreamReader, StreamWriter)>> {
    let place = Location::caller();
    async move {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(streams(stream, place).0)
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
