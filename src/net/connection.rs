//! What the streams of TCP and of Unix sockets have in common: how a registered socket is read and written.
//!
//! The streams themselves say what their methods mean, and know what their family alone can do.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsFd;
use std::os::unix::net as unix;

use crate::runtime::{Direction, EventSource, Moved, Registration};

/// The socket of a stream.
#[doc(hidden)]
#[expect(
    unnameable_types,
    reason = "what serves both kinds of streams is bound by it, nobody else"
)]
pub trait Socket: EventSource + AsFd + Send + Sync + 'static {
    /// Whether a short read or write means that the kernel has no more, or no more room: with TCP only.
    const SHORT_MEANS_DRAINED: bool;

    /// To read from, and to write to.
    fn io(&self) -> impl Read + Write;

    /// Closes one side or both.
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    fn shutdown(&self, how: Shutdown) -> io::Result<()>;
}

/// A stream of either kind, for what serves both.
#[doc(hidden)]
#[expect(unnameable_types, reason = "it keeps the halves to the streams that there are")]
pub trait ByteStream {
    /// What is registered.
    type Socket: Socket;
    /// The address of an end.
    type Addr: Addr;

    /// The socket.
    fn registration(&self) -> &Registration<Self::Socket>;

    /// The address of the peer.
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    fn peer_addr(&self) -> io::Result<Self::Addr>;

    /// The address of this side.
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    fn local_addr(&self) -> io::Result<Self::Addr>;

    /// Makes closing it throw away what was not sent, and tell the peer so, if there is a way.
    fn reset_when_closed(&self) {}
}

/// The address of an end of a stream.
#[doc(hidden)]
#[expect(unnameable_types, reason = "it keeps to the kinds of streams that there are")]
pub trait Addr {
    /// As an address of IP, if it is one.
    fn ip(self) -> Option<SocketAddr>;
}

impl Addr for SocketAddr {
    fn ip(self) -> Option<SocketAddr> {
        Some(self)
    }
}

impl Addr for unix::SocketAddr {
    fn ip(self) -> Option<SocketAddr> {
        None
    }
}

/// Reads what is there, waiting for something if need be; 0 is the end.
pub(super) async fn read_some(
    registration: &Registration<impl Socket>,
    buf: &mut [u8],
) -> io::Result<usize> {
    if buf.is_empty() {
        return Ok(0);
    }
    registration.when_ready(Direction::Read, |io| read(io, buf)).await
}

/// Fills `buf`.
pub(super) async fn read_exact(
    registration: &Registration<impl Socket>,
    buf: &mut [u8],
) -> io::Result<()> {
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

/// Writes what the kernel takes, waiting for room if need be.
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
    let mut rest = buf;
    while !rest.is_empty() {
        match registration.when_ready(Direction::Write, |io| write(io, rest)).await? {
            0 => return Err(ErrorKind::WriteZero.into()),
            written => rest = &rest[written..],
        }
    }
    Ok(())
}

/// Closes one side or both; does nothing on a connection that has ended.
pub(super) fn shutdown(io: &impl Socket, how: Shutdown) -> io::Result<()> {
    match io.shutdown(how) {
        // The peer was quicker: what was asked for is the case.
        Err(error) if error.kind() == ErrorKind::NotConnected => Ok(()),
        result => result,
    }
}

/// Nothing is asked for: that is had without waiting, where the kernel would say `WouldBlock`.
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

/// The most buffers that one system call takes; the standard library leaves the rest out.
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

/// Less than was offered, but something, has emptied or filled the socket; 0 is the end, which stays.
fn moved<S: Socket>(value: usize, offered: usize) -> Moved<usize> {
    Moved { value, is_short: S::SHORT_MEANS_DRAINED && 0 < value && value < offered }
}
