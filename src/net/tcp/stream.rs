//! `TcpStream`.

use std::fmt;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream as StdStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use mio::net::TcpStream as Socket;
use socket2::SockRef;

use crate::net::connection::{
    self, ByteStream, are_empty, read, read_vectored, write, write_vectored,
};
use crate::net::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf, halves, options};
use crate::runtime::{Direction, Interests, Moved, Registration};

/// A TCP connection.
///
/// All methods take `&self`: one task may read while another writes, through a shared reference, an `Rc`, or the halves of
/// [`split`](Self::split). Two tasks may also wait in the same direction; an event wakes both, and who comes first
/// gets the data.
///
/// The stream belongs to the loop on which it was made. It is `Send` and may be dropped anywhere; used elsewhere, each method gives
/// an error that says so. To move a connection, [`into_std`](Self::into_std) here and [`from_std`](Self::from_std) there.
///
/// Dropping it closes the connection; what was written and not yet sent still goes out, by the kernel.
///
/// # Examples
///
/// ```
/// use oneloop::net::{TcpListener, TcpStream};
///
/// oneloop::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let client = TcpStream::connect(listener.local_addr()?).await?;
///     let (server, _addr) = listener.accept().await?;
///     client.write_all(b"hello").await?;
///     let mut buf = [0; 5];
///     server.read_exact(&mut buf).await?;
///     assert_eq!(&buf, b"hello");
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub struct TcpStream {
    registration: Registration<Socket>,
}

pub(super) const WHAT: &str = "TcpStream";

impl TcpStream {
    /// A stream of a socket that connects already, once it has.
    pub(super) async fn connected(socket: StdStream) -> io::Result<Self> {
        let stream = Self::register(Socket::from_std(socket))?;
        // Nothing has come yet, or the kernel is going to tell: the first read need not find out.
        let nothing = |_: &Socket| Err::<Moved<()>, _>(ErrorKind::WouldBlock.into());
        stream.registration.try_io(Direction::Read, nothing).ok();
        let is_connected = |io: &Socket| {
            if let Some(error) = io.take_error()? {
                return Err(error);
            }
            match io.peer_addr() {
                Ok(_) => Ok(Moved { value: (), is_short: false }),
                // Still on its way: the answer makes the socket writable.
                Err(error) if error.kind() == ErrorKind::NotConnected => {
                    Err(ErrorKind::WouldBlock.into())
                }
                Err(error) => Err(error),
            }
        };
        stream.registration.when_ready(Direction::Write, is_connected).await?;
        Ok(stream)
    }

    /// Registers a stream of the standard library with this thread's loop, in non-blocking mode.
    ///
    /// # Errors
    ///
    /// If no loop runs here, or the kernel refuses.
    #[doc(alias = "connect_accepted_socket")]
    pub fn from_std(stream: StdStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Self::register(Socket::from_std(stream))
    }

    /// Takes the stream off its loop, in blocking mode, as the standard library makes them.
    ///
    /// # Errors
    ///
    /// On another thread than the loop's, or after its end; the stream is closed then.
    pub fn into_std(self) -> io::Result<StdStream> {
        let stream = self.registration.into_inner()?;
        let stream = StdStream::from(OwnedFd::from(stream));
        stream.set_nonblocking(false)?;
        Ok(stream)
    }

    pub(super) fn register(stream: Socket) -> io::Result<Self> {
        Ok(Self { registration: Registration::new(stream, Interests::Stream, WHAT)? })
    }

    // Reading.

