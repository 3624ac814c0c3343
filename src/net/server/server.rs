//! `Server`.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use super::ServerBuilder;
use super::listening::Listening;
use super::serving::Shared;
use crate::net::streams::Control;
use crate::task::{CancelToken, Cleanup, with_cleanup};
use crate::time::timeout;

/// A server that accepts connections and runs a handler for each in a task of its own; asyncio's
/// `Server`.
///
/// [`start_server`](super::start_server) creates one. The server runs from then on, for as long as
/// the loop runs, without having to be awaited.
///
/// An error or a panic of a handler ends only that connection. It is reported, with the peer's
/// address, through [`Builder::on_unhandled`](crate::Builder::on_unhandled). Each handler starts
/// with its own copy of the context variables that were current when the server was created.
///
/// | ended by | listening | connections |
/// |---|---|---|
/// | [`close`](Self::close), or dropping it | ends at once | go on |
/// | [`shutdown`](Self::shutdown) | ends at once | are asked to end, get a grace period, then are ended |
/// | dropping [`serve_forever`](Self::serve_forever) | ends at once | are ended after written data is sent |
/// | the end of [`run`](crate::run) | ends at once | their tasks are cancelled |
///
/// # Examples
///
/// ```
/// use oneloop::io::{StreamReader, StreamWriter};
/// use std::time::Duration;
///
/// async fn echo(mut reader: StreamReader, mut writer: StreamWriter) -> std::io::Result<()> {
///     loop {
///         match reader.readline().await? {
///             b"" => return Ok(()),
///             line => writer.write(line),
///         }
///         writer.drain().await?;
///     }
/// }
///
/// oneloop::run(async {
///     let server = oneloop::start_server(echo, "127.0.0.1:0").await?;
///
///     let (mut reader, mut writer) = oneloop::open_connection(server.local_addrs()[0]).await?;
///     writer.write("hello\n");
///     assert_eq!(reader.readline().await?, b"hello\n");
///     drop(writer);
///
///     let in_time = server.shutdown(Duration::from_secs(5)).await;
///     assert!(in_time);
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
///
/// A server stays on its thread, as its streams do:
///
/// ```compile_fail,E0277
/// # async fn with(server: oneloop::Server) {
/// std::thread::spawn(move || drop(server));
/// # }
/// ```
#[must_use = "the server stops listening when it is dropped: keep it, or await `serve_forever`"]
pub struct Server {
    shared: Rc<Shared>,
}

impl Server {
    pub(super) fn of(shared: Rc<Shared>) -> Self {
        Self { shared }
    }

