//! `TcpStream`.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream as StdStream};
use std::time::Duration;

use mio::net::TcpStream as Socket;
use socket2::SockRef;

use crate::net::connection::{
    self, ByteStream, are_empty, read, read_vectored, write, write_vectored,
};
use crate::net::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf, halves, options};
use crate::runtime::{Direction, Interests, Moved, Registration, poll_no_bytes};

/// A TCP connection.
///
/// All methods take `&self`: one task may read while another writes, through a shared reference, an
/// `Rc`, or the halves of [`split`](Self::split). Two tasks may also wait in the same direction. An
/// event wakes both, and the first to run gets the data.
///
/// A stream belongs to the loop on which it was created. It is `Send` and may be dropped anywhere,
/// but on another thread each method returns an error that says so. To move a connection to another
/// loop, call [`into_std`](Self::into_std) on the old one and [`from_std`](Self::from_std) on the
/// new one.
///
/// Dropping it closes the connection. The kernel still sends data that was written but not yet
/// sent.
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
    /// Returns the stream once `socket`, which is already connecting, has connected.
    pub(super) async fn connected(socket: StdStream) -> io::Result<Self> {
        let stream = Self::register(Socket::from_std(socket))?;
        // Either nothing has arrived yet, or the kernel will report it, so the first read need not
        // try.
        let nothing = |_: &Socket| Err::<Moved<()>, _>(ErrorKind::WouldBlock.into());
        stream.registration.try_io(Direction::Read, nothing).ok();
        let is_connected = |io: &Socket| {
            if let Some(error) = io.take_error()? {
                return Err(error);
            }
            match io.peer_addr() {
                Ok(_) => Ok(Moved { value: (), is_short: false }),
                // Still connecting. The socket becomes writable when the answer arrives.
                Err(error) if error.kind() == ErrorKind::NotConnected => {
                    Err(ErrorKind::WouldBlock.into())
                }
                Err(error) => Err(error),
            }
        };
        stream.registration.when_ready(Direction::Write, is_connected).await?;
        Ok(stream)
    }

    /// Registers a stream of the standard library with this thread's loop, and sets it to
    /// non-blocking mode.
    ///
    /// # Errors
    ///
    /// Fails if no loop runs here, or the kernel refuses.
    #[doc(alias = "connect_accepted_socket")]
    pub fn from_std(stream: StdStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Self::register(Socket::from_std(stream))
    }

    /// Removes the stream from its loop and sets it to blocking mode, the standard library's
    /// default.
    ///
    /// # Errors
    ///
    /// Fails on another thread than the loop's, or after the loop has ended; the stream is then
    /// closed.
    pub fn into_std(self) -> io::Result<StdStream> {
        let stream = self.registration.into_inner()?;
        let stream = StdStream::from(stream);
        stream.set_nonblocking(false)?;
        Ok(stream)
    }

    pub(super) fn register(stream: Socket) -> io::Result<Self> {
        Ok(Self { registration: Registration::new(stream, Interests::Stream, WHAT)? })
    }

    // Reading.

    /// Reads the available bytes, waiting for some if there are none. Returns the number of bytes
    /// read: 0 if the peer has closed its side, or if `buf` is empty.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has read nothing.
    ///
    /// # Errors
    ///
    /// Any error of the connection. Also fails on another thread than the loop's.
    #[doc(alias = "sock_recv")]
    #[doc(alias = "sock_recv_into")]
    pub async fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return poll_fn(poll_no_bytes).await;
        }
        self.registration.when_ready(Direction::Read, |io| read(io, buf)).await
    }

    /// Like [`read`](Self::read), but into several buffers, one after the other.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has read nothing.
    ///
    /// # Errors
    ///
    /// The errors of [`read`](Self::read).
    pub async fn read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        if are_empty(bufs) {
            return poll_fn(poll_no_bytes).await;
        }
        self.registration.when_ready(Direction::Read, |io| read_vectored(io, bufs)).await
    }

    /// Fills `buf`.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: if dropped before it is ready, it has read an unknown number of bytes.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` if the peer closes its side first; otherwise the errors of
    /// [`read`](Self::read). After an error, the number of bytes read is unknown.
    pub async fn read_exact(&self, buf: &mut [u8]) -> io::Result<()> {
        connection::read_exact(&self.registration, buf).await
    }

    /// Like [`read`](Self::read), but the next read returns the same bytes again.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing.
    ///
    /// # Errors
    ///
    /// The errors of [`read`](Self::read).
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return poll_fn(poll_no_bytes).await;
        }
        let peek = |io: &Socket| Ok(Moved { value: io.peek(buf)?, is_short: false });
        self.registration.when_ready(Direction::Read, peek).await
    }

    /// Reads the available bytes without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there are none; otherwise the errors of [`read`](Self::read).
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        self.registration.try_io(Direction::Read, |io| read(io, buf))
    }

    /// Waits until a read may yield data, the end, or an error.
    ///
    /// False positives are possible: [`try_read`](Self::try_read) may still return `WouldBlock`.
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

    // Writing.

    /// Writes as many bytes as the kernel accepts, waiting for room if there is none. Returns the
    /// number of bytes written.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has written nothing.
    ///
    /// # Errors
    ///
    /// Any error of the connection, such as `BrokenPipe` once the peer is gone. Also fails on
    /// another thread than the loop's.
    pub async fn write(&self, buf: &[u8]) -> io::Result<usize> {
        self.registration.when_ready(Direction::Write, |io| write(io, buf)).await
    }

    /// Like [`write`](Self::write), but from several buffers, one after the other, with one system
    /// call.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has written nothing.
    ///
    /// # Errors
    ///
    /// The errors of [`write`](Self::write).
    pub async fn write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.registration.when_ready(Direction::Write, |io| write_vectored(io, bufs)).await
    }

    /// Writes all of `buf`.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: if dropped before it is ready, it has written an unknown number of bytes.
    ///
    /// # Errors
    ///
    /// The errors of [`write`](Self::write). After an error, the number of bytes written is
    /// unknown.
    #[doc(alias = "sock_sendall")]
    pub async fn write_all(&self, buf: &[u8]) -> io::Result<()> {
        connection::write_all(&self.registration, buf).await
    }

    /// Writes as many bytes as the kernel accepts now, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if it accepts none; otherwise the errors of [`write`](Self::write).
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.registration.try_io(Direction::Write, |io| write(io, buf))
    }

    /// Waits until a write may make progress.
    ///
    /// False positives are possible: [`try_write`](Self::try_write) may still return `WouldBlock`.
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

    /// Closes one side of the connection, or both. After `Shutdown::Write`, the peer reads the end,
    /// and this side can still read; asyncio's `write_eof`. Does nothing on a connection that has
    /// already ended.
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        connection::shutdown(self.io(), how)
    }

    // Halves.

    /// Splits the stream into a reading and a writing half, both borrowed.
    pub fn split(&self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        halves::borrow(self)
    }

    /// Like [`split`](Self::split), but for halves that go to different tasks. Dropping the writing
    /// half closes that side. The connection closes when both halves are gone.
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        halves::split(self)
    }

    // Options.

    /// Returns the local address.
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io().local_addr()
    }

    /// Returns the peer's address.
    ///
    /// # Errors
    ///
    /// Any error of the kernel, such as `NotConnected`.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io().peer_addr()
    }

    /// Whether small writes are sent at once instead of being collected (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.io().set_nodelay(nodelay)
    }

    /// Returns whether small writes are sent at once.
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.io().nodelay()
    }

    /// Sets how many hops packets may take.
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.io().set_ttl(ttl)
    }

    /// See [`set_ttl`](Self::set_ttl).
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn ttl(&self) -> io::Result<u32> {
        self.io().ttl()
    }

    /// Whether the kernel periodically probes an idle peer (`SO_KEEPALIVE`).
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn set_keepalive(&self, keepalive: bool) -> io::Result<()> {
        SockRef::from(self).set_keepalive(keepalive)
    }

    /// See [`set_keepalive`](Self::set_keepalive).
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn keepalive(&self) -> io::Result<bool> {
        SockRef::from(self).keepalive()
    }

    /// Sets what closing does with unsent data. With `None`, the kernel sends it in the background.
    /// With `Some(Duration::ZERO)`, it is discarded and the connection is reset. With any other
    /// duration, closing blocks the loop for up to that time. The kernel counts whole seconds: a
    /// fraction is rounded up, so that only zero resets.
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        options::set_linger(&SockRef::from(self), linger)
    }

    /// See [`set_linger`](Self::set_linger).
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        SockRef::from(self).linger()
    }

    /// Takes the socket's pending error, if there is one.
    ///
    /// # Errors
    ///
    /// Any error of the kernel while asking.
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
        // A connection that has already ended has nothing to reset.
        self.set_linger(Some(Duration::ZERO)).ok();
    }
}

impl AsRef<Self> for TcpStream {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.registration.fmt(f)
    }
}
