//! `UdpSocket`: sending and receiving.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket as StdSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use mio::net::UdpSocket as Socket;
use nix::libc::{EDESTADDRREQ, ENOTCONN};

use super::{Datagrams, UdpSocketBuilder};
use crate::net::ToSocketAddrs;
use crate::net::options::at_first;
use crate::runtime::{Direction, Interests, Moved, Registration};

/// A socket for datagrams of UDP.
///
/// Each `send` is one datagram and each `recv` takes one: they may be lost, come twice or in another order, but never in parts. Empty ones are real ones.
/// asyncio has `create_datagram_endpoint`, and nothing to await; here both directions are awaited.
///
/// All methods take `&self`: one task may receive while another sends. Two tasks may also wait in the same direction; each
/// datagram goes to one of them.
///
/// A datagram that is longer than the buffer is cut off without a word, as by the standard library; it never is an error, which a stranger could
/// cause at will. Where that matters, let the buffer have one byte more than the longest datagram that is welcome: one
/// that fills it is too long. A [`Batch`](super::Batch) does so by itself, and [`datagrams`](Self::datagrams) cuts nothing.
///
/// An error is one of a datagram, not of the socket, which can be used on: on a connected socket `ConnectionRefused` says that nobody
/// listens where an earlier datagram went.
///
/// The socket belongs to the loop on which it was made, as a [`TcpStream`](crate::net::TcpStream) does. Dropping it closes it.
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
    pub(super) registration: Registration<Socket>,
    /// It has a peer, which only the kernel remembers.
    is_connected: AtomicBool,
}

const WHAT: &str = "UdpSocket";

