//! `UnixListener`.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::{SocketAddr, UnixListener as StdListener};
use std::path::Path;

use mio::net::{UnixListener as ListenerSocket, UnixStream as StreamSocket};
use socket2::{Socket, Type};

use super::UnixStream;
use super::file::{self, FileOptions, SocketFile};
use crate::net::accept::{Incoming, Listener, accept};
use crate::runtime::{Interests, Registration};

/// A Unix socket that waits for connections: at a path, or on Linux at an abstract name.
///
/// It belongs to the loop on which it was made; see [`TcpStream`](crate::net::TcpStream). Several tasks may accept from one
/// listener. Dropping it removes the file at the path, unless that has become another one meanwhile.
///
/// # Examples
///
/// ```
/// use oneloop::net::{UnixListener, UnixStream};
///
/// # let path = std::env::temp_dir().join(format!("oneloop-doc-listener-{}", std::process::id()));
/// oneloop::run(async {
///     let listener = UnixListener::bind(&path)?;
///     let client = UnixStream::connect(&path).await?;
///     let (server, _addr) = listener.accept().await?;
///     server.write_all(b"hello").await?;
///     let mut buf = [0; 5];
///     client.read_exact(&mut buf).await?;
///     assert_eq!(&buf, b"hello");
///
///     drop(listener);
///     assert!(!path.exists());
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub struct UnixListener {
    // Before the socket: whoever looks sees no file, or one at which somebody listens.
    file: Option<SocketFile>,
    registration: Registration<ListenerSocket>,
}

const WHAT: &str = "UnixListener";

impl UnixListener {
    /// Listens at `path`.
    ///
    /// The file of a socket at which nobody listens any more is replaced. Where somebody does, or the file is another one, it
    /// stays, unlike with asyncio, which replaces every socket. To find that out, a connection is made there and closed at once.
    /// For other options, [`builder`](Self::builder).
    ///
    /// # Errors
    ///
    /// `AddrInUse` if somebody listens there or a file is in the way; `InvalidInput` if the path is too long (107 bytes on
    /// Linux); `NotFound` or `PermissionDenied` for the directory; with the path in the message. And if no loop runs here.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::net::{UnixListener, UnixStream};
    ///
    /// oneloop::run(async {
    ///     let dir = oneloop::fs::temp_dir().await?;
    ///     let path = dir.path().join("socket");
    ///     let listener = UnixListener::bind(&path)?;
    ///     let (connected, accepted) =
    ///         oneloop::try_gather!(UnixStream::connect(&path), listener.accept()).await?;
    ///     connected.write_all(b"hello").await?;
    ///     let mut buf = [0; 5];
    ///     accepted.0.read_exact(&mut buf).await?;
    ///     drop(listener);
    ///     assert!(!path.exists(), "the file goes with its listener");
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::builder().bind(path)
    }

    /// Listens at `addr`: a path, or an abstract name, which is gone with the listener.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind); `InvalidInput` for an address without a name.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// use oneloop::net::{UnixListener, UnixStream};
    /// use std::os::linux::net::SocketAddrExt;
    /// use std::os::unix::net::SocketAddr;
    ///
    /// oneloop::run(async {
    ///     let addr = SocketAddr::from_abstract_name(format!("oneloop-doc-{}", std::process::id()))?;
    ///     let listener = UnixListener::bind_addr(&addr)?;
    ///     let _client = UnixStream::connect_addr(&addr).await?;
    ///     listener.accept().await?;
    ///     std::io::Result::Ok(())
    /// })?;
    /// # }
    /// # std::io::Result::Ok(())
    /// ```
    pub fn bind_addr(addr: &SocketAddr) -> io::Result<Self> {
        Self::builder().bind_addr(addr)
    }

    /// A listener with options.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::net::UnixListener;
    /// use std::os::unix::fs::PermissionsExt;
    ///
    /// # let path = std::env::temp_dir().join(format!("oneloop-doc-builder-{}", std::process::id()));
    /// oneloop::run(async {
    ///     let _listener = UnixListener::builder().mode(0o600).backlog(16).bind(&path)?;
    ///     assert_eq!(std::fs::metadata(&path)?.permissions().mode() & 0o777, 0o600);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn builder() -> UnixListenerBuilder {
        UnixListenerBuilder { backlog: 1024, file: FileOptions::default() }
    }

    /// Waits for a connection. The address is that of the peer: mostly without a name.
    ///
    /// Where the process, or the system, has no descriptors left, it waits and tries again, as
    /// [`TcpListener::accept`](crate::net::TcpListener::accept) does.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has accepted nothing.
    ///
    /// # Errors
    ///
    /// Errors of the kernel that cannot pass, because the socket does not listen any more; and on another thread than the loop's.
    pub async fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        accept(self).await
    }

    /// The connections, one after the other, without end.
    pub fn incoming(&self) -> Incoming<'_, Self> {
        Incoming::new(self)
    }

    /// The address at which it listens.
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.registration.io().local_addr()
    }

    /// Registers a listener of the standard library with this thread's loop, in non-blocking mode. Its file is left alone.
    ///
    /// # Errors
    ///
    /// If no loop runs here, or the kernel refuses.
    pub fn from_std(listener: StdListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let listener = ListenerSocket::from_std(listener);
        let registration = Registration::new(listener, Interests::Read, WHAT)?;
        Ok(Self { file: None, registration })
    }

    /// Takes the listener off its loop, in blocking mode, as the standard library makes them. The file stays.
    ///
    /// # Errors
    ///
    /// On another thread than the loop's, or after its end; the listener is closed then.
    pub fn into_std(self) -> io::Result<StdListener> {
        let listener = self.registration.into_inner()?;
        if let Some(file) = self.file {
            file.keep();
        }
        let listener = StdListener::from(OwnedFd::from(listener));
        listener.set_nonblocking(false)?;
        Ok(listener)
    }
}

