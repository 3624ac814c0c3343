//! `start_server`.

use std::io;

use super::Server;
use crate::io::{StreamReader, StreamWriter};
use crate::net::ToSocketAddrs;
use crate::task::{Outcome, Reportable};

/// Listens on `addr` and runs `handler` for each connection in a task of its own; asyncio's
/// `start_server`.
///
/// The server listens on all addresses of the name; IPv6 listeners accept IPv6 connections only.
/// Without a host, as in `":8888"`, it listens on all interfaces. Port 0 means a free port for each
/// address; see [`Server::local_addrs`]. For options, use [`Server::builder`].
///
/// Dropping the server stops it listening. As in asyncio, connections have `TCP_NODELAY` on.
///
/// # Cancel safety
///
/// If dropped before it is ready, it listens nowhere.
///
/// # Errors
///
/// `AddrInUse` or `PermissionDenied`, with the address in the message; `AddrNotAvailable` if none
/// of the addresses can be used here; or the error of a failed name look-up. Also fails if no loop
/// runs here.
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
