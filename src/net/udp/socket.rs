//! `UdpSocket`: sending and receiving.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket as StdSocket};
use std::sync::atomic::{AtomicBool, Ordering};

use mio::net::UdpSocket as Socket;

use super::{Datagrams, UdpSocketBuilder};
use crate::net::ToSocketAddrs;
use crate::net::options::at_first;
use crate::runtime::{Direction, Interests, Moved, Registration};
use crate::sys::errors::has_no_peer;

/// A UDP socket.
///
/// Each `send` sends one datagram and each `recv` receives one. Datagrams may be lost, duplicated
/// or reordered, but never arrive in parts. Empty datagrams are real ones. asyncio has
/// `create_datagram_endpoint`, where nothing can be awaited; here, both directions are awaited.
///
/// All methods take `&self`: one task may receive while another sends. Two tasks may also wait in
/// the same direction; each datagram goes to one of them.
///
/// A datagram longer than the buffer is silently truncated, as in the standard library. It is never
/// an error, since any stranger could cause one at will. Where truncation matters, make the buffer
/// one byte longer than the longest acceptable datagram: one that fills it is too long. A
/// [`Batch`](super::Batch) does so by itself, and [`datagrams`](Self::datagrams) truncates nothing.
///
/// An error concerns one datagram, not the socket, which remains usable. On a connected socket, for
/// example, `ConnectionRefused` says that nothing listens where an earlier datagram went.
///
/// The socket belongs to the loop on which it was created, like a
/// [`TcpStream`](crate::net::TcpStream). Dropping it closes it.
///
/// # Examples
///
/// ```
/// use oneloop::net::UdpSocket;
///
/// oneloop::run(async {
///     let server = UdpSocket::bind("127.0.0.1:0").await?;
///     let client = UdpSocket::bind("127.0.0.1:0").await?;
///     client.send_to(b"hello", server.local_addr()?).await?;
///
///     let mut buf = [0; 1500];
///     let (len, from) = server.recv_from(&mut buf).await?;
///     assert_eq!(&buf[..len], b"hello");
///     assert_eq!(from, client.local_addr()?);
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[doc(alias = "create_datagram_endpoint")]
#[doc(alias = "DatagramTransport")]
#[doc(alias = "DatagramProtocol")]
pub struct UdpSocket {
    pub(in crate::net) registration: Registration<Socket>,
    /// The socket has a peer. Only the kernel remembers which.
    is_connected: AtomicBool,
}

const WHAT: &str = "UdpSocket";