    /// Reads what is there, waiting for something if need be; returns how many bytes. 0: the peer has closed its side, or
    /// `buf` is empty.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has read nothing.
    ///
    /// # Errors
    ///
    /// Those of the connection; and on another thread than the loop's.
    #[doc(alias = "sock_recv")]
    #[doc(alias = "sock_recv_into")]
    pub async fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        self.registration.when_ready(Direction::Read, |io| read(io, buf)).await
    }

    /// As [`read`](Self::read), into several buffers, one after the other.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has read nothing.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub async fn read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        if are_empty(bufs) {
            return Ok(0);
        }
        self.registration.when_ready(Direction::Read, |io| read_vectored(io, bufs)).await
    }

    /// Fills `buf`.
    ///
    /// # Cancel safety
    ///
    /// None: dropped before it is ready, it has read an unknown part.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` if the peer closes its side before; and as [`read`](Self::read). How much was read then is unknown.
    pub async fn read_exact(&self, buf: &mut [u8]) -> io::Result<()> {
        connection::read_exact(&self.registration, buf).await
    }

    /// As [`read`](Self::read), and the next read gives the same bytes again.
    ///
    /// # Cancel safety
    ///
    /// It changes nothing.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        let peek = |io: &Socket| Ok(Moved { value: io.peek(buf)?, is_short: false });
        self.registration.when_ready(Direction::Read, peek).await
    }

    /// Reads what is there, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if nothing is there; and as [`read`](Self::read).
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        self.registration.try_io(Direction::Read, |io| read(io, buf))
    }

    /// Waits until a read may give something: data, the end, or an error.
    ///
    /// It may be wrong: [`try_read`](Self::try_read) can give `WouldBlock` after it.
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

    // Writing.

    /// Writes what the kernel takes, waiting for room if need be; returns how many bytes.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has written nothing.
    ///
    /// # Errors
    ///
    /// Those of the connection, as `BrokenPipe` when the peer is gone; and on another thread than the loop's.
    pub async fn write(&self, buf: &[u8]) -> io::Result<usize> {
        self.registration.when_ready(Direction::Write, |io| write(io, buf)).await
    }

    /// As [`write`](Self::write), from several buffers, one after the other, with one system call.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has written nothing.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub async fn write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.registration.when_ready(Direction::Write, |io| write_vectored(io, bufs)).await
    }

    /// Writes all of `buf`.
    ///
    /// # Cancel safety
    ///
    /// None: dropped before it is ready, it has written an unknown part.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write). How much was written then is unknown.
    #[doc(alias = "sock_sendall")]
    pub async fn write_all(&self, buf: &[u8]) -> io::Result<()> {
        connection::write_all(&self.registration, buf).await
    }

    /// Writes what the kernel takes now, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if it takes nothing; and as [`write`](Self::write).
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.registration.try_io(Direction::Write, |io| write(io, buf))
    }

    /// Waits until a write may do something.
    ///
    /// It may be wrong: [`try_write`](Self::try_write) can give `WouldBlock` after it.
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

    /// Closes one side of the connection, or both. After `Shutdown::Write` the peer reads the end, and can still be
    /// read from; asyncio's `write_eof`. On a connection that has ended already it does nothing.
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        connection::shutdown(self.io(), how)
    }

    // Halves.

    /// A half to read from and one to write to, both borrowed.
    pub fn split(&self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        halves::borrow(self)
    }

    /// As [`split`](Self::split), for halves that go to different tasks. Dropping the half to write to closes the side; the
    /// connection is closed when both are gone.
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        halves::split(self)
    }

    // Options.

    /// The address of this side.
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io().local_addr()
    }

    /// The address of the peer.
    ///
    /// # Errors
    ///
    /// Those of the kernel, as `NotConnected`.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io().peer_addr()
    }

    /// Sends small writes at once instead of collecting them (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.io().set_nodelay(nodelay)
    }

    /// Whether small writes are sent at once.
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.io().nodelay()
    }

    /// How many hops packets may take.
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.io().set_ttl(ttl)
    }

    /// See [`set_ttl`](Self::set_ttl).
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn ttl(&self) -> io::Result<u32> {
        self.io().ttl()
    }

    /// Whether the kernel asks an idle peer now and then if it is still there (`SO_KEEPALIVE`).
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn set_keepalive(&self, keepalive: bool) -> io::Result<()> {
        SockRef::from(self).set_keepalive(keepalive)
    }

    /// See [`set_keepalive`](Self::set_keepalive).
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn keepalive(&self) -> io::Result<bool> {
        SockRef::from(self).keepalive()
    }

    /// What closing does with data that was not sent: `None`, the kernel sends it in the background; `Some(Duration::ZERO)`, it is thrown
    /// away and the connection is reset. Another duration makes closing block the loop for so long at most. The kernel counts
    /// whole seconds: a fraction is rounded up, so that only zero resets.
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        options::set_linger(&SockRef::from(self), linger)
    }

    /// See [`set_linger`](Self::set_linger).
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        SockRef::from(self).linger()
    }

    /// Takes the socket's pending error, if there is one.
    ///
    /// # Errors
    ///
    /// Those of the kernel, while asking.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.io().take_error()
    }

    fn io(&self) -> &Socket {
        self.registration.io()
    }
}

impl connection::Socket for Socket {
    const SHORT_MEANS_DRAINED: bool = true;

    fn io(&self) -> impl Read + Write {
        self
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.shutdown(how)
    }
}

impl ByteStream for TcpStream {
    type Socket = Socket;
    type Addr = SocketAddr;

    fn registration(&self) -> &Registration<Socket> {
        &self.registration
    }

    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.peer_addr()
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.local_addr()
    }

    fn reset_when_closed(&self) {
        // A connection that has ended already has nothing to reset.
        self.set_linger(Some(Duration::ZERO)).ok();
    }
}

impl AsRef<Self> for TcpStream {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl AsFd for TcpStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io().as_fd()
    }
}

impl AsRawFd for TcpStream {
    fn as_raw_fd(&self) -> RawFd {
        self.io().as_raw_fd()
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.registration.fmt(f)
    }
}
