//! `start_server` and its kin.

use std::io;
use std::path::Path;

use super::Server;
use crate::io::{StreamReader, StreamWriter};
use crate::net::ToSocketAddrs;
use crate::task::{Outcome, Reportable};

/// Listens at `addr`, and calls `handler` for each connection, in a task of its own; asyncio's `start_server`.
///
/// It listens at all addresses that the name has, with IPv6 at those of IPv6 only. Without a host, as in `":8888"`, these are all
/// interfaces. Port 0 takes a free one for each address; see [`Server::local_addrs`]. For options, [`Server::builder`].
///
/// Dropping the server stops it listening. Connections have `TCP_NODELAY` on, as with asyncio.
///
/// # Cancel safety
///
/// Dropped before it is ready, it listens nowhere.
///
/// # Errors
///
/// `AddrInUse`, `PermissionDenied`, with the address in the message; `AddrNotAvailable` if no address can be used here; what the look-up
/// of the name gave; and if no loop runs here.
///
/// # Examples
///
/// ```
/// use std::cell::Cell;
/// use std::rc::Rc;
///
/// oneloop::run(async {
///     let visitors = Rc::new(Cell::new(0));
///     let count = visitors.clone();
///     let server = oneloop::start_server(
///         async move |_reader, mut writer| {
///             count.set(count.get() + 1);
///             writer.write(format!("you are number {}", count.get()));
///         },
///         "127.0.0.1:0",
///     )
///     .await?;
///
///     let (mut reader, _writer) = oneloop::open_connection(server.local_addrs()[0]).await?;
///     assert_eq!(reader.read_to_string().await?, "you are number 1");
///     assert_eq!(visitors.get(), 1);
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
#[doc(alias = "create_server")]
#[doc(alias = "serve_tcp")]
pub fn start_server<H, R, How>(
    handler: H,
    addr: impl ToSocketAddrs,
) -> impl Future<Output = io::Result<Server>>
where
    H: AsyncFn(StreamReader, StreamWriter) -> R + 'static,
    R: Outcome<Error: Reportable<How>> + 'static,
    How: 'static,
{
    Server::builder().start(handler, addr)
}

/// As [`start_server`], at the Unix socket `path`; asyncio's `start_unix_server`.
///
/// The file is treated as [`UnixListener::bind`](crate::net::UnixListener::bind) says. For its options, or an abstract name, make the
/// listener and use [`ServerBuilder::unix_listener`](super::ServerBuilder::unix_listener).
///
/// # Errors
///
/// As [`UnixListener::bind`](crate::net::UnixListener::bind).
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
