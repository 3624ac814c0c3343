//! `UnixListener`.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::{SocketAddr, UnixListener as StdListener};
use std::path::Path;
use std::task::{Context, Poll};

use mio::net::{UnixListener as ListenerSocket, UnixStream as StreamSocket};
use socket2::{Socket, Type};

use super::UnixStream;
use super::file::{self, FileOptions, SocketFile};
use crate::net::accept::{Incoming, IntoIncoming, Listener, SharedAccepting, accept};
use crate::runtime::{Interests, Registration};

/// A Unix socket that listens for connections: at a path or, on Linux, at an abstract name.
///
/// A listener belongs to the loop on which it was created; see
/// [`TcpStream`](crate::net::TcpStream). Several tasks may accept from one listener. Dropping it
/// removes the file at its path, unless another file has replaced it.
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
    // Before the socket, so that a peer finds either no file or a listening socket.
    file: Option<SocketFile>,
    registration: Registration<ListenerSocket>,
    accepting: SharedAccepting,
}

const WHAT: &str = "UnixListener";

impl UnixListener {
    /// Listens at `path`.
    ///
    /// If `path` is a socket on which no process listens any more, its file is replaced. If the
    /// socket is in use, or the file is not a socket, it stays; asyncio replaces every socket. To
    /// find out, this makes a connection to the socket and closes it at once. For other options,
    /// use [`builder`](Self::builder).
    ///
    /// # Errors
    ///
    /// `AddrInUse` if the socket is in use or another file is in the way; `InvalidInput` if the
    /// path is too long (107 bytes on Linux); `NotFound` or `PermissionDenied` for the directory.
    /// The message contains the path. Also fails if no loop runs here.
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

    /// Listens at `addr`: a path, or an abstract name, which disappears with the listener.
    ///
    /// # Errors
    ///
    /// The errors of [`bind`](Self::bind); `InvalidInput` for an unnamed address.
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

    /// Returns a builder for a listener with options.
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

    /// Waits for a connection. Returns it with the peer's address, which is usually unnamed.
    ///
    /// If the process or the system has no descriptors left, this waits and tries again, like
    /// [`TcpListener::accept`](crate::net::TcpListener::accept).
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has accepted nothing.
    ///
    /// # Errors
    ///
    /// Permanent errors of the kernel, because the socket no longer listens. Also fails on another
    /// thread than the loop's.
    pub async fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        accept(self).await
    }

    /// [`accept`](Self::accept) for hand-written futures. The last task to poll is the one woken.
    ///
    /// # Errors
    ///
    /// The errors of [`accept`](Self::accept).
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(UnixStream, SocketAddr)>> {
        self.accepting.poll_next(self, cx)
    }

    /// Returns the connections, one after the other, without end.
    pub fn incoming(&self) -> Incoming<'_, Self> {
        Incoming::new(self)
    }

    /// Turns the listener into a stream of its connections, like
    /// [`TcpListener::into_incoming`](crate::net::TcpListener::into_incoming).
    pub fn into_incoming(self) -> IntoIncoming<Self> {
        IntoIncoming::new(self)
    }

    /// Returns the address at which it listens.
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.registration.io().local_addr()
    }

    /// Registers a listener of the standard library with this thread's loop, and sets it to
    /// non-blocking mode. Its file is never removed.
    ///
    /// # Errors
    ///
    /// Fails if no loop runs here, or the kernel refuses.
    pub fn from_std(listener: StdListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let listener = ListenerSocket::from_std(listener);
        let registration = Registration::new(listener, Interests::Read, WHAT)?;
        Ok(Self { file: None, registration, accepting: SharedAccepting::default() })
    }

    /// Removes the listener from its loop and sets it to blocking mode, the standard library's
    /// default. The file stays.
    ///
    /// # Errors
    ///
    /// Fails on another thread than the loop's, or after the loop has ended; the listener is then
    /// closed.
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
        // mio reports only paths; an abstract name has to be requested.
        let addr = if addr.is_unnamed() { stream.peer_addr().unwrap_or(addr) } else { addr };
        Ok((stream, addr))
    }

    fn register(accepted: StreamSocket) -> io::Result<UnixStream> {
        UnixStream::register(accepted)
    }
}

/// Options for a [`UnixListener`].
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until `bind`"]
pub struct UnixListenerBuilder {
    backlog: u32,
    file: FileOptions,
}

impl UnixListenerBuilder {
    /// Sets how many connections may wait to be accepted. The default is 1024. The kernel has a
    /// limit of its own.
    pub fn backlog(mut self, backlog: u32) -> Self {
        self.backlog = backlog;
        self
    }

    /// Sets the file's permissions, as in `0o660`. By default, they are those that the process's
    /// umask leaves. They are set before any peer can connect.
    pub fn mode(mut self, mode: u32) -> Self {
        self.file.mode = Some(mode);
        self
    }

    /// Whether to replace the file of a socket on which no process listens any more. On by default.
    pub fn remove_stale(mut self, remove: bool) -> Self {
        self.file.remove_stale = remove;
        self
    }

    /// Whether dropping the listener removes the file. On by default. Asyncio's `cleanup_socket`.
    pub fn remove_on_drop(mut self, remove: bool) -> Self {
        self.file.remove_on_drop = remove;
        self
    }

    /// Listens at `path`.
    ///
    /// # Errors
    ///
    /// The errors of [`UnixListener::bind`].
    pub fn bind(self, path: impl AsRef<Path>) -> io::Result<UnixListener> {
        self.listen(file::bind(path.as_ref(), Type::STREAM, &self.file)?)
    }

    /// Listens at `addr`.
    ///
    /// # Errors
    ///
    /// The errors of [`UnixListener::bind_addr`].
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
fn name_of(addr: Option<&SocketAddr>) -> String {
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
