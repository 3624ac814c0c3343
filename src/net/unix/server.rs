//! Servers that listen on Unix sockets.

use std::io;
use std::panic::Location;
use std::path::Path;

use super::UnixListener;
use crate::io::{StreamReader, StreamWriter};
use crate::net::{Server, ServerBuilder};
use crate::task::{Outcome, Reportable};

/// Like [`start_server`](crate::net::start_server), but listens on the Unix socket `path`;
/// asyncio's `start_unix_server`.
///
/// [`UnixListener::bind`] describes how the socket's file is handled. For its options, or for an
/// abstract name, create the listener yourself and pass it to
/// [`ServerBuilder::unix_listener`](crate::net::ServerBuilder::unix_listener).
///
/// # Errors
///
/// The errors of [`UnixListener::bind`].
///
/// # Examples
///
/// ```
/// # let path = std::env::temp_dir().join(format!("oneloop-doc-server-{}", std::process::id()));
/// oneloop::run(async {
///     let greet = async |_reader, mut writer: oneloop::io::StreamWriter| writer.write("hello");
///     let _server = oneloop::start_unix_server(greet, &path)?;
///     let (mut reader, _writer) = oneloop::open_unix_connection(&path).await?;
///     assert_eq!(reader.read_to_string().await?, "hello");
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
#[doc(alias = "create_unix_server")]
pub fn start_unix_server<H, R, How>(handler: H, path: impl AsRef<Path>) -> io::Result<Server>
where
    H: AsyncFn(StreamReader, StreamWriter) -> R + 'static,
    R: Outcome<Error: Reportable<How>> + 'static,
    How: 'static,
{
    Server::builder().start_unix(handler, path)
}

impl ServerBuilder {
    /// Also serves connections of a Unix socket.
    pub fn unix_listener(self, listener: UnixListener) -> Self {
        self.listen_with(listener)
    }

    /// Listens on the Unix socket `path`, and serves its connections and the connections of the
    /// listeners passed before; see [`start_unix_server`](super::start_unix_server).
    ///
    /// # Errors
    ///
    /// The errors of [`start_unix_server`](super::start_unix_server).
    #[track_caller]
    pub fn start_unix<H, R, How>(self, handler: H, path: impl AsRef<Path>) -> io::Result<Server>
    where
        H: AsyncFn(StreamReader, StreamWriter) -> R + 'static,
        R: Outcome<Error: Reportable<How>> + 'static,
        How: 'static,
    {
        let listener = UnixListener::builder().backlog(self.backlog).bind(path)?;
        self.listen_with(listener).serve_for(handler, Location::caller())
    }
}
