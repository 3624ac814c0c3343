//! `open_connection`.

use std::io;
use std::panic::Location;

use super::streams::streams;
use super::{TcpStream, ToSocketAddrs};
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
