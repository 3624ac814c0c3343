//! `TcpSocket`: a TCP socket that neither connects nor listens yet.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::TcpListener as ListenerSocket;
use socket2::{Domain, Protocol, SockRef, Socket};

use super::{TcpListener, TcpStream};
use crate::net::options::{self, explain};
use crate::sys::errors::is_connecting;

/// A TCP socket on which to set options before it [connects](Self::connect) or
/// [listens](Self::listen).
///
/// No option is on unless it is set here. In particular, `TCP_NODELAY`, which
/// [`TcpStream::connect`] turns on, is off. The socket belongs to no loop yet. Dropping it closes
/// it.
///
/// To set such options while connecting to a name, use
/// [`Connector::configure`](crate::net::Connector::configure).
///
/// # Examples
///
/// ```
/// use oneloop::net::TcpSocket;
///
/// oneloop::run(async {
///     let socket = TcpSocket::new_v4()?;
///     socket.set_reuse_address(true)?;
///     socket.set_recv_buffer_size(64 * 1024)?;
///     socket.bind("127.0.0.1:0".parse().unwrap())?;
///     let listener = socket.listen(16)?;
///
///     let socket = TcpSocket::new_v4()?;
///     socket.set_nodelay(true)?;
///     let stream = socket.connect(listener.local_addr()?).await?;
///     assert!(stream.nodelay()?);
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub struct TcpSocket {
    pub(in crate::net) socket: Socket,
}

impl TcpSocket {
    /// Creates an IPv4 socket.
    ///
    /// # Errors
    ///
    /// Fails if the process or the system has no descriptors left.
    pub fn new_v4() -> io::Result<Self> {
        Ok(Self { socket: options::open(Domain::IPV4, Protocol::TCP)? })
    }

    /// Creates an IPv6 socket. When it listens on all addresses, it may accept IPv4 connections as
    /// well; see [`set_only_v6`](Self::set_only_v6).
    ///
    /// # Errors
    ///
    /// Fails if the process or the system has no descriptors left, or the system has no IPv6.
    pub fn new_v6() -> io::Result<Self> {
        Ok(Self { socket: options::open(Domain::IPV6, Protocol::TCP)? })
    }

    /// Creates a socket of the family of `addr`. The socket is neither bound nor connected to it.
    ///
    /// # Errors
    ///
    /// The errors of [`new_v4`](Self::new_v4) and [`new_v6`](Self::new_v6).
    pub fn for_addr(addr: SocketAddr) -> io::Result<Self> {
        if addr.is_ipv6() { Self::new_v6() } else { Self::new_v4() }
    }