impl UdpSocket {
    /// A socket at `addr`; at the first one that works, if it names several. Port 0 takes a free one, see
    /// [`local_addr`](Self::local_addr).
    ///
    /// For options, and for a client that does not care where it is, [`builder`](Self::builder).
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it leaves no socket behind. It waits only for the look-up of a name.
    ///
    /// # Errors
    ///
    /// `AddrInUse`, `AddrNotAvailable`, `PermissionDenied`, or what the look-up of the name gave; with the address in the
    /// message. If no loop runs here.
    pub async fn bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
        Self::builder().bind(addr).await
    }

    /// A socket with options.
    ///
    /// # Examples
    ///
    /// A client, at any free port:
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

    /// Chooses a peer: [`send`](Self::send) goes to it, and only datagrams from it are received. At the first address that works, if
    /// `addr` names several. Nothing is sent, so this says nothing about whether somebody is there. It may be called again, for another peer.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has changed nothing.
    ///
    /// # Errors
    ///
    /// Those of the kernel, as `NetworkUnreachable`, with the address in the message; or what the look-up of the name gave.
    pub async fn connect(&self, addr: impl ToSocketAddrs) -> io::Result<()> {
        let target = addr.target();
        let addrs = target.resolve().await?;
        at_first(addrs, "connect to", |addr| self.registration.io().connect(addr))?;
        self.is_connected.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Registers a socket of the standard library with this thread's loop, in non-blocking mode.
    ///
    /// # Errors
    ///
    /// If no loop runs here, or the kernel refuses.
    pub fn from_std(socket: StdSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let is_connected = AtomicBool::new(socket.peer_addr().is_ok());
        let socket = Socket::from_std(socket);
        Ok(Self { registration: Registration::new(socket, Interests::Both, WHAT)?, is_connected })
    }

    /// Takes the socket off its loop, in blocking mode, as the standard library makes them.
    ///
    /// # Errors
    ///
    /// On another thread than the loop's, or after its end; the socket is closed then.
    pub fn into_std(self) -> io::Result<StdSocket> {
        let socket = StdSocket::from(OwnedFd::from(self.registration.into_inner()?));
        socket.set_nonblocking(false)?;
        Ok(socket)
    }

    // Receiving.

    /// Receives a datagram, waiting for one if need be; returns its length and who has sent it. 0: it is empty.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has received nothing.
    ///
    /// # Errors
    ///
    /// Those of the kernel, after which the socket can be used on; and on another thread than the loop's.
    #[doc(alias = "sock_recvfrom")]
    pub async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.registration.when_ready(Direction::Read, |io| whole(io.recv_from(buf))).await
    }

    /// As [`recv_from`](Self::recv_from), on a [connected](Self::connect) socket, whose peer is known.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has received nothing.
    ///
    /// # Errors
    ///
    /// As [`recv_from`](Self::recv_from); `ConnectionRefused` if nobody listens where an earlier datagram went.
    pub async fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.registration.when_ready(Direction::Read, |io| whole(io.recv(buf))).await
    }

    /// As [`recv_from`](Self::recv_from), and the next one gives the same datagram again.
    ///
    /// # Cancel safety
    ///
    /// It changes nothing.
    ///
    /// # Errors
    ///
    /// As [`recv_from`](Self::recv_from).
    pub async fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.registration.when_ready(Direction::Read, |io| whole(io.peek_from(buf))).await
    }

    /// As [`recv`](Self::recv), and the next one gives the same datagram again.
    ///
    /// # Cancel safety
    ///
    /// It changes nothing.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.registration.when_ready(Direction::Read, |io| whole(io.peek(buf))).await
    }

    /// Receives a datagram that is there, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is none; and as [`recv_from`](Self::recv_from).
    pub fn try_recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.registration.try_io(Direction::Read, |io| whole(io.recv_from(buf)))
    }

    /// Receives a datagram that is there, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is none; and as [`recv`](Self::recv).
    pub fn try_recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.registration.try_io(Direction::Read, |io| whole(io.recv(buf)))
    }

    /// The datagrams, one after the other, without end, each as long as it was sent.
    pub fn datagrams(&self) -> Datagrams<'_> {
        Datagrams::new(self)
    }

    /// Waits until a datagram may be there, or an error.
    ///
    /// It may be wrong: [`try_recv_from`](Self::try_recv_from) can give `WouldBlock` after it.
    ///
    /// # Cancel safety
    ///
    /// It changes nothing.
    ///
    /// # Errors
    ///
    /// On another thread than the loop's.
    pub async fn readable(&self) -> io::Result<()> {
        self.registration.ready(Direction::Read).await
    }

    // Sending.

    /// Sends `buf` to `addr` as one datagram, waiting until the kernel has room for it; returns its length, which is that of
    /// `buf`. If `addr` names several, to the first of the socket's family.
    ///
    /// An address takes no time; a name is looked up each time.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has sent nothing.
    ///
    /// # Errors
    ///
    /// `InvalidInput` on a socket that is connected to somebody else. Those of the kernel, as for a datagram that is too long
    /// (65 507 bytes are the most over IPv4), after which the socket can be used on. On another thread than the loop's.
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

    /// Sends `buf` as one datagram to the peer of a [connected](Self::connect) socket, waiting until the kernel has room for
    /// it; returns its length, which is that of `buf`.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has sent nothing.
    ///
    /// # Errors
    ///
    /// `NotConnected` if the socket has no peer. `ConnectionRefused` if nobody listens where an earlier datagram went; this one has not
    /// been sent. As [`send_to`](Self::send_to).
    pub async fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.registration.when_ready(Direction::Write, |io| whole(send(io, buf))).await
    }

    /// Sends a datagram without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if the kernel has no room for it; and as [`send_to`](Self::send_to).
    pub fn try_send_to(&self, buf: &[u8], addr: SocketAddr) -> io::Result<usize> {
        self.registration.try_io(Direction::Write, |_| whole(self.send_once(buf, addr)))
    }

    /// Sends a datagram without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if the kernel has no room for it; and as [`send`](Self::send).
    pub fn try_send(&self, buf: &[u8]) -> io::Result<usize> {
        self.registration.try_io(Direction::Write, |io| whole(send(io, buf)))
    }

    /// Waits until the kernel may have room for a datagram.
    ///
    /// It may be wrong: [`try_send_to`](Self::try_send_to) can give `WouldBlock` after it.
    ///
    /// # Cancel safety
    ///
    /// It changes nothing.
    ///
    /// # Errors
    ///
    /// On another thread than the loop's.
    pub async fn writable(&self) -> io::Result<()> {
        self.registration.ready(Direction::Write).await
    }

    // Addresses.

    /// The address of this side.
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.registration.io().local_addr()
    }

    /// The address of the peer.
    ///
    /// # Errors
    ///
    /// `NotConnected` if the socket has none; and those of the kernel.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.registration.io().peer_addr()
    }

    /// The first address of the socket's family.
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

    /// Sends without waiting. Kernels differ in what they make of an address on a connected socket.
    pub(super) fn send_once(&self, buf: &[u8], to: SocketAddr) -> io::Result<usize> {
        if self.check_peer(to)? {
            return send(self.registration.io(), buf);
        }
        self.registration.io().send_to(buf, to)
    }

    /// Whether `to` is the peer; an error if the peer is another one.
    pub(super) fn check_peer(&self, to: SocketAddr) -> io::Result<bool> {
        if !self.is_connected.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let peer = self.peer_addr()?;
        // The kernel does not give back all that an address of IPv6 may say.
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
    io.send(buf).map_err(|error| match error.raw_os_error() {
        Some(EDESTADDRREQ | ENOTCONN) => io::Error::new(
            ErrorKind::NotConnected,
            "this UdpSocket has no peer to send to: call `connect` first, or `send_to`",
        ),
        _ => error,
    })
}

/// A datagram is never short, and says nothing of whether there are more.
pub(super) fn whole<T>(result: io::Result<T>) -> io::Result<Moved<T>> {
    result.map(|value| Moved { value, is_short: false })
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.registration.io().as_fd()
    }
}

impl AsRawFd for UdpSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.registration.io().as_raw_fd()
    }
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.registration.fmt(f)
    }
}
