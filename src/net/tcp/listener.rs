//! `TcpListener`.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::task::{Context, Poll};

use mio::net::{TcpListener as ListenerSocket, TcpStream as StreamSocket};
use socket2::SockRef;

use super::{TcpSocket, TcpStream};
use crate::net::ToSocketAddrs;
use crate::net::accept::{Incoming, IntoIncoming, Listener, SharedAccepting, accept};
use crate::net::options::at_first;
use crate::runtime::{Interests, Registration};

/// A socket that listens for connections.
///
/// A listener belongs to the loop on which it was created; see [`TcpStream`]. Several tasks may
/// accept from one listener.
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
    accepting: SharedAccepting,
}

const WHAT: &str = "TcpListener";

impl TcpListener {
    /// Listens on `addr`; if it names several addresses, on the first one that works. Port 0 means
    /// a free port; see [`local_addr`](Self::local_addr).
    ///
    /// `SO_REUSEADDR` is on, so a server can be restarted at once. Like in asyncio, `TCP_NODELAY`
    /// is on, so accepted streams send small writes at once. For other options, use
    /// [`builder`](Self::builder).
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it leaves no socket behind. It waits only for a name look-up.
    ///
    /// # Errors
    ///
    /// `AddrInUse`, `AddrNotAvailable`, `PermissionDenied`, or the error of a failed name look-up;
    /// the message contains the address.
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

    /// Returns a builder for a listener with options.
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
    /// If the process or the system has no descriptors left, this waits and tries again, after 10
    /// ms at first and then less often, at most 1 s apart. The connection stays in the backlog
    /// meanwhile, and the first such wait writes a line to the log. A connection that its peer has
    /// given up, or whose network failed, is skipped, as accept(2) asks.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has accepted nothing.
    ///
    /// # Errors
    ///
    /// Permanent errors of the kernel, because the socket no longer listens. Also fails on another
    /// thread than the loop's.
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

    /// [`accept`](Self::accept) for hand-written futures. The last task to poll is the one woken.
    ///
    /// # Errors
    ///
    /// The errors of [`accept`](Self::accept).
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        self.accepting.poll_next(self, cx)
    }

    /// Returns the connections, one after the other, without end.
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming::new(self)
    }

    /// Turns the listener into a stream of its connections, for code that takes an owned one.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures::StreamExt;
    /// use oneloop::net::{TcpListener, TcpStream};
    ///
    /// oneloop::run(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let addr = listener.local_addr()?;
    ///     let mut two = listener.into_incoming().take(2);
    ///     let _clients = oneloop::try_gather!(TcpStream::connect(addr), TcpStream::connect(addr)).await?;
    ///     while let Some(stream) = two.next().await {
    ///         stream?.write_all(b"welcome").await?;
    ///     }
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn into_incoming(self) -> IntoIncoming {
        IntoIncoming::new(self)
    }

    /// Returns the address on which it listens.
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.registration.io().local_addr()
    }

    /// Registers a listener of the standard library with this thread's loop, and sets it to
    /// non-blocking mode.
    ///
    /// # Errors
    ///
    /// Fails if no loop runs here, or the kernel refuses.
    pub fn from_std(listener: StdListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Self::register(ListenerSocket::from_std(listener))
    }

    pub(super) fn register(listener: ListenerSocket) -> io::Result<Self> {
        let registration = Registration::new(listener, Interests::Read, WHAT)?;
        Ok(Self { registration, accepting: SharedAccepting::default() })
    }

    /// Removes the listener from its loop and sets it to blocking mode, the standard library's
    /// default.
    ///
    /// # Errors
    ///
    /// Fails on another thread than the loop's, or after the loop has ended; the listener is then
    /// closed.
    pub fn into_std(self) -> io::Result<StdListener> {
        let listener = self.registration.into_inner()?;
        let listener = StdListener::from(listener);
        listener.set_nonblocking(false)?;
        Ok(listener)
    }
}

/// Options for a [`TcpListener`].
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until `bind`"]
pub struct TcpListenerBuilder {
    backlog: u32,
    nodelay: bool,
    reuse_address: bool,
    reuse_port: bool,
}

impl TcpListenerBuilder {
    /// Sets how many connections may wait to be accepted. The default is 1024. The kernel has a
    /// limit of its own.
    pub fn backlog(mut self, backlog: u32) -> Self {
        self.backlog = backlog;
        self
    }

    /// Whether accepted streams send small writes at once (`TCP_NODELAY`). On by default, as in
    /// asyncio.
    pub fn nodelay(mut self, nodelay: bool) -> Self {
        self.nodelay = nodelay;
        self
    }

    /// Whether the address may be bound while old connections of a former listener linger
    /// (`SO_REUSEADDR`). On by default.
    pub fn reuse_address(mut self, reuse: bool) -> Self {
        self.reuse_address = reuse;
        self
    }

    /// Whether several listeners may share the address (`SO_REUSEPORT`). Each of them must set
    /// this. The kernel distributes connections among them.
    pub fn reuse_port(mut self, reuse: bool) -> Self {
        self.reuse_port = reuse;
        self
    }

    /// Listens on `addr`.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it leaves no socket behind. It waits only for a name look-up.
    ///
    /// # Errors
    ///
    /// The errors of [`TcpListener::bind`].
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
            // Accepted streams inherit this option.
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

    fn tcp_socket(&self) -> Option<SockRef<'_>> {
        Some(SockRef::from(self))
    }

    fn take(io: &ListenerSocket) -> io::Result<(StreamSocket, SocketAddr)> {
        io.accept()
    }

    fn register(accepted: StreamSocket) -> io::Result<TcpStream> {
        TcpStream::register(accepted)
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.registration.fmt(f)
    }
}