    /// Takes over a socket created elsewhere that neither connects nor listens yet: a `Socket` of
    /// the crate `socket2`, version 0.6, or anything that it can be made from, such as a descriptor
    /// on Unix. It is set to non-blocking mode.
    ///
    /// # Errors
    ///
    /// Fails if it is not an IPv4 or IPv6 stream socket.
    pub fn from_std(socket: impl Into<Socket>) -> io::Result<Self> {
        let socket = socket.into();
        options::local_addr(&SockRef::from(&socket))?;
        if socket.r#type()? != socket2::Type::STREAM {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "this is no stream socket"));
        }
        socket.set_nonblocking(true)?;
        Ok(Self { socket })
    }

    /// Binds the socket to `addr`; port 0 means a free port. Without this, the kernel chooses both
    /// address and port.
    ///
    /// # Errors
    ///
    /// `AddrInUse`, `AddrNotAvailable`, `PermissionDenied`; the message contains the address.
    pub fn bind(&self, addr: SocketAddr) -> io::Result<()> {
        self.bind_to(addr).map_err(|error| explain(&error, format_args!("cannot bind to {addr}")))
    }

    /// Like [`bind`](Self::bind), but returns the kernel's errors unchanged.
    pub(super) fn bind_to(&self, addr: SocketAddr) -> io::Result<()> {
        self.socket.bind(&addr.into())
    }

    /// Connects to `addr`. The only time limit is the kernel's; use [`timeout`](crate::timeout) for
    /// another.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it closes the socket.
    ///
    /// # Errors
    ///
    /// Any error of the kernel, such as `ConnectionRefused`; the message contains the address. Also
    /// fails if no loop runs here.
    pub async fn connect(self, addr: SocketAddr) -> io::Result<TcpStream> {
        let connected = self.connect_to(addr).await;
        connected.map_err(|error| explain(&error, format_args!("cannot connect to {addr}")))
    }

    /// Like [`connect`](Self::connect), but returns the kernel's errors unchanged.
    pub(in crate::net) async fn connect_to(self, addr: SocketAddr) -> io::Result<TcpStream> {
        match self.socket.connect(&addr.into()) {
            Ok(()) => {}
            // The connection attempt continues by itself, even after a signal.
            Err(error) if is_connecting(&error) => {}
            Err(error) => return Err(error),
        }
        TcpStream::connected(self.socket.into()).await
    }

    /// Listens for connections, of which `backlog` may wait to be accepted. The kernel has a limit
    /// of its own.
    ///
    /// Accepted streams inherit `TCP_NODELAY`, keepalive, buffer sizes and similar options.
    ///
    /// # Errors
    ///
    /// `AddrInUse`, and any other error of the kernel. Also fails if no loop runs here.
    pub fn listen(self, backlog: u32) -> io::Result<TcpListener> {
        self.socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        TcpListener::register(ListenerSocket::from_std(self.socket.into()))
    }

    /// Returns the address that the socket is bound to, with port 0 if it is not bound.
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        options::local_addr(&self.sock())
    }

    /// Takes the socket's pending error, if there is one.
    ///
    /// # Errors
    ///
    /// Any error of the kernel while asking.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket.take_error()
    }

    // Options.

    /// Whether the address may be bound while old connections linger there (`SO_REUSEADDR`).
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    #[doc(alias = "set_reuseaddr")]
    pub fn set_reuse_address(&self, reuse: bool) -> io::Result<()> {
        self.socket.set_reuse_address(reuse)
    }

    /// See [`set_reuse_address`](Self::set_reuse_address).
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn reuse_address(&self) -> io::Result<bool> {
        self.socket.reuse_address()
    }

    /// Whether several sockets may share the address (`SO_REUSEPORT`). Each of them must set this.
    /// The kernel distributes connections among those that listen.
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    #[doc(alias = "set_reuseport")]
    pub fn set_reuse_port(&self, reuse: bool) -> io::Result<()> {
        self.socket.set_reuse_port(reuse)
    }

    /// See [`set_reuse_port`](Self::set_reuse_port).
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn reuse_port(&self) -> io::Result<bool> {
        self.socket.reuse_port()
    }

    /// Whether small writes are sent at once instead of being collected (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.socket.set_tcp_nodelay(nodelay)
    }

    /// See [`set_nodelay`](Self::set_nodelay).
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.socket.tcp_nodelay()
    }

    /// Whether the kernel periodically probes an idle peer (`SO_KEEPALIVE`).
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn set_keepalive(&self, keepalive: bool) -> io::Result<()> {
        self.socket.set_keepalive(keepalive)
    }

    /// See [`set_keepalive`](Self::set_keepalive).
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn keepalive(&self) -> io::Result<bool> {
        self.socket.keepalive()
    }

    /// Turns keepalive on. A peer that has been idle for `idle` is probed every `interval`, and the
    /// connection fails after `retries` unanswered probes. The kernel counts whole seconds: a
    /// fraction is rounded up.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a zero duration or 0 retries; and any error of the kernel, whose own
    /// limits are lower on some systems (32,767 s on Linux).
    pub fn set_keepalive_times(
        &self,
        idle: Duration,
        interval: Duration,
        retries: u32,
    ) -> io::Result<()> {
        options::set_keepalive_times(&self.sock(), idle, interval, retries)
    }

    /// Sets what closing does with unsent data; see [`TcpStream::set_linger`].
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        options::set_linger(&self.sock(), linger)
    }

    /// See [`set_linger`](Self::set_linger).
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        self.socket.linger()
    }

    /// Sets how many unsent bytes the kernel may hold (`SO_SNDBUF`). Linux doubles the number and
    /// caps it. If it is not set, the size adapts by itself.
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn set_send_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.socket.set_send_buffer_size(bytes)
    }

    /// See [`set_send_buffer_size`](Self::set_send_buffer_size).
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn send_buffer_size(&self) -> io::Result<usize> {
        self.socket.send_buffer_size()
    }

    /// Sets how many unread bytes the kernel may hold (`SO_RCVBUF`). Linux doubles the number and
    /// caps it. If it is not set, the size adapts by itself. Set it before connecting, because the
    /// window that TCP offers depends on it.
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn set_recv_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.socket.set_recv_buffer_size(bytes)
    }

    /// See [`set_recv_buffer_size`](Self::set_recv_buffer_size).
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn recv_buffer_size(&self) -> io::Result<usize> {
        self.socket.recv_buffer_size()
    }

    /// Sets the packets' type of service (`IP_TOS`) or traffic class (`IPV6_TCLASS`): eight bits,
    /// of which the upper six are the DSCP.
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    #[doc(alias = "set_tclass_v6")]
    pub fn set_tos(&self, tos: u32) -> io::Result<()> {
        options::set_tos(&self.sock(), tos)
    }

    /// See [`set_tos`](Self::set_tos).
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn tos(&self) -> io::Result<u32> {
        options::tos(&self.sock())
    }

    /// Sets how many hops packets may take.
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    #[doc(alias = "set_unicast_hops_v6")]
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        options::set_ttl(&self.sock(), ttl)
    }

    /// See [`set_ttl`](Self::set_ttl).
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn ttl(&self) -> io::Result<u32> {
        options::ttl(&self.sock())
    }

    /// Whether an IPv6 socket leaves IPv4 alone (`IPV6_V6ONLY`), so that another socket may use the
    /// same port there.
    ///
    /// # Errors
    ///
    /// Any error of the kernel, for example on an IPv4 socket.
    pub fn set_only_v6(&self, only: bool) -> io::Result<()> {
        self.socket.set_only_v6(only)
    }

    /// See [`set_only_v6`](Self::set_only_v6).
    ///
    /// # Errors
    ///
    /// Any error of the kernel, for example on an IPv4 socket.
    pub fn only_v6(&self) -> io::Result<bool> {
        self.socket.only_v6()
    }

    pub(in crate::net) fn sock(&self) -> SockRef<'_> {
        SockRef::from(&self.socket)
    }
}

impl fmt::Debug for TcpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpSocket")
            .field("addr", &self.local_addr().ok())
            .field("socket", &self.socket)
            .finish()
    }
}
