//! `ServerBuilder`.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener as StdListener};
use std::panic::Location;
use std::path::Path;
use std::rc::Rc;

use nix::libc::{EAFNOSUPPORT, EPFNOSUPPORT, EPROTONOSUPPORT};
use socket2::{Domain, Protocol, Socket, Type};

use super::Server;
use super::listening::Listening;
use super::serving::{End, Options, Shared, serve};
use crate::io::{StreamReader, StreamWriter};
use crate::net::{TcpListener, ToSocketAddrs, UnixListener};
use crate::runtime::{self, Place};
use crate::task::{Outcome, Reportable};

/// Options of a [`Server`].
///
/// # Examples
///
/// ```
/// use oneloop::Server;
/// use oneloop::io::{StreamReader, StreamWriter};
///
/// async fn handle(mut reader: StreamReader, mut writer: StreamWriter) -> std::io::Result<()> {
///     let question = reader.readline().await?;
///     writer.write(question);
///     Ok(())
/// }
///
/// oneloop::run(async {
///     let server = Server::builder().read_limit(1024).max_connections(100).keepalive(true);
///     let server = server.start(handle, "127.0.0.1:0").await?;
///     assert!(server.is_serving());
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
#[must_use = "a builder does nothing until `start` or `serve`"]
pub struct ServerBuilder {
    backlog: u32,
    reuse_port: bool,
    nodelay: bool,
    keepalive: bool,
    read_limit: Option<usize>,
    max_connections: usize,
    listening: Vec<Listening>,
}

impl ServerBuilder {
    pub(super) fn new() -> Self {
        Self {
            backlog: 1024,
            reuse_port: false,
            nodelay: true,
            keepalive: false,
            read_limit: None,
            max_connections: usize::MAX,
            listening: Vec::new(),
        }
    }

    /// How many connections may wait to be accepted; 1024 unless said otherwise. The kernel has a limit of its own. Not for
    /// listeners that are given.
    pub fn backlog(mut self, backlog: u32) -> Self {
        self.backlog = backlog;
        self
    }

    /// Whether several servers may share the address, each of which has said so (`SO_REUSEPORT`). The kernel spreads connections
    /// over them. Not for listeners that are given.
    pub fn reuse_port(mut self, reuse: bool) -> Self {
        self.reuse_port = reuse;
        self
    }

    /// Whether connections send small writes at once (`TCP_NODELAY`); on unless said otherwise.
    pub fn nodelay(mut self, nodelay: bool) -> Self {
        self.nodelay = nodelay;
        self
    }

    /// Whether the kernel asks idle peers now and then if they are still there (`SO_KEEPALIVE`); off unless said otherwise.
    pub fn keepalive(mut self, keepalive: bool) -> Self {
        self.keepalive = keepalive;
        self
    }

    /// The limit of the readers, in bytes, as by [`StreamReader::with_limit`]; 64 KiB unless said otherwise. Asyncio's `limit`.
    pub fn read_limit(mut self, limit: usize) -> Self {
        self.read_limit = Some(limit);
        self
    }

    /// How many connections there may be at once; no limit unless said otherwise. The others wait in the backlog until one ends.
    ///
    /// # Panics
    ///
    /// If `max` is 0.
    #[track_caller]
    pub fn max_connections(mut self, max: usize) -> Self {
        assert!(max > 0, "with a limit of 0 no connection would ever be served: pass 1 or more");
        self.max_connections = max;
        self
    }

