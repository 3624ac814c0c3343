//! `ServerBuilder`.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener as StdListener};
use std::panic::Location;
use std::rc::Rc;

use socket2::{Domain, Protocol, Socket, Type};

use super::Server;
use super::listening::Listening;
use super::serving::{End, Options, Shared, serve};
use crate::io::{StreamReader, StreamWriter};
use crate::net::accept::Listener;
use crate::net::{TcpListener, ToSocketAddrs};
use crate::runtime::{self, Place};
use crate::sys::errors::lacks_family;
use crate::task::{Outcome, Reportable};

/// Options for a [`Server`].
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
    pub(in crate::net) backlog: u32,
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

    /// Sets how many connections may wait to be accepted. The default is 1024. The kernel has a
    /// limit of its own. Has no effect on listeners passed to the builder.
    pub fn backlog(mut self, backlog: u32) -> Self {
        self.backlog = backlog;
        self
    }

    /// Whether several servers may share the address (`SO_REUSEPORT`). Each of them must set this.
    /// The kernel distributes connections among them. Has no effect on listeners passed to the
    /// builder.
    pub fn reuse_port(mut self, reuse: bool) -> Self {
        self.reuse_port = reuse;
        self
    }

    /// Whether connections send small writes at once (`TCP_NODELAY`). On by default.
    pub fn nodelay(mut self, nodelay: bool) -> Self {
        self.nodelay = nodelay;
        self
    }

    /// Whether the kernel periodically probes idle peers (`SO_KEEPALIVE`). Off by default.
    pub fn keepalive(mut self, keepalive: bool) -> Self {
        self.keepalive = keepalive;
        self
    }

    /// Sets the readers' limit in bytes, as [`StreamReader::with_limit`] does. The default is 64
    /// KiB. Asyncio's `limit`.
    pub fn read_limit(mut self, limit: usize) -> Self {
        self.read_limit = Some(limit);
        self
    }

    /// Limits the number of concurrent connections. There is no limit by default. Further
    /// connections wait in the backlog until one ends.
    ///
    /// # Panics
    ///
    /// Panics if `max` is 0.
    #[track_caller]
    pub fn max_connections(mut self, max: usize) -> Self {
        assert!(max > 0, "with a limit of 0 no connection would ever be served: pass 1 or more");
        self.max_connections = max;
        self
    }

    /// Also serves connections of `listener`. The listener keeps its own options, while its
    /// connections get this builder's.
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
    pub fn listener(self, listener: TcpListener) -> Self {
        self.listen_with(listener)
    }

    /// Also serves connections of a listener of any kind.
    pub(in crate::net) fn listen_with(mut self, listener: impl Listener + 'static) -> Self {
        self.listening.push(Listening::new(listener));
        self
    }

    /// Listens on `addr`, and serves its connections and the connections of the listeners passed
    /// before; see [`start_server`](super::start_server).
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it listens nowhere.
    ///
    /// # Errors
    ///
    /// The errors of [`start_server`](super::start_server).
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
            self.listening.extend(listeners.into_iter().map(Listening::new));
            self.serve_for(handler, place)
        }
    }

    /// Serves the connections of the listeners passed before.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if there are no listeners; any error of the kernel.
    #[track_caller]
    pub fn serve<H, R, How>(self, handler: H) -> io::Result<Server>
    where
        H: AsyncFn(StreamReader, StreamWriter) -> R + 'static,
        R: Outcome<Error: Reportable<How>> + 'static,
        How: 'static,
    {
        self.serve_for(handler, Location::caller())
    }

    pub(in crate::net) fn serve_for<H, R, How>(self, handler: H, place: Place) -> io::Result<Server>
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
            // Accepted connections inherit both options.
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

    /// Creates a listener for each of `addrs`. Skips addresses that this machine does not have, as
    /// long as one listener remains.
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
            // IPv4 addresses have a listener of their own.
            socket.set_only_v6(true)?;
        }
        socket.bind(&addr.into())?;
        socket.listen(i32::try_from(self.backlog).unwrap_or(i32::MAX))?;
        Ok(socket.into())
    }
}

/// Whether this machine lacks the address or its family.
fn is_missing(error: &io::Error) -> bool {
    error.kind() == ErrorKind::AddrNotAvailable || lacks_family(error)
}
