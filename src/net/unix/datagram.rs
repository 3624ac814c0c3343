//! `UnixDatagram`.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::{SocketAddr, UnixDatagram as Socket};
use std::path::Path;
use std::time::Duration;

use nix::libc::ENOBUFS;
use socket2::Type;

use super::file::{self, FileOptions, SocketFile, explain, with_name};
use crate::runtime::{Direction, Interests, Moved, Registration};
use crate::sys::descriptors::FdSource;
use crate::time::sleep;

/// A socket for messages between processes of one machine. Messages arrive whole and in order, and
/// none is lost on the way.
///
/// All methods take `&self`, so one task may receive while another sends. A socket belongs to the
/// loop on which it was created; see [`TcpStream`](crate::net::TcpStream). Dropping it removes the
/// file at its path, unless another file has replaced it.
///
/// # Examples
///
/// ```
/// use oneloop::net::UnixDatagram;
///
/// # let path = std::env::temp_dir().join(format!("oneloop-doc-datagram-{}", std::process::id()));
/// oneloop::run(async {
///     let server = UnixDatagram::bind(&path)?;
///     let client = UnixDatagram::unbound()?;
///     client.send_to(b"hello", &path).await?;
///     let mut buf = [0; 64];
///     let (len, addr) = server.recv_from(&mut buf).await?;
///     assert_eq!(&buf[..len], b"hello");
///     assert!(addr.is_unnamed(), "a socket that is not bound has no address");
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub struct UnixDatagram {
    // Before the socket, as in a listener.
    file: Option<SocketFile>,
    registration: Registration<FdSource<Socket>>,
}

const WHAT: &str = "UnixDatagram";

/// How long a send waits before it retries while its receiver has no room. The pause grows up to
/// the second value.
const FIRST_PAUSE: Duration = Duration::from_micros(50);
const LAST_PAUSE: Duration = Duration::from_millis(10);