impl Listener for UnixListener {
    type Socket = ListenerSocket;
    type Accepted = StreamSocket;
    type Stream = UnixStream;

    fn registration(&self) -> &Registration<ListenerSocket> {
        &self.registration
    }

    fn place(&self) -> String {
        name_of(self.local_addr().ok().as_ref())
    }

    fn hide(&mut self) {
        drop(self.file.take());
    }

    fn take(io: &ListenerSocket) -> io::Result<(StreamSocket, SocketAddr)> {
        let (stream, addr) = io.accept()?;
        // mio tells only of paths; an abstract name is to be asked for.
        let addr = if addr.is_unnamed() { stream.peer_addr().unwrap_or(addr) } else { addr };
        Ok((stream, addr))
    }

    fn register(accepted: StreamSocket) -> io::Result<UnixStream> {
        UnixStream::register(accepted)
    }
}

/// Options of a [`UnixListener`].
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until `bind`"]
pub struct UnixListenerBuilder {
    backlog: u32,
    file: FileOptions,
}

impl UnixListenerBuilder {
    /// How many connections may wait to be accepted; 1024 unless said otherwise. The kernel has a limit of its own.
    pub fn backlog(mut self, backlog: u32) -> Self {
        self.backlog = backlog;
        self
    }

    /// The permissions of the file, as in `0o660`; unless said otherwise, what the umask of the process leaves. They are set
    /// before anybody can connect.
    pub fn mode(mut self, mode: u32) -> Self {
        self.file.mode = Some(mode);
        self
    }

    /// Whether the file of a socket at which nobody listens any more is replaced; on unless said otherwise.
    pub fn remove_stale(mut self, remove: bool) -> Self {
        self.file.remove_stale = remove;
        self
    }

    /// Whether the file goes with the listener; on unless said otherwise. Asyncio's `cleanup_socket`.
    pub fn remove_on_drop(mut self, remove: bool) -> Self {
        self.file.remove_on_drop = remove;
        self
    }

    /// Listens at `path`.
    ///
    /// # Errors
    ///
    /// As [`UnixListener::bind`].
    pub fn bind(self, path: impl AsRef<Path>) -> io::Result<UnixListener> {
        self.listen(file::bind(path.as_ref(), Type::STREAM, &self.file)?)
    }

    /// Listens at `addr`.
    ///
    /// # Errors
    ///
    /// As [`UnixListener::bind_addr`].
    pub fn bind_addr(self, addr: &SocketAddr) -> io::Result<UnixListener> {
        self.listen(file::bind_addr(addr, Type::STREAM, &self.file)?)
    }

    fn listen(&self, (socket, file): (Socket, Option<SocketFile>)) -> io::Result<UnixListener> {
        socket.listen(i32::try_from(self.backlog).unwrap_or(i32::MAX))?;
        let listener = UnixListener::from_std(socket.into())?;
        Ok(UnixListener { file, ..listener })
    }
}

/// A Unix socket's address, for messages.
pub(in crate::net) fn name_of(addr: Option<&SocketAddr>) -> String {
    let path = addr.and_then(SocketAddr::as_pathname);
    path.map_or_else(|| "a Unix socket".to_owned(), |path| path.display().to_string())
}

impl AsFd for UnixListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.registration.io().as_fd()
    }
}

impl AsRawFd for UnixListener {
    fn as_raw_fd(&self) -> RawFd {
        self.registration.io().as_raw_fd()
    }
}

impl fmt::Debug for UnixListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.registration.fmt(f)
    }
}