    /// Serves at `listener` too, whose options are its own; those of connections are set as this builder says.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::Server;
    /// use oneloop::net::TcpListener;
    ///
    /// oneloop::run(async {
    ///     let listener = TcpListener::builder().reuse_port(true).bind("127.0.0.1:0").await?;
    ///     let addr = listener.local_addr()?;
    ///     let server = Server::builder().listener(listener).serve(async |_reader, _writer| ())?;
    ///     assert_eq!(server.local_addrs(), [addr]);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn listener(mut self, listener: TcpListener) -> Self {
        self.listening.push(listener.into());
        self
    }

    /// Serves at a Unix socket too.
    pub fn unix_listener(mut self, listener: UnixListener) -> Self {
        self.listening.push(listener.into());
        self
    }

    /// Listens at `addr`, and serves there and at the listeners that were given; see [`start_server`](super::start_server).
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it listens nowhere.
    ///
    /// # Errors
    ///
    /// As [`start_server`](super::start_server).
    #[track_caller]
    pub fn start<H, R, How>(
        mut self,
        handler: H,
        addr: impl ToSocketAddrs,
    ) -> impl Future<Output = io::Result<Server>>
    where
        H: AsyncFn(StreamReader, StreamWriter) -> R + 'static,
        R: Outcome<Error: Reportable<How>> + 'static,
        How: 'static,
    {
        let place = Location::caller();
        async move {
            let target = addr.target();
            let listeners = self.bind_all(target.resolve_to_listen().await?)?;
            self.listening.extend(listeners.into_iter().map(Listening::from));
            self.serve_for(handler, place)
        }
    }

    /// Listens at the Unix socket `path`, and serves there and at the listeners that were given; see
    /// [`start_unix_server`](super::start_unix_server).
    ///
    /// # Errors
    ///
    /// As [`start_unix_server`](super::start_unix_server).
    #[track_caller]
    pub fn start_unix<H, R, How>(mut self, handler: H, path: impl AsRef<Path>) -> io::Result<Server>
    where
        H: AsyncFn(StreamReader, StreamWriter) -> R + 'static,
        R: Outcome<Error: Reportable<How>> + 'static,
        How: 'static,
    {
        let listener = UnixListener::builder().backlog(self.backlog).bind(path)?;
        self.listening.push(listener.into());
        self.serve_for(handler, Location::caller())
    }

    /// Serves at the listeners that were given.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if there is none; those of the kernel.
    #[track_caller]
    pub fn serve<H, R, How>(self, handler: H) -> io::Result<Server>
    where
        H: AsyncFn(StreamReader, StreamWriter) -> R + 'static,
        R: Outcome<Error: Reportable<How>> + 'static,
        How: 'static,
    {
        self.serve_for(handler, Location::caller())
    }

    fn serve_for<H, R, How>(self, handler: H, place: Place) -> io::Result<Server>
    where
        H: AsyncFn(StreamReader, StreamWriter) -> R + 'static,
        R: Outcome<Error: Reportable<How>> + 'static,
        How: 'static,
    {
        if self.listening.is_empty() {
            let what = "a server needs a listener: give it one, or start it at an address";
            return Err(io::Error::new(ErrorKind::InvalidInput, what));
        }
        for socket in self.listening.iter().filter_map(Listening::tcp_socket) {
            // Accepted connections take both over.
            socket.set_tcp_nodelay(self.nodelay)?;
            socket.set_keepalive(self.keepalive)?;
        }
        let Self { read_limit, max_connections, listening, .. } = self;
        let name = format!("server at {}", listening[0]);
        let shared =
            Rc::new(Shared::new(listening, Options { place, read_limit, max_connections }));
        let task = serve(End(Rc::clone(&shared)), handler);
        drop(runtime::create_at(place, task, Some(name), false));
        Ok(Server::of(shared))
    }

    /// A listener at each of `addrs`. Where this machine has no such address, it does without, as long as one is left.
    fn bind_all(&self, addrs: Vec<SocketAddr>) -> io::Result<Vec<TcpListener>> {
        let mut listeners = Vec::new();
        let mut skipped = None;
        let mut bound = Vec::new();
        for addr in addrs {
            if bound.contains(&addr) {
                continue;
            }
            bound.push(addr);
            let result = self.bind(addr).and_then(TcpListener::from_std);
            let named = |error: &io::Error| {
                io::Error::new(error.kind(), format!("cannot listen at {addr}: {error}"))
            };
            match result {
                Ok(listener) => listeners.push(listener),
                Err(error) if is_missing(&error) => skipped = Some(named(&error)),
                Err(error) => return Err(named(&error)),
            }
        }
        match skipped {
            Some(error) if listeners.is_empty() => Err(error),
            _ => Ok(listeners),
        }
    }

    fn bind(&self, addr: SocketAddr) -> io::Result<StdListener> {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        if self.reuse_port {
            socket.set_reuse_port(true)?;
        }
        if addr.is_ipv6() {
            // Those of IPv4 have a listener of their own.
            socket.set_only_v6(true)?;
        }
        socket.bind(&addr.into())?;
        socket.listen(i32::try_from(self.backlog).unwrap_or(i32::MAX))?;
        Ok(socket.into())
    }
}

/// This machine does not have the address, or not its family.
fn is_missing(error: &io::Error) -> bool {
    error.kind() == ErrorKind::AddrNotAvailable
        || matches!(error.raw_os_error(), Some(EAFNOSUPPORT | EPFNOSUPPORT | EPROTONOSUPPORT))
}
