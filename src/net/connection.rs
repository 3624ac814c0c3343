//! Code shared by TCP and Unix streams: reads and writes a registered socket.
//!
//! The streams themselves document their methods, and implement what only their family can do.

use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::{Shutdown, SocketAddr};

use crate::runtime::{Direction, Moved, Registration, poll_no_bytes, spend_if_empty};
use crate::sys::edges::EventSource;
use crate::sys::sockets::AsSocket;

/// The socket of a stream.
#[doc(hidden)]
#[expect(
    unnameable_types,
    reason = "only the code that serves both kinds of streams is bound by it"
)]
pub trait Socket: EventSource + AsSocket + Send + Sync + 'static {
    /// Whether a short read or write means that the kernel has no more data or room. True only for
    /// TCP.
    const SHORT_MEANS_DRAINED: bool;

    /// Returns the object to read from and write to.
    fn io(&self) -> impl Read + Write;

    /// Closes one side or both.
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    fn shutdown(&self, how: Shutdown) -> io::Result<()>;
}

/// A stream of either kind, for code that serves both.
#[doc(hidden)]
#[expect(unnameable_types, reason = "it keeps the halves to the streams that there are")]
pub trait ByteStream {
    /// The type that is registered.
    type Socket: Socket;
    /// The address of an end.
    type Addr: Addr;

    /// Returns the registered socket.
    fn registration(&self) -> &Registration<Self::Socket>;

    /// Returns the peer's address.
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    fn peer_addr(&self) -> io::Result<Self::Addr>;

    /// Returns the local address.
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    fn local_addr(&self) -> io::Result<Self::Addr>;

    /// Makes closing discard unsent data and tell the peer so, if there is a way.
    fn reset_when_closed(&self) {}
}

/// The address of an end of a stream.
#[doc(hidden)]
#[expect(unnameable_types, reason = "it keeps to the kinds of streams that there are")]
pub trait Addr {
    /// Returns the IP address, if this is one.
    fn ip(self) -> Option<SocketAddr>;
}

impl Addr for SocketAddr {
    fn ip(self) -> Option<SocketAddr> {
        Some(self)
    }
}

/// Reads the available bytes, waiting for some if there are none. Returns 0 at the end.
pub(super) async fn read_some(
    registration: &Registration<impl Socket>,
    buf: &mut [u8],
) -> io::Result<usize> {
    if buf.is_empty() {
        return poll_fn(poll_no_bytes).await;
    }
    registration.when_ready(Direction::Read, |io| read(io, buf)).await
}

/// Fills `buf`.
pub(super) async fn read_exact(
    registration: &Registration<impl Socket>,
    buf: &mut [u8],
) -> io::Result<()> {
    spend_if_empty(buf).await;
    let mut filled = 0;
    while filled < buf.len() {
        let rest = &mut buf[filled..];
        match registration.when_ready(Direction::Read, |io| read(io, rest)).await? {
            0 => {
                let len = buf.len();
                let message = format!("the connection ended after {filled} of {len} bytes");
                return Err(io::Error::new(ErrorKind::UnexpectedEof, message));
            }
            more => filled += more,
        }
    }
    Ok(())
}

/// Writes as many bytes as the kernel accepts, waiting for room if there is none.
pub(super) async fn write_some(
    registration: &Registration<impl Socket>,
    buf: &[u8],
) -> io::Result<usize> {
    registration.when_ready(Direction::Write, |io| write(io, buf)).await
}

/// Writes all of `buf`.
pub(super) async fn write_all(
    registration: &Registration<impl Socket>,
    buf: &[u8],
) -> io::Result<()> {
    spend_if_empty(buf).await;
    let mut rest = buf;
    while !rest.is_empty() {
        match registration.when_ready(Direction::Write, |io| write(io, rest)).await? {
            0 => return Err(ErrorKind::WriteZero.into()),
            written => rest = &rest[written..],
        }
    }
    Ok(())
}

/// Closes one side or both. Does nothing on a connection that has ended.
pub(super) fn shutdown(io: &impl Socket, how: Shutdown) -> io::Result<()> {
    match io.shutdown(how) {
        // The peer was faster: the connection is already in the requested state.
        Err(error) if error.kind() == ErrorKind::NotConnected => Ok(()),
        result => result,
    }
}

/// Whether a read requests no bytes. Such a read succeeds without waiting, where the kernel would
/// return `WouldBlock`.
pub(super) fn are_empty(bufs: &[IoSliceMut<'_>]) -> bool {
    bufs.iter().all(|buf| buf.is_empty())
}

pub(super) fn read<S: Socket>(io: &S, buf: &mut [u8]) -> io::Result<Moved<usize>> {
    let value = io.io().read(buf)?;
    Ok(moved::<S>(value, buf.len()))
}

pub(super) fn read_vectored<S: Socket>(
    io: &S,
    bufs: &mut [IoSliceMut<'_>],
) -> io::Result<Moved<usize>> {
    let len = bufs.iter().take(BUFS_MAX).map(|buf| buf.len()).sum();
    let value = io.io().read_vectored(bufs)?;
    Ok(moved::<S>(value, len))
}

/// The most buffers that one system call takes; the standard library ignores the rest.
const BUFS_MAX: usize = 1024;

pub(super) fn write<S: Socket>(io: &S, buf: &[u8]) -> io::Result<Moved<usize>> {
    let value = io.io().write(buf)?;
    Ok(moved::<S>(value, buf.len()))
}

pub(super) fn write_vectored<S: Socket>(io: &S, bufs: &[IoSlice<'_>]) -> io::Result<Moved<usize>> {
    let len = bufs.iter().take(BUFS_MAX).map(|buf| buf.len()).sum();
    let value = io.io().write_vectored(bufs)?;
    Ok(moved::<S>(value, len))
}

/// A short, non-empty transfer has drained or filled the socket. 0 is the end, which persists.
fn moved<S: Socket>(value: usize, offered: usize) -> Moved<usize> {
    Moved { value, is_short: S::SHORT_MEANS_DRAINED && 0 < value && value < offered }
}