impl UnixDatagram {
    /// Creates a socket at `path`. The file of a dead socket is replaced, as in
    /// [`UnixListener::bind`](super::UnixListener::bind).
    ///
    /// # Errors
    ///
    /// The errors of [`UnixListener::bind`](super::UnixListener::bind).
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        let (socket, file) = file::bind(path.as_ref(), Type::DGRAM, &FileOptions::default())?;
        Ok(Self { file, ..Self::from_std(socket.into())? })
    }

    /// Creates a socket at `addr`: a path or, on Linux, an abstract name, which disappears with the
    /// socket.
    ///
    /// # Errors
    ///
    /// The errors of [`bind`](Self::bind); `InvalidInput` for an unnamed address.
    pub fn bind_addr(addr: &SocketAddr) -> io::Result<Self> {
        let (socket, file) = file::bind_addr(addr, Type::DGRAM, &FileOptions::default())?;
        Ok(Self { file, ..Self::from_std(socket.into())? })
    }

    /// Creates a socket without an address, to send from.
    ///
    /// # Errors
    ///
    /// Fails if no loop runs here, or no descriptors are left.
    pub fn unbound() -> io::Result<Self> {
        let socket = Socket::unbound().map_err(|error| explain(&error, "cannot make a socket"));
        Self::from_std(socket?)
    }

    /// Creates two sockets that are connected to each other.
    ///
    /// # Errors
    ///
    /// Fails if no loop runs here, or no descriptors are left.
    #[doc(alias = "socketpair")]
    pub fn pair() -> io::Result<(Self, Self)> {
        let pair = Socket::pair().map_err(|error| explain(&error, "cannot make a pair of sockets"));
        let (one, other) = pair?;
        Ok((Self::from_std(one)?, Self::from_std(other)?))
    }

    /// Connects to the socket at `path`: from now on, [`send`](Self::send) sends there, and only
    /// messages from there are received.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no file, `ConnectionRefused` if no process has the socket open,
    /// `PermissionDenied`; the message contains the path.
    pub fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        let connected = self.socket().connect(path);
        connected.map_err(|error| with_name(&error, "cannot connect to", path))
    }

    /// Like [`connect`](Self::connect), but to a path or an abstract name.
    ///
    /// # Errors
    ///
    /// The errors of [`connect`](Self::connect), without a path in the message.
    pub fn connect_addr(&self, addr: &SocketAddr) -> io::Result<()> {
        self.socket().connect_addr(addr)
    }

    /// Registers a socket of the standard library with this thread's loop, and sets it to
    /// non-blocking mode. Its file is never removed.
    ///
    /// # Errors
    ///
    /// Fails if no loop runs here, or the kernel refuses.
    pub fn from_std(socket: Socket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let registration = Registration::new(FdSource(socket), Interests::Both, WHAT)?;
        Ok(Self { file: None, registration })
    }

    /// Removes the socket from its loop and sets it to blocking mode, the standard library's
    /// default. The file stays.
    ///
    /// # Errors
    ///
    /// Fails on another thread than the loop's, or after the loop has ended; the socket is then
    /// closed.
    pub fn into_std(self) -> io::Result<Socket> {
        let FdSource(socket) = self.registration.into_inner()?;
        if let Some(file) = self.file {
            file.keep();
        }
        socket.set_nonblocking(false)?;
        Ok(socket)
    }

    // Sending.

    /// Sends `buf` to the socket that this one is connected to, waiting for room if there is none.
    /// Returns the number of bytes sent, which is always all of them.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has sent nothing.
    ///
    /// # Errors
    ///
    /// `ConnectionRefused` or `ConnectionReset` if the receiver is gone, `NotConnected` if there
    /// never was one. On Linux, a message longer than the send buffer is an error. Also fails on
    /// another thread than the loop's.
    pub async fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.registration.when_ready(Direction::Write, |io| moved(io.0.send(buf))).await
    }

    /// Sends `buf` to the socket at `path`, waiting for room if there is none. Returns the number
    /// of bytes sent, which is always all of them.
    ///
    /// To send much to one receiver, [`connect`](Self::connect) to it instead: the kernel tells a
    /// connected socket when there is room, while this method has to retry, after 50 us at first
    /// and later at most 10 ms apart.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has sent nothing.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no file, `ConnectionRefused` if no process has the socket open;
    /// otherwise the errors of [`send`](Self::send).
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::net::UnixDatagram;
    ///
    /// oneloop::run(async {
    ///     let dir = oneloop::fs::temp_dir().await?;
    ///     let path = dir.path().join("log");
    ///     let log = UnixDatagram::bind(&path)?;
    ///     UnixDatagram::unbound()?.send_to(b"a line", &path).await?;
    ///     let mut buf = [0; 16];
    ///     let len = log.recv(&mut buf).await?;
    ///     assert_eq!(&buf[..len], b"a line");
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn send_to(&self, buf: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        let path = path.as_ref();
        let sent = self.send_with(|socket| socket.send_to(buf, path)).await;
        sent.map_err(|error| with_name(&error, "cannot send to", path))
    }

    /// Sends `buf` to the socket at `addr`, a path or an abstract name.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has sent nothing.
    ///
    /// # Errors
    ///
    /// The errors of [`send_to`](Self::send_to), without a path in the message.
    pub async fn send_to_addr(&self, buf: &[u8], addr: &SocketAddr) -> io::Result<usize> {
        self.send_with(|socket| socket.send_to_addr(buf, addr)).await
    }

    /// Retries `send` with pauses while the receiver has no room. For sockets that are not
    /// connected, the kernel does not tell when a receiver has room again. It even reports this
    /// socket as ready after each failed attempt, so waiting for readiness would spin.
    async fn send_with(
        &self,
        mut send: impl FnMut(&Socket) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let mut pause = FIRST_PAUSE;
        loop {
            let attempt = |io: &FdSource<Socket>| match send(&io.0) {
                Err(error) if is_full(&error) => moved(Ok(None)),
                result => moved(result.map(Some)),
            };
            if let Some(len) = self.registration.when_ready(Direction::Write, attempt).await? {
                return Ok(len);
            }
            sleep(pause).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    /// Sends `buf` to the socket that this one is connected to, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no room; otherwise the errors of [`send`](Self::send).
    pub fn try_send(&self, buf: &[u8]) -> io::Result<usize> {
        self.registration.try_io(Direction::Write, |io| moved(io.0.send(buf)))
    }

    /// Sends `buf` to the socket at `path`, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no room; otherwise the errors of [`send_to`](Self::send_to),
    /// without the path in the message.
    pub fn try_send_to(&self, buf: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        // This bypasses the known readiness of this socket, because the room is the receiver's.
        self.socket().send_to(buf, path)
    }

    /// Waits until this socket may send. False positives are possible, and the receiver may have no
    /// room.
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

    // Receiving.

    /// Receives a message, waiting for one if there is none. Returns its length. Bytes that do not
    /// fit into `buf` are lost.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has received nothing.
    ///
    /// # Errors
    ///
    /// Any error of the kernel, such as `ConnectionReset` if the peer of a connected socket is
    /// gone. Also fails on another thread than the loop's.
    pub async fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.registration.when_ready(Direction::Read, |io| moved(io.0.recv(buf))).await
    }

    /// Like [`recv`](Self::recv), but also returns the sender's address, which has a name if the
    /// sender is bound.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has received nothing.
    ///
    /// # Errors
    ///
    /// The errors of [`recv`](Self::recv).
    pub async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.registration.when_ready(Direction::Read, |io| moved(io.0.recv_from(buf))).await
    }

    /// Receives a message without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is none; otherwise the errors of [`recv`](Self::recv).
    pub fn try_recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.registration.try_io(Direction::Read, |io| moved(io.0.recv(buf)))
    }

    /// Like [`try_recv`](Self::try_recv), but also returns the sender's address.
    ///
    /// # Errors
    ///
    /// The errors of [`try_recv`](Self::try_recv).
    pub fn try_recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.registration.try_io(Direction::Read, |io| moved(io.0.recv_from(buf)))
    }

    /// Waits until there may be a message or an error.
    ///
    /// False positives are possible: [`try_recv`](Self::try_recv) may still return `WouldBlock`.
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

    // Everything else.

    /// Closes one direction, or both.
    ///
    /// # Errors
    ///
    /// Any error of the kernel, such as `NotConnected`.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket().shutdown(how)
    }

    /// Returns this socket's address.
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket().local_addr()
    }

    /// Returns the address of the socket that this one is connected to.
    ///
    /// # Errors
    ///
    /// Any error of the kernel, such as `NotConnected`.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket().peer_addr()
    }

    /// Takes the socket's pending error, if there is one.
    ///
    /// # Errors
    ///
    /// Any error of the kernel while asking.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket().take_error()
    }

    #[cfg(feature = "fd-passing")]
    pub(super) fn registration(&self) -> &Registration<FdSource<Socket>> {
        &self.registration
    }

    fn socket(&self) -> &Socket {
        &self.registration.io().0
    }
}

/// Messages have boundaries: a short one says nothing about the next.
fn moved<T>(result: io::Result<T>) -> io::Result<Moved<T>> {
    result.map(|value| Moved { value, is_short: false })
}

impl AsFd for UnixDatagram {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket().as_fd()
    }
}

impl AsRawFd for UnixDatagram {
    fn as_raw_fd(&self) -> RawFd {
        self.socket().as_raw_fd()
    }
}

impl fmt::Debug for UnixDatagram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.registration.fmt(f)
    }
}

/// Whether the receiver has no room. macOS and the BSDs return `ENOBUFS` for that; on Linux,
/// `ENOBUFS` means that the kernel is out of memory for the moment.
fn is_full(error: &io::Error) -> bool {
    error.kind() == ErrorKind::WouldBlock || error.raw_os_error() == Some(ENOBUFS)
}