    /// Returns a builder for a server with options.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::new()
    }

    /// Waits until the server is closed and its last connection has ended.
    ///
    /// The server runs without this too. Awaiting it ties the server to the waiting task: dropping
    /// the future, for example by a timeout or a cancellation, ends the server, as in asyncio. It
    /// stops listening and [closes the clients](Self::close_clients), and after one second it
    /// cancels the remaining handlers. This happens in a [cleanup](crate::with_cleanup) of the
    /// current task. To give handlers more time, call [`shutdown`](Self::shutdown) while this is
    /// awaited elsewhere, or instead of it:
    ///
    /// ```no_run
    /// # use oneloop::io::{StreamReader, StreamWriter};
    /// # use std::time::Duration;
    /// # async fn handle(_: StreamReader, _: StreamWriter) {}
    /// # async fn example() -> std::io::Result<()> {
    /// let server = oneloop::start_server(handle, "127.0.0.1:8888").await?;
    /// oneloop::signal::ctrl_c().await?;
    /// server.shutdown(Duration::from_secs(5)).await;
    /// # Ok(()) }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Dropping it ends the server, as described above.
    ///
    /// # Errors
    ///
    /// Fails if the server is already closed, or if another task already awaits this. Returns the
    /// error that stopped the server from accepting, if there was one.
    pub async fn serve_forever(&self) -> io::Result<()> {
        if self.shared.is_closed() {
            let what = "the server is closed: start another one";
            return Err(self.shared.take_failure().unwrap_or_else(|| io::Error::other(what)));
        }
        if self.shared.is_awaited.replace(true) {
            let what = "somebody awaits `serve_forever` of this server already: use `wait_closed`";
            return Err(io::Error::other(what));
        }
        let serving = Serving::new(&self.shared);
        self.shared.wait_closed().await;
        serving.end();
        self.shared.take_failure().map_or(Ok(()), Err)
    }

    /// Stops listening at once. Connections go on. Clients that have connected but were not yet
    /// accepted are served as well, since they cannot know that they were not accepted. May be
    /// called again.
    ///
    /// [`serve_forever`](Self::serve_forever) and [`wait_closed`](Self::wait_closed) return when
    /// the last connection has ended.
    pub fn close(&self) {
        self.shared.close();
    }

    /// Waits until the server is closed and its last connection has ended, including its handler's
    /// unsent data.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing.
    pub async fn wait_closed(&self) {
        self.shared.wait_closed().await;
    }

    /// Closes all connections like [`StreamWriter::close`](crate::io::StreamWriter::close): written
    /// data is sent first, and readers see the end, so that handlers end. This does not wait, and
    /// the server goes on listening.
    pub fn close_clients(&self) {
        self.shared.control_all(Control::close);
    }

    /// Closes all connections at once, like
    /// [`StreamWriter::abort`](crate::io::StreamWriter::abort): unsent data is lost, and the peers
    /// see a reset. Readers see the end, so that handlers end. The server goes on listening.
    pub fn abort_clients(&self) {
        self.shared.control_all(Control::abort);
    }

    /// Shuts the server down in an orderly way and in bounded time. Returns whether all connections
    /// ended by themselves.
    ///
    /// The server stops listening, asks the handlers to end ([`closing`](Self::closing)), and waits
    /// for them for at most `grace`. Connections that remain are [closed](Self::close_clients) and
    /// get one second. After that they are [aborted](Self::abort_clients) and their tasks are
    /// cancelled, and the cleanups get one more second. May be called again; the shortest grace
    /// period counts.
    ///
    /// A connection ends with its handler: streams that a handler has passed to another task are
    /// not waited for. A handler that awaits this waits for itself, so call it from another task.
    ///
    /// # Cancel safety
    ///
    /// If dropped half way, the server has stopped listening, but the remaining connections are not
    /// ended.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::io::{StreamReader, StreamWriter};
    /// use std::time::Duration;
    ///
    /// async fn greet(_reader: StreamReader, mut writer: StreamWriter) {
    ///     writer.write("hello\n");
    /// }
    ///
    /// oneloop::run(async {
    ///     let server = oneloop::start_server(greet, "127.0.0.1:0").await?;
    ///     let (mut reader, _writer) = oneloop::open_connection(server.local_addrs()[0]).await?;
    ///     assert_eq!(reader.readline().await?, b"hello\n");
    ///     assert!(server.shutdown(Duration::from_secs(5)).await, "no connection had to be cut off");
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn shutdown(&self, grace: Duration) -> bool {
        self.close();
        self.shared.closing.cancel();
        let in_time = timeout(grace, self.wait_closed()).await.is_ok();
        if !in_time {
            self.shared.end_connections().await;
        }
        in_time && !self.shared.has_ended_some.get()
    }

    /// Returns a token that is cancelled when the server wants its connections to end: when the
    /// grace period of [`shutdown`](Self::shutdown) begins, or when
    /// [`serve_forever`](Self::serve_forever) is dropped. Handlers obtain it from
    /// [`server_closing`](super::server_closing).
    pub fn closing(&self) -> CancelToken {
        self.shared.closing.clone()
    }

    /// Returns the addresses on which the server listens, or none once it is closed. Unix sockets
    /// are not included. Asyncio's `sockets`.
    #[doc(alias = "sockets")]
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.shared.listening.borrow().iter().filter_map(Listening::local_addr).collect()
    }

    /// Whether the server listens.
    pub fn is_serving(&self) -> bool {
        !self.shared.is_closed()
    }

    /// Returns the number of connections. These are connections whose handlers are running,
    /// connections with data left to send and, after the close, connections that were waiting in a
    /// backlog and have no handler yet.
    pub fn connections(&self) -> usize {
        self.shared.len()
    }
}

/// Stops listening; connections go on.
impl Drop for Server {
    fn drop(&mut self) {
        if !self.shared.is_inherited() {
            self.close();
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("listening", &self.shared.listening.borrow())
            .field("connections", &self.connections())
            .finish_non_exhaustive()
    }
}

/// A task awaits `serve_forever`. Dropping this ends the server, and the cleanup waits for the end.
struct Serving<'a> {
    shared: &'a Shared,
    cleanup: Option<Cleanup<Rc<Shared>>>,
}

impl<'a> Serving<'a> {
    fn new(shared: &'a Rc<Shared>) -> Self {
        let end = async |shared: Rc<Shared>| shared.end_connections().await;
        Self { shared, cleanup: Some(with_cleanup(Rc::clone(shared), end)) }
    }

    /// Disarms the cleanup, because the server has already ended.
    fn end(mut self) {
        drop(self.cleanup.take().map(Cleanup::disarm));
    }
}

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        self.shared.is_awaited.set(false);
        if self.cleanup.is_some() && !self.shared.is_inherited() {
            self.shared.close();
            self.shared.closing.cancel();
            self.shared.control_all(Control::close);
        }
    }
}
