//! `TcpListener`.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use mio::net::{TcpListener as ListenerSocket, TcpStream as StreamSocket};

use super::{TcpSocket, TcpStream};
use crate::net::ToSocketAddrs;
use crate::net::accept::{Incoming, Listener, accept};
use crate::net::options::at_first;
use crate::runtime::{Interests, Registration};

/// A socket that waits for connections.
///
/// It belongs to the loop on which it was made; see [`TcpStream`]. Several tasks may accept from one listener.
///
/// # Examples
///
/// ```no_run
/// use oneloop::net::TcpListener;
///
/// async fn serve() -> std::io::Result<()> {
///     let listener = TcpListener::bind("127.0.0.1:8888").await?;
///     loop {
///         let (stream, _addr) = listener.accept().await?;
///         oneloop::create_task(async move { stream.write_all(b"hello\n").await }).detach();
///     }
/// }
///
/// oneloop::run(serve())?;
/// # std::io::Result::Ok(())
/// ```
#[doc(alias = "create_server")]
pub struct TcpListener {
    registration: Registration<ListenerSocket>,
}

const WHAT: &str = "TcpListener";

impl TcpListener {
    /// Listens at `addr`; at the first one that works, if it names several. Port 0 takes a free one, see
    /// [`local_addr`](Self::local_addr).
    ///
    /// `SO_REUSEADDR` is on, so a server can be started again at once; and `TCP_NODELAY`, as in asyncio, so accepted streams send
    /// small writes at once. For other options, [`builder`](Self::builder).
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it leaves no socket behind. It waits only for the look-up of a name.
    ///
    /// # Errors
    ///
    /// `AddrInUse`, `AddrNotAvailable`, `PermissionDenied`, or what the look-up of the name gave; with the address in the
    /// message.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::net::TcpListener;
    ///
    /// oneloop::run(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     assert_ne!(listener.local_addr()?.port(), 0);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
        Self::builder().bind(addr).await
    }

    /// A listener with options.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::net::TcpListener;
    ///
    /// oneloop::run(async {
    ///     let first = TcpListener::builder().reuse_port(true).bind("127.0.0.1:0").await?;
    ///     let addr = first.local_addr()?;
    ///     let second = TcpListener::builder().reuse_port(true).backlog(16).bind(addr).await?;
    ///     assert_eq!(second.local_addr()?, addr);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn builder() -> TcpListenerBuilder {
        TcpListenerBuilder { backlog: 1024, nodelay: true, reuse_address: true, reuse_port: false }
    }

    /// Waits for a connection.
    ///
    /// Where the process, or the system, has no descriptors left, it waits (10 ms, then longer, 1 s at most) and tries again:
    /// the connection stays in the backlog, and the first wait writes a line to the log. A connection that its
    /// peer gave up meanwhile, or whose network failed, is passed over, as accept(2) asks.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has accepted nothing.
    ///
    /// # Errors
    ///
    /// Errors of the kernel that cannot pass, because the socket does not listen any more; and on another thread than the loop's.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::net::{TcpListener, TcpStream};
    ///
    /// oneloop::run(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let client = TcpStream::connect(listener.local_addr()?).await?;
    ///     let (stream, peer) = listener.accept().await?;
    ///     assert_eq!(peer, client.local_addr()?);
    ///     stream.write_all(b"welcome").await?;
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "sock_accept")]
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        accept(self).await
    }

    /// The connections, one after the other, without end.
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming::new(self)
    }

    /// The address at which it listens.
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.registration.io().local_addr()
    }

    /// Registers a listener of the standard library with this thread's loop, in non-blocking mode.
    ///
    /// # Errors
    ///
    /// If no loop runs here, or the kernel refuses.
    pub fn from_std(listener: StdListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Self::register(ListenerSocket::from_std(listener))
    }

    pub(super) fn register(listener: ListenerSocket) -> io::Result<Self> {
        Ok(Self { registration: Registration::new(listener, Interests::Read, WHAT)? })
    }

    /// Takes the listener off its loop, in blocking mode, as the standard library makes them.
    ///
    /// # Errors
    ///
    /// On another thread than the loop's, or after its end; the listener is closed then.
    pub fn into_std(self) -> io::Result<StdListener> {
        let listener = self.registration.into_inner()?;
        let listener = StdListener::from(OwnedFd::from(listener));
        listener.set_nonblocking(false)?;
        Ok(listener)
    }
}

/// Options of a [`TcpListener`].
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until `bind`"]
pub struct TcpListenerBuilder {
    backlog: u32,
    nodelay: bool,
    reuse_address: bool,
    reuse_port: bool,
}

impl TcpListenerBuilder {
    /// How many connections may wait to be accepted; 1024 unless said otherwise. The kernel has a limit of its own.
    pub fn backlog(mut self, backlog: u32) -> Self {
        self.backlog = backlog;
        self
    }

    /// Whether accepted streams send small writes at once (`TCP_NODELAY`); on unless said otherwise, as in asyncio.
    pub fn nodelay(mut self, nodelay: bool) -> Self {
        self.nodelay = nodelay;
        self
    }

    /// Whether the address may be taken although old connections of a former listener linger (`SO_REUSEADDR`); on unless
    /// said otherwise.
    pub fn reuse_address(mut self, reuse: bool) -> Self {
        self.reuse_address = reuse;
        self
    }

    /// Whether several listeners may share the address, each of which has said so (`SO_REUSEPORT`). The kernel spreads connections
    /// over them.
    pub fn reuse_port(mut self, reuse: bool) -> Self {
        self.reuse_port = reuse;
        self
    }

    /// Listens at `addr`.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it leaves no socket behind. It waits only for the look-up of a name.
    ///
    /// # Errors
    ///
    /// As [`TcpListener::bind`].
    pub async fn bind(self, addr: impl ToSocketAddrs) -> io::Result<TcpListener> {
        let target = addr.target();
        let addrs = target.resolve().await?;
        at_first(addrs, "listen at", |addr| self.bind_to(addr))
    }

    fn bind_to(&self, addr: SocketAddr) -> io::Result<TcpListener> {
        let socket = TcpSocket::for_addr(addr)?;
        socket.set_reuse_address(self.reuse_address)?;
        if self.reuse_port {
            socket.set_reuse_port(true)?;
        }
        if self.nodelay {
            // Accepted streams take it over.
            socket.set_nodelay(true)?;
        }
        socket.bind_to(addr)?;
        socket.listen(self.backlog)
    }
}

impl Listener for TcpListener {
    type Socket = ListenerSocket;
    type Accepted = StreamSocket;
    type Stream = TcpStream;

    fn registration(&self) -> &Registration<ListenerSocket> {
        &self.registration
    }

    fn place(&self) -> String {
        self.local_addr().map_or_else(|_| "a TCP socket".to_owned(), |addr| addr.to_string())
    }

    fn take(io: &ListenerSocket) -> io::Result<(StreamSocket, SocketAddr)> {
        io.accept()
    }

    fn register(accepted: StreamSocket) -> io::Result<TcpStream> {
        TcpStream::register(accepted)
    }
}

impl AsFd for TcpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.registration.io().as_fd()
    }
}

impl AsRawFd for TcpListener {
    fn as_raw_fd(&self) -> RawFd {
        self.registration.io().as_raw_fd()
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.registration.fmt(f)
    }
}