impl UdpSocket {
    /// Creates a socket at `addr`; if it names several addresses, at the first one that works. Port
    /// 0 means a free port; see [`local_addr`](Self::local_addr).
    ///
    /// For options, and for clients that need no particular address, use
    /// [`builder`](Self::builder).
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it leaves no socket behind. It waits only for a name look-up.
    ///
    /// # Errors
    ///
    /// `AddrInUse`, `AddrNotAvailable`, `PermissionDenied`, or the error of a failed name look-up;
    /// the message contains the address. Also fails if no loop runs here.
    pub async fn bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
        Self::builder().bind(addr).await
    }

    /// Returns a builder for a socket with options.
    ///
    /// # Examples
    ///
    /// A client on any free port:
    ///
    /// ```
    /// use oneloop::net::UdpSocket;
    ///
    /// oneloop::run(async {
    ///     let server = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let client = UdpSocket::builder().recv_buffer_size(1 << 20).connect(server.local_addr()?).await?;
    ///     assert_eq!(client.peer_addr()?, server.local_addr()?);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn builder() -> UdpSocketBuilder {
        UdpSocketBuilder::new()
    }

    /// Sets a peer: [`send`](Self::send) sends to it, and only datagrams from it are received. If
    /// `addr` names several addresses, the first one that works is used. Nothing is sent, so
    /// success does not mean that the peer exists. May be called again to change the peer.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has changed nothing.
    ///
    /// # Errors
    ///
    /// Any error of the kernel, such as `NetworkUnreachable`, with the address in the message; or
    /// the error of a failed name look-up.
    pub async fn connect(&self, addr: impl ToSocketAddrs) -> io::Result<()> {
        let target = addr.target();
        let addrs = target.resolve().await?;
        at_first(addrs, "connect to", |addr| self.registration.io().connect(addr))?;
        self.is_connected.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Registers a socket of the standard library with this thread's loop, and sets it to
    /// non-blocking mode.
    ///
    /// # Errors
    ///
    /// Fails if no loop runs here, or the kernel refuses.
    pub fn from_std(socket: StdSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let is_connected = AtomicBool::new(socket.peer_addr().is_ok());
        let socket = Socket::from_std(socket);
        Ok(Self { registration: Registration::new(socket, Interests::Both, WHAT)?, is_connected })
    }

    /// Removes the socket from its loop and sets it to blocking mode, the standard library's
    /// default.
    ///
    /// # Errors
    ///
    /// Fails on another thread than the loop's, or after the loop has ended; the socket is then
    /// closed.
    pub fn into_std(self) -> io::Result<StdSocket> {
        let socket = StdSocket::from(self.registration.into_inner()?);
        socket.set_nonblocking(false)?;
        Ok(socket)
    }

    // Receiving.

    /// Receives a datagram, waiting for one if there is none. Returns its length and its sender. A
    /// length of 0 means an empty datagram.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has received nothing.
    ///
    /// # Errors
    ///
    /// Any error of the kernel, after which the socket remains usable. Also fails on another thread
    /// than the loop's.
    #[doc(alias = "sock_recvfrom")]
    pub async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.registration.when_ready(Direction::Read, |io| whole(io.recv_from(buf))).await
    }

    /// Like [`recv_from`](Self::recv_from), but for a [connected](Self::connect) socket, whose peer
    /// is known.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has received nothing.
    ///
    /// # Errors
    ///
    /// The errors of [`recv_from`](Self::recv_from); `ConnectionRefused` if nothing listens where
    /// an earlier datagram went.
    pub async fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.registration.when_ready(Direction::Read, |io| whole(io.recv(buf))).await
    }

    /// Like [`recv_from`](Self::recv_from), but the next receive returns the same datagram again.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing.
    ///
    /// # Errors
    ///
    /// The errors of [`recv_from`](Self::recv_from).
    pub async fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.registration.when_ready(Direction::Read, |io| whole(io.peek_from(buf))).await
    }

    /// Like [`recv`](Self::recv), but the next receive returns the same datagram again.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing.
    ///
    /// # Errors
    ///
    /// The errors of [`recv`](Self::recv).
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.registration.when_ready(Direction::Read, |io| whole(io.peek(buf))).await
    }

    /// Like [`recv_from`](Self::recv_from), but does not wait.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no datagram; otherwise the errors of
    /// [`recv_from`](Self::recv_from).
    pub fn try_recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.registration.try_io(Direction::Read, |io| whole(io.recv_from(buf)))
    }

    /// Like [`recv`](Self::recv), but does not wait.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no datagram; otherwise the errors of [`recv`](Self::recv).
    pub fn try_recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.registration.try_io(Direction::Read, |io| whole(io.recv(buf)))
    }

    /// Returns the datagrams, one after the other, without end and without truncation.
    pub fn datagrams(&self) -> Datagrams<'_> {
        Datagrams::new(self)
    }

    /// Waits until there may be a datagram or an error.
    ///
    /// False positives are possible: [`try_recv_from`](Self::try_recv_from) may still return
    /// `WouldBlock`.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing.
    ///
    /// # Errors
    ///
    /// Fails on another thread than the loop's.
    pub async fn readable(&self) -> io::Result<()> {
        self.registration.ready(Direction::Read).await
    }

    // Sending.

    /// Sends `buf` to `addr` as one datagram, waiting until the kernel has room for it. Returns the
    /// datagram's length, which is that of `buf`. If `addr` names several addresses, the first one
    /// of the socket's family is used.
    ///
    /// A numeric address costs nothing; a name is looked up on each call.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has sent nothing.
    ///
    /// # Errors
    ///
    /// `InvalidInput` on a socket that is connected to another peer. Any error of the kernel, for
    /// example for a datagram that is too long (65 507 bytes are the maximum over IPv4); the socket
    /// remains usable. Also fails on another thread than the loop's.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::net::UdpSocket;
    ///
    /// oneloop::run(async {
    ///     let (one, other) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
    ///     one.send_to(b"hello", other.local_addr()?).await?;
    ///     let mut buf = [0; 16];
    ///     let (len, sender) = other.recv_from(&mut buf).await?;
    ///     assert_eq!((&buf[..len], sender), (&b"hello"[..], one.local_addr()?));
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "sock_sendto")]
    pub async fn send_to(&self, buf: &[u8], addr: impl ToSocketAddrs) -> io::Result<usize> {
        let target = addr.target();
        let to = match target.known() {
            Some(addr) => addr,
            None => self.choose(&target.resolve().await?)?,
        };
        self.registration.when_ready(Direction::Write, |_| whole(self.send_once(buf, to))).await
    }

    /// Sends `buf` as one datagram to the peer of a [connected](Self::connect) socket, waiting
    /// until the kernel has room for it. Returns the datagram's length, which is that of `buf`.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has sent nothing.
    ///
    /// # Errors
    ///
    /// `NotConnected` if the socket has no peer. `ConnectionRefused` if nothing listens where an
    /// earlier datagram went; this datagram was not sent. Otherwise the errors of
    /// [`send_to`](Self::send_to).
    pub async fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.registration.when_ready(Direction::Write, |io| whole(send(io, buf))).await
    }

    /// Like [`send_to`](Self::send_to), but does not wait.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if the kernel has no room for it; otherwise the errors of
    /// [`send_to`](Self::send_to).
    pub fn try_send_to(&self, buf: &[u8], addr: SocketAddr) -> io::Result<usize> {
        self.registration.try_io(Direction::Write, |_| whole(self.send_once(buf, addr)))
    }

    /// Like [`send`](Self::send), but does not wait.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if the kernel has no room for it; otherwise the errors of [`send`](Self::send).
    pub fn try_send(&self, buf: &[u8]) -> io::Result<usize> {
        self.registration.try_io(Direction::Write, |io| whole(send(io, buf)))
    }

    /// Waits until the kernel may have room for a datagram.
    ///
    /// False positives are possible: [`try_send_to`](Self::try_send_to) may still return
    /// `WouldBlock`.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing.
    ///
    /// # Errors
    ///
    /// Fails on another thread than the loop's.
    pub async fn writable(&self) -> io::Result<()> {
        self.registration.ready(Direction::Write).await
    }

    // Addresses.

    /// Returns the local address.
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.registration.io().local_addr()
    }

    /// Returns the peer's address.
    ///
    /// # Errors
    ///
    /// `NotConnected` if the socket has no peer; any other error of the kernel.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.registration.io().peer_addr()
    }

    /// Returns the first address of the socket's family.
    fn choose(&self, addrs: &[SocketAddr]) -> io::Result<SocketAddr> {
        let local = self.local_addr()?;
        let is_reachable = |addr: &&SocketAddr| addr.is_ipv6() == local.is_ipv6();
        addrs.iter().find(is_reachable).copied().ok_or_else(|| {
            let message = format!(
                "cannot send from {local} to {addrs:?}: the one is of IPv4, the other of IPv6"
            );
            io::Error::new(ErrorKind::AddrNotAvailable, message)
        })
    }

    /// Sends without waiting. Kernels differ in how they treat an explicit address on a connected
    /// socket.
    pub(super) fn send_once(&self, buf: &[u8], to: SocketAddr) -> io::Result<usize> {
        if self.check_peer(to)? {
            return send(self.registration.io(), buf);
        }
        self.registration.io().send_to(buf, to)
    }

    /// Whether `to` is the peer. Fails if the socket is connected to another peer.
    pub(super) fn check_peer(&self, to: SocketAddr) -> io::Result<bool> {
        if !self.is_connected.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let peer = self.peer_addr()?;
        // Only IP and port are compared, because the kernel does not return every part of an IPv6
        // address.
        if (peer.ip(), peer.port()) == (to.ip(), to.port()) {
            return Ok(true);
        }
        Err(io::Error::new(
            ErrorKind::InvalidInput,
            format!(
                "this UdpSocket is connected to {peer} and sends nothing to {to}: use another one, which is not connected"
            ),
        ))
    }
}

/// Sends to the peer without waiting.
pub(super) fn send(io: &Socket, buf: &[u8]) -> io::Result<usize> {
    io.send(buf).map_err(|error| {
        if !has_no_peer(&error) {
            return error;
        }
        let what = "this UdpSocket has no peer to send to: call `connect` first, or `send_to`";
        io::Error::new(ErrorKind::NotConnected, what)
    })
}

/// Marks a result as not short: a datagram is never short, and says nothing about whether more are
/// waiting.
pub(super) fn whole<T>(result: io::Result<T>) -> io::Result<Moved<T>> {
    result.map(|value| Moved { value, is_short: false })
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.registration.fmt(f)
    }
}
