//! `UnixStream`.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::{Shutdown, SocketAddr as IpAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::{SocketAddr, UnixStream as StdStream};
use std::path::Path;
use std::time::Duration;

use mio::net::UnixStream as Socket;

use super::file::{explain, with_name};
use crate::net::connection::{
    self, Addr, ByteStream, are_empty, read, read_vectored, write, write_vectored,
};
use crate::net::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf, halves};
use crate::runtime::{Direction, Interests, Registration, poll_no_bytes};
use crate::time::sleep;

/// A connection between processes of one machine.
///
/// It is used like a [`TcpStream`](crate::net::TcpStream): all methods take `&self`, it belongs to
/// the loop on which it was created, is `Send`, and may be dropped anywhere. Dropping it closes the
/// connection; the peer can still read all written data.
///
/// # Examples
///
/// ```
/// use oneloop::net::UnixStream;
///
/// oneloop::run(async {
///     let (here, there) = UnixStream::pair()?;
///     here.write_all(b"hello").await?;
///     let mut buf = [0; 5];
///     there.read_exact(&mut buf).await?;
///     assert_eq!(&buf, b"hello");
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub struct UnixStream {
    registration: Registration<Socket>,
}

const WHAT: &str = "UnixStream";

/// How long a connect waits before it retries while the listener's backlog is full. The pause grows
/// up to the second value.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LAST_PAUSE: Duration = Duration::from_millis(50);

impl UnixStream {
    /// Connects to the socket at `path`.
    ///
    /// If the listener's backlog is full, this waits for room, as a blocking connect does. There is
    /// no time limit: use [`timeout`](crate::timeout).
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has connected to nothing.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no file, `ConnectionRefused` if no process listens,
    /// `PermissionDenied`; the message contains the path.
    pub async fn connect(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let connected = async { Self::connect_addr(&SocketAddr::from_pathname(path)?).await };
        connected.await.map_err(|error| with_name(&error, "cannot connect to", path))
    }

    /// Connects to the socket at `addr`, a path or an abstract name.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has connected to nothing.
    ///
    /// # Errors
    ///
    /// The errors of [`connect`](Self::connect), without a path in the message.
    pub async fn connect_addr(addr: &SocketAddr) -> io::Result<Self> {
        let mut pause = FIRST_PAUSE;
        loop {
            match Socket::connect_addr(addr) {
                // The kernel does not tell when there is room again.
                Err(error) if error.kind() == ErrorKind::WouldBlock => sleep(pause).await,
                stream => return Self::register(stream?),
            }
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    /// Creates both ends of an unnamed connection.
    ///
    /// # Errors
    ///
    /// Fails if no loop runs here, or no descriptors are left.
    #[doc(alias = "socketpair")]
    pub fn pair() -> io::Result<(Self, Self)> {
        let pair = Socket::pair().map_err(|error| explain(&error, "cannot make a pair of sockets"));
        let (one, other) = pair?;
        Ok((Self::register(one)?, Self::register(other)?))
    }

    /// Registers a stream of the standard library with this thread's loop, and sets it to
    /// non-blocking mode.
    ///
    /// # Errors
    ///
    /// Fails if no loop runs here, or the kernel refuses.
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
        let stream = StdStream::from(OwnedFd::from(stream));
        stream.set_nonblocking(false)?;
        Ok(stream)
    }

    pub(super) fn register(stream: Socket) -> io::Result<Self> {
        Ok(Self { registration: Registration::new(stream, Interests::Both, WHAT)? })
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
    /// Any error of the connection, such as `ConnectionReset` if the peer went away without reading
    /// everything. Also fails on another thread than the loop's.
    pub async fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        connection::read_some(&self.registration, buf).await
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
        connection::write_some(&self.registration, buf).await
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
    /// and this side can still read. Does nothing on a connection that has already ended.
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        connection::shutdown(self.registration.io(), how)
    }

    // Halves.

    /// Splits the stream into a reading and a writing half, both borrowed.
    pub fn split(&self) -> (ReadHalf<'_, Self>, WriteHalf<'_, Self>) {
        halves::borrow(self)
    }

    /// Like [`split`](Self::split), but for halves that go to different tasks. Dropping the writing
    /// half closes that side. The connection closes when both halves are gone.
    pub fn into_split(self) -> (OwnedReadHalf<Self>, OwnedWriteHalf<Self>) {
        halves::split(self)
    }

    // Addresses.

    /// Returns the local address, which is usually unnamed.
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.registration.io().local_addr()
    }

    /// Returns the peer's address. For a client, this is the listener's address; for a server, it
    /// is usually unnamed.
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.registration.io().peer_addr()
    }

    /// Takes the socket's pending error, if there is one.
    ///
    /// # Errors
    ///
    /// Any error of the kernel while asking.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.registration.io().take_error()
    }
}

impl connection::Socket for Socket {
    const SHORT_MEANS_DRAINED: bool = false;

    fn io(&self) -> impl Read + Write {
        self
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.shutdown(how)
    }
}

impl ByteStream for UnixStream {
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
}

impl Addr for SocketAddr {
    fn ip(self) -> Option<IpAddr> {
        None
    }
}

impl AsRef<Self> for UnixStream {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl AsFd for UnixStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.registration.io().as_fd()
    }
}

impl AsRawFd for UnixStream {
    fn as_raw_fd(&self) -> RawFd {
        self.registration.io().as_raw_fd()
    }
}

impl fmt::Debug for UnixStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.registration.fmt(f)
    }
}
