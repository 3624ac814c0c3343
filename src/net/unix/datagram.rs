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
use crate::runtime::{Direction, FdSource, Interests, Moved, Registration};
use crate::time::sleep;

/// Messages between processes of one machine: whole, in their order, and none is lost on the way.
///
/// All methods take `&self`, so one task may receive while another sends. It belongs to the loop on which it was made; see
/// [`TcpStream`](crate::net::TcpStream). Dropping it removes the file at its path, unless that has become another one
/// meanwhile.
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
///     assert!(addr.is_unnamed(), "nobody can answer a socket that is not bound");
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub struct UnixDatagram {
    // Before the socket, as that of a listener.
    file: Option<SocketFile>,
    registration: Registration<FdSource<Socket>>,
}

const WHAT: &str = "UnixDatagram";

/// How long a send waits for room at its receiver before it tries again; later up to the second one.
const FIRST_PAUSE: Duration = Duration::from_micros(50);
const LAST_PAUSE: Duration = Duration::from_millis(10);

impl UnixDatagram {
    /// A socket at `path`. The file of one that is no more is replaced, as [`UnixListener::bind`](super::UnixListener::bind) does.
    ///
    /// # Errors
    ///
    /// As [`UnixListener::bind`](super::UnixListener::bind).
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        let (socket, file) = file::bind(path.as_ref(), Type::DGRAM, &FileOptions::default())?;
        Ok(Self { file, ..Self::from_std(socket.into())? })
    }

    /// A socket at `addr`: a path, or on Linux an abstract name, which is gone with the socket.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind); `InvalidInput` for an address without a name.
    pub fn bind_addr(addr: &SocketAddr) -> io::Result<Self> {
        let (socket, file) = file::bind_addr(addr, Type::DGRAM, &FileOptions::default())?;
        Ok(Self { file, ..Self::from_std(socket.into())? })
    }

    /// A socket without an address, to send from.
    ///
    /// # Errors
    ///
    /// If no loop runs here, or no descriptors are left.
    pub fn unbound() -> io::Result<Self> {
        let socket = Socket::unbound().map_err(|error| explain(&error, "cannot make a socket"));
        Self::from_std(socket?)
    }

    /// Two sockets that are connected to each other.
    ///
    /// # Errors
    ///
    /// If no loop runs here, or no descriptors are left.
    #[doc(alias = "socketpair")]
    pub fn pair() -> io::Result<(Self, Self)> {
        let pair = Socket::pair().map_err(|error| explain(&error, "cannot make a pair of sockets"));
        let (one, other) = pair?;
        Ok((Self::from_std(one)?, Self::from_std(other)?))
    }

    /// From now on [`send`](Self::send) goes to `path`, and only what comes from there is received.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no file, `ConnectionRefused` if it is nobody's, `PermissionDenied`; with the path in the message.
    pub fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        let connected = self.socket().connect(path);
        connected.map_err(|error| with_name(&error, "cannot connect to", path))
    }

    /// As [`connect`](Self::connect), to a path or an abstract name.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect), without a path in the message.
    pub fn connect_addr(&self, addr: &SocketAddr) -> io::Result<()> {
        self.socket().connect_addr(addr)
    }

    /// Registers a socket of the standard library with this thread's loop, in non-blocking mode. Its file is left alone.
    ///
    /// # Errors
    ///
    /// If no loop runs here, or the kernel refuses.
    pub fn from_std(socket: Socket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let registration = Registration::new(FdSource(socket), Interests::Both, WHAT)?;
        Ok(Self { file: None, registration })
    }

    /// Takes the socket off its loop, in blocking mode, as the standard library makes them. The file stays.
    ///
    /// # Errors
    ///
    /// On another thread than the loop's, or after its end; the socket is closed then.
    pub fn into_std(self) -> io::Result<Socket> {
        let FdSource(socket) = self.registration.into_inner()?;
        if let Some(file) = self.file {
            file.keep();
        }
        socket.set_nonblocking(false)?;
        Ok(socket)
    }

    // Sending.

    /// Sends `buf` to the socket that this one is connected to, waiting for room if need be; returns how many bytes: all.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has sent nothing.
    ///
    /// # Errors
    ///
    /// `ConnectionRefused` or `ConnectionReset` if the receiver is gone, `NotConnected` if there never was one; and on another
    /// thread than the loop's. On Linux a message that is longer than the send buffer is an error.
    pub async fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.registration.when_ready(Direction::Write, |io| moved(io.0.send(buf))).await
    }

    /// Sends `buf` to the socket at `path`, waiting for room if need be; returns how many bytes: all.
    ///
    /// Who sends much to one receiver had better [`connect`](Self::connect): the kernel tells a connected socket when there is room, while
    /// this has to try again, after 50 us and later after 10 ms at the most.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has sent nothing.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no file, `ConnectionRefused` if it is nobody's; and as [`send`](Self::send).
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
    /// Dropped before it is ready, it has sent nothing.
    ///
    /// # Errors
    ///
    /// As [`send_to`](Self::send_to), without a path in the message.
    pub async fn send_to_addr(&self, buf: &[u8], addr: &SocketAddr) -> io::Result<usize> {
        self.send_with(|socket| socket.send_to_addr(buf, addr)).await
    }

    /// If the two are not connected, the kernel does not say when a receiver has room again. It even says that this socket is ready
    /// after each attempt that fails, so that waiting for that would be to spin. So it tries again now and then.
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
    /// `WouldBlock` if there is no room; and as [`send`](Self::send).
    pub fn try_send(&self, buf: &[u8]) -> io::Result<usize> {
        self.registration.try_io(Direction::Write, |io| moved(io.0.send(buf)))
    }

    /// Sends `buf` to the socket at `path`, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no room; and as [`send_to`](Self::send_to), without the path in the message.
    pub fn try_send_to(&self, buf: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        // Whatever is known of this socket: the room is the receiver's.
        self.socket().send_to(buf, path)
    }

    /// Waits until this socket may send. It may be wrong, and says nothing of the receiver.
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

    // Receiving.

    /// Receives a message, waiting for one if need be; returns its length. What does not fit into `buf` is lost.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has received nothing.
    ///
    /// # Errors
    ///
    /// Those of the kernel, as `ConnectionReset` if the peer of a connected socket has gone; and on another thread than the
    /// loop's.
    pub async fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.registration.when_ready(Direction::Read, |io| moved(io.0.recv(buf))).await
    }

    /// As [`recv`](Self::recv), with the address of the sender, which has a name if it is bound.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has received nothing.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.registration.when_ready(Direction::Read, |io| moved(io.0.recv_from(buf))).await
    }

    /// Receives a message, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is none; and as [`recv`](Self::recv).
    pub fn try_recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.registration.try_io(Direction::Read, |io| moved(io.0.recv(buf)))
    }

    /// As [`try_recv`](Self::try_recv), with the address of the sender.
    ///
    /// # Errors
    ///
    /// As [`try_recv`](Self::try_recv).
    pub fn try_recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.registration.try_io(Direction::Read, |io| moved(io.0.recv_from(buf)))
    }

    /// Waits until there may be a message, or an error.
    ///
    /// It may be wrong: [`try_recv`](Self::try_recv) can give `WouldBlock` after it.
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

    // The rest.

    /// Closes one direction, or both.
    ///
    /// # Errors
    ///
    /// Those of the kernel, as `NotConnected`.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket().shutdown(how)
    }

    /// The address of this socket.
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket().local_addr()
    }

    /// The address of the socket that this one is connected to.
    ///
    /// # Errors
    ///
    /// Those of the kernel, as `NotConnected`.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket().peer_addr()
    }

    /// Takes the socket's pending error, if there is one.
    ///
    /// # Errors
    ///
    /// Those of the kernel, while asking.
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

/// Messages have edges: a short one says nothing about the next.
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

/// The receiver has no room. macOS and the BSDs say so by `ENOBUFS`, which on Linux means that the kernel has no memory for the moment.
fn is_full(error: &io::Error) -> bool {
    error.kind() == ErrorKind::WouldBlock || error.raw_os_error() == Some(ENOBUFS)
}
