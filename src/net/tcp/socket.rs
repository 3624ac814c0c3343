//! `TcpSocket`: a TCP socket that neither connects nor listens yet.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use mio::net::TcpListener as ListenerSocket;
use nix::libc::{EINPROGRESS, EINTR};
use socket2::{Domain, Protocol, SockRef, Socket};

use super::{TcpListener, TcpStream};
use crate::net::options::{self, explain};

/// A TCP socket on which options are set before it [connects](Self::connect) or [listens](Self::listen).
///
/// Nothing is on but what is set here; also `TCP_NODELAY`, which streams of [`TcpStream::connect`] have, is off. It
/// belongs to no loop yet. Dropping it closes it.
///
/// To connect to a name with such options, [`Connector::configure`](crate::net::Connector::configure).
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
    socket: Socket,
}

impl TcpSocket {
    /// A socket for IPv4.
    ///
    /// # Errors
    ///
    /// If the process or the system has no descriptors left.
    pub fn new_v4() -> io::Result<Self> {
        Ok(Self { socket: options::open(Domain::IPV4, Protocol::TCP)? })
    }

    /// A socket for IPv6. Listening at all addresses, it may take connections of IPv4 as well, see
    /// [`set_only_v6`](Self::set_only_v6).
    ///
    /// # Errors
    ///
    /// If the process or the system has no descriptors left, or the system has no IPv6.
    pub fn new_v6() -> io::Result<Self> {
        Ok(Self { socket: options::open(Domain::IPV6, Protocol::TCP)? })
    }

    /// A socket of the family of `addr`. It is neither bound nor connected to it.
    ///
    /// # Errors
    ///
    /// As [`new_v4`](Self::new_v4) and [`new_v6`](Self::new_v6).
    pub fn for_addr(addr: SocketAddr) -> io::Result<Self> {
        if addr.is_ipv6() { Self::new_v6() } else { Self::new_v4() }
    }

