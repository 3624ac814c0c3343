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

/// A server that accepts connections, and runs a handler for each in a task of its own; asyncio's `Server`.
///
/// [`start_server`](super::start_server) makes one. It serves from then on, and as long as the loop runs; nothing has to be awaited for that.
///
/// An error or a panic of a handler ends that connection and nothing else. It is reported, with the address of the peer, through
/// [`Builder::on_unhandled`](crate::Builder::on_unhandled). Handlers start with the context variables of whoever made the
/// server, each with a copy.
///
/// | to end it | listening | connections |
/// |---|---|---|
/// | [`close`](Self::close), or dropping it | ends at once | go on |
/// | [`shutdown`](Self::shutdown) | ends at once | are asked, have a grace, then are ended |
/// | dropping [`serve_forever`](Self::serve_forever) | ends at once | are ended, what was written is sent |
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
/// It stays on its thread, as its streams do:
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

    /// A server with options.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::new()
    }

    /// Waits until the server is closed and its last connection has ended.
    ///
    /// It serves without this too. What this adds: somebody waits, and to drop it, by a timeout or a cancel, say, is to end the
    /// server as asyncio does then. It stops listening, [closes the clients](Self::close_clients), and what is left of them after
    /// a second is cancelled; this happens in a [cleanup](crate::with_cleanup) of the current task. To give handlers more
    /// time, call [`shutdown`](Self::shutdown) while this is awaited elsewhere, or instead of it:
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
    /// As said above.
    ///
    /// # Errors
    ///
    /// If the server is closed already; if it is awaited here by somebody else; or why it could not accept any more.
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

    /// Stops listening, at once. Connections go on. Clients that have connected and were not accepted yet are served as well: they
    /// cannot know that nobody has noticed them. May be called again.
    ///
    /// [`serve_forever`](Self::serve_forever) and [`wait_closed`](Self::wait_closed) return when the last connection has ended.
    pub fn close(&self) {
        self.shared.close();
    }

    /// Waits until the server is closed and its last connection has ended, with what its handler had still to send.
    ///
    /// # Cancel safety
    ///
    /// It changes nothing.
    pub async fn wait_closed(&self) {
        self.shared.wait_closed().await;
    }

    /// Closes all connections as [`StreamWriter::close`](crate::io::StreamWriter::close) does: what was written is sent first,
    /// and readers see the end, so that handlers end. It waits for nothing; the server goes on listening.
    pub fn close_clients(&self) {
        self.shared.control_all(Control::close);
    }

    /// Closes all connections at once, as [`StreamWriter::abort`](crate::io::StreamWriter::abort) does: what was not sent is
    /// lost, and the peers see a reset. Readers see the end, so that handlers end. The server goes on listening.
    pub fn abort_clients(&self) {
        self.shared.control_all(Control::abort);
    }

    /// Ends the server in an orderly way that takes a bounded time. Returns whether all connections ended by themselves.
    ///
    /// It stops listening, asks the handlers to end ([`closing`](Self::closing)), and waits for them, but not longer than `grace`.
    /// Those that are left are [closed](Self::close_clients) and have one second; then they are [aborted](Self::abort_clients),
    /// their tasks cancelled, and their cleanups have one second more. May be called again; the shortest grace counts.
    ///
    /// A connection ends with its handler: streams that a handler has handed to another task are not waited for. And a handler that
    /// awaits this waits for itself: let another task do it.
    ///
    /// # Cancel safety
    ///
    /// Dropped half way, it has stopped listening, and does not end the connections that are left.
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

    /// Is cancelled when the server wants its connections to end: when the grace of [`shutdown`](Self::shutdown) begins, or
    /// [`serve_forever`](Self::serve_forever) is dropped. Handlers have it by [`server_closing`](super::server_closing).
    pub fn closing(&self) -> CancelToken {
        self.shared.closing.clone()
    }

    /// The addresses at which it listens; none once it is closed. Unix sockets are not among them. Asyncio's `sockets`.
    #[doc(alias = "sockets")]
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.shared.listening.borrow().iter().filter_map(Listening::local_addr).collect()
    }

    /// Whether it listens.
    pub fn is_serving(&self) -> bool {
        !self.shared.is_closed()
    }

    /// How many connections there are: those whose handlers run, those that have something left to be sent, and, after the
    /// close, those that were not accepted before it and wait for their handler.
    pub fn connections(&self) -> usize {
        self.shared.len()
    }
}

/// It stops listening; connections go on.
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

/// Somebody awaits `serve_forever`. Dropped, it ends the server; the cleanup waits for that.
struct Serving<'a> {
    shared: &'a Shared,
    cleanup: Option<Cleanup<Rc<Shared>>>,
}

impl<'a> Serving<'a> {
    fn new(shared: &'a Rc<Shared>) -> Self {
        let end = async |shared: Rc<Shared>| shared.end_connections().await;
        Self { shared, cleanup: Some(with_cleanup(Rc::clone(shared), end)) }
    }

    /// There is nothing to be ended any more.
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
