//! The target of a `StreamWriter`: any `AsyncWrite`, plus operations that only connections have.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use futures_io::AsyncWrite;
use pin_project_lite::pin_project;
use socket2::SockRef;

use super::send_file::Chunk;

/// A stream to write to. `poll_close` ends its direction; a connection can still be read from.
///
/// The layers above implement this trait for their connections. `Plain` implements it for any other
/// `AsyncWrite`.
pub(crate) trait Transport: AsyncWrite {
    /// Writes as much as the stream accepts now. Wakes no task when it accepts more.
    fn try_write(self: Pin<&mut Self>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write(&mut Context::from_waker(Waker::noop()), data)
    }

    /// Whether the writes of one poll are sent together, because each write is a system call.
    fn combines(&self) -> bool {
        false
    }

    /// Lets the kernel copy a part of `chunk`. Returns the number of bytes, 0 at the end of the
    /// file, or `None` if the kernel cannot.
    fn poll_copy(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        _chunk: &Chunk<'_>,
    ) -> Poll<io::Result<Option<usize>>> {
        Poll::Ready(Ok(None))
    }

    /// Closes both directions: a reader of the same connection sees the end. All data must have
    /// been written and flushed.
    fn poll_close_both(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_close(cx)
    }

    /// Closes at once. Unsent data is lost. If the stream has a way to tell, the peer can
    /// distinguish this from an orderly end.
    fn abort(self: Pin<&mut Self>) {}

    /// Returns the peer's address, also after the connection has ended.
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Err(no_address())
    }

    /// Returns the local address.
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Err(no_address())
    }

    /// Lends the socket to `f`, which is called unless an error is returned.
    fn with_socket(&self, _f: &mut dyn FnMut(SockRef<'_>)) -> io::Result<()> {
        let what = "the stream of this writer is not a connection with a socket";
        Err(io::Error::new(ErrorKind::Unsupported, what))
    }
}

/// The error of streams that are not IP connections.
pub(crate) fn no_address() -> io::Error {
    io::Error::new(ErrorKind::Unsupported, "the stream of this writer has no IP address")
}

pin_project! {
    /// A writer that is not a connection.
    pub(super) struct Plain<W> {
        #[pin]
        writer: W,
        is_closed: bool,
    }
}

impl<W> Plain<W> {
    pub(super) fn of(writer: W) -> Self {
        Self { writer, is_closed: false }
    }
}

impl<W: AsyncWrite> AsyncWrite for Plain<W> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.project().writer.poll_write(cx, data)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().writer.poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.project();
        // This is called once for the end of writing and once for the end of everything, but not
        // every writer can be closed twice.
        if !*this.is_closed {
            ready!(this.writer.poll_close(cx))?;
            *this.is_closed = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl<W: AsyncWrite> Transport for Plain<W> {}