    /// Takes over a socket that was made elsewhere and neither connects nor listens yet: a descriptor, or what other crates
    /// make. It is put in non-blocking mode.
    ///
    /// # Errors
    ///
    /// If it is no stream socket of IPv4 or IPv6.
    pub fn from_std(socket: impl Into<OwnedFd>) -> io::Result<Self> {
        let socket = Socket::from(socket.into());
        options::local_addr(&SockRef::from(&socket))?;
        if socket.r#type()? != socket2::Type::STREAM {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "this is no stream socket"));
        }
        socket.set_nonblocking(true)?;
        Ok(Self { socket })
    }

    /// Gives the socket to `addr`; port 0 takes a free one. Without it, the kernel chooses both.
    ///
    /// # Errors
    ///
    /// `AddrInUse`, `AddrNotAvailable`, `PermissionDenied`; with the address in the message.
    pub fn bind(&self, addr: SocketAddr) -> io::Result<()> {
        self.bind_to(addr).map_err(|error| explain(&error, format_args!("cannot bind to {addr}")))
    }

    /// As [`bind`](Self::bind), with the errors as the kernel gives them.
    pub(super) fn bind_to(&self, addr: SocketAddr) -> io::Result<()> {
        self.socket.bind(&addr.into())
    }

    /// Connects to `addr`, without a time limit but the kernel's: use [`timeout`](crate::timeout).
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it closes the socket.
    ///
    /// # Errors
    ///
    /// Those of the kernel, as `ConnectionRefused`, with the address in the message. If no loop runs here.
    pub async fn connect(self, addr: SocketAddr) -> io::Result<TcpStream> {
        let connected = self.connect_to(addr).await;
        connected.map_err(|error| explain(&error, format_args!("cannot connect to {addr}")))
    }

    /// As [`connect`](Self::connect), with the errors as the kernel gives them.
    pub(in crate::net) async fn connect_to(self, addr: SocketAddr) -> io::Result<TcpStream> {
        match self.socket.connect(&addr.into()) {
            Ok(()) => {}
            // It goes on by itself, also after a signal.
            Err(error) if matches!(error.raw_os_error(), Some(EINPROGRESS | EINTR)) => {}
            Err(error) => return Err(error),
        }
        TcpStream::connected(self.socket.into()).await
    }

    /// Waits for connections, of which `backlog` may wait to be accepted. The kernel has a limit of its own.
    ///
    /// Accepted streams have taken over `TCP_NODELAY`, keepalive, the sizes of buffers and the like.
    ///
    /// # Errors
    ///
    /// `AddrInUse`, and other ones of the kernel. If no loop runs here.
    pub fn listen(self, backlog: u32) -> io::Result<TcpListener> {
        self.socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        TcpListener::register(ListenerSocket::from_std(self.socket.into()))
    }

    /// The address that it is bound to; port 0 if it is not.
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        options::local_addr(&self.sock())
    }

    /// Takes the socket's pending error, if there is one.
    ///
    /// # Errors
    ///
    /// Those of the kernel, while asking.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket.take_error()
    }

    // Options.

    /// Whether the address may be taken although old connections linger there (`SO_REUSEADDR`).
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    #[doc(alias = "set_reuseaddr")]
    pub fn set_reuse_address(&self, reuse: bool) -> io::Result<()> {
        self.socket.set_reuse_address(reuse)
    }

    /// See [`set_reuse_address`](Self::set_reuse_address).
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn reuse_address(&self) -> io::Result<bool> {
        self.socket.reuse_address()
    }

    /// Whether several sockets may have the address, each of which has said so (`SO_REUSEPORT`). The kernel spreads
    /// connections over those that listen.
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    #[doc(alias = "set_reuseport")]
    pub fn set_reuse_port(&self, reuse: bool) -> io::Result<()> {
        self.socket.set_reuse_port(reuse)
    }

    /// See [`set_reuse_port`](Self::set_reuse_port).
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn reuse_port(&self) -> io::Result<bool> {
        self.socket.reuse_port()
    }

    /// Sends small writes at once instead of collecting them (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.socket.set_tcp_nodelay(nodelay)
    }

    /// See [`set_nodelay`](Self::set_nodelay).
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.socket.tcp_nodelay()
    }

    /// Whether the kernel asks an idle peer now and then if it is still there (`SO_KEEPALIVE`).
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn set_keepalive(&self, keepalive: bool) -> io::Result<()> {
        self.socket.set_keepalive(keepalive)
    }

    /// See [`set_keepalive`](Self::set_keepalive).
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn keepalive(&self) -> io::Result<bool> {
        self.socket.keepalive()
    }

    /// Turns keepalive on: a peer that was idle for `idle` is asked every `interval`, and after `retries` questions without
    /// an answer the connection fails. The kernel counts whole seconds: a fraction is rounded up.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a zero duration or 0 retries; and any error of the kernel, whose own limits are lower on some
    /// systems (32,767 s on Linux).
    pub fn set_keepalive_times(
        &self,
        idle: Duration,
        interval: Duration,
        retries: u32,
    ) -> io::Result<()> {
        options::set_keepalive_times(&self.sock(), idle, interval, retries)
    }

    /// What closing does with data that was not sent; see [`TcpStream::set_linger`].
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        options::set_linger(&self.sock(), linger)
    }

    /// See [`set_linger`](Self::set_linger).
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        self.socket.linger()
    }

    /// How many bytes the kernel may hold to be sent (`SO_SNDBUF`). Linux doubles it, and has a limit; without it, the size
    /// adapts itself.
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn set_send_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.socket.set_send_buffer_size(bytes)
    }

    /// See [`set_send_buffer_size`](Self::set_send_buffer_size).
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn send_buffer_size(&self) -> io::Result<usize> {
        self.socket.send_buffer_size()
    }

    /// How many bytes the kernel may hold to be read (`SO_RCVBUF`). Linux doubles it, and has a limit; without it, the size
    /// adapts itself. It has to be set before connecting, as the window that TCP offers depends on it.
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn set_recv_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.socket.set_recv_buffer_size(bytes)
    }

    /// See [`set_recv_buffer_size`](Self::set_recv_buffer_size).
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn recv_buffer_size(&self) -> io::Result<usize> {
        self.socket.recv_buffer_size()
    }

    /// The type of service of packets (`IP_TOS`), or their traffic class (`IPV6_TCLASS`): eight bits, of which the upper six
    /// are the DSCP.
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    #[doc(alias = "set_tclass_v6")]
    pub fn set_tos(&self, tos: u32) -> io::Result<()> {
        options::set_tos(&self.sock(), tos)
    }

    /// See [`set_tos`](Self::set_tos).
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn tos(&self) -> io::Result<u32> {
        options::tos(&self.sock())
    }

    /// How many hops packets may take.
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    #[doc(alias = "set_unicast_hops_v6")]
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        options::set_ttl(&self.sock(), ttl)
    }

    /// See [`set_ttl`](Self::set_ttl).
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn ttl(&self) -> io::Result<u32> {
        options::ttl(&self.sock())
    }

    /// Whether a socket of IPv6 leaves IPv4 alone (`IPV6_V6ONLY`), so that another one may have the same port there.
    ///
    /// # Errors
    ///
    /// Those of the kernel, as on a socket of IPv4.
    pub fn set_only_v6(&self, only: bool) -> io::Result<()> {
        self.socket.set_only_v6(only)
    }

    /// See [`set_only_v6`](Self::set_only_v6).
    ///
    /// # Errors
    ///
    /// Those of the kernel, as on a socket of IPv4.
    pub fn only_v6(&self) -> io::Result<bool> {
        self.socket.only_v6()
    }

    /// Sends and receives through this network interface only, such as `eth0` (`SO_BINDTODEVICE`); `None`: through any.
    ///
    /// # Errors
    ///
    /// If there is no such interface, or the process must not (`PermissionDenied`); with its name in the message.
    #[cfg(any(target_os = "android", target_os = "linux"))]
    pub fn bind_device(&self, interface: Option<&str>) -> io::Result<()> {
        options::bind_device(&self.sock(), interface)
    }

    fn sock(&self) -> SockRef<'_> {
        SockRef::from(&self.socket)
    }
}

impl AsFd for TcpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for TcpSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// The socket as it is, in non-blocking mode.
impl From<TcpSocket> for OwnedFd {
    fn from(socket: TcpSocket) -> Self {
        socket.socket.into()
    }
}

impl fmt::Debug for TcpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpSocket")
            .field("addr", &self.local_addr().ok())
            .field("fd", &self.as_raw_fd())
            .finish()
    }
}
