//! What a `StreamWriter` writes to: any `AsyncWrite`, and what only connections can do besides.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use futures_io::AsyncWrite;
use pin_project_lite::pin_project;

use super::send_file::Chunk;

/// A stream to write to. `poll_close` ends its direction; a connection can still be read from.
///
/// The layers above implement it for their connections; `Plain` makes one of anything else.
pub(crate) trait Transport: AsyncWrite {
    /// Writes what it takes now. Nobody is woken when it takes more.
    fn try_write(self: Pin<&mut Self>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write(&mut Context::from_waker(Waker::noop()), data)
    }

    /// Whether the writes of one poll are sent together: each write is a system call.
    fn combines(&self) -> bool {
        false
    }

    /// Has the kernel copy some of `chunk`; how many bytes, 0 at the end of the file. `None`: it cannot.
    fn poll_copy(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        _chunk: &Chunk<'_>,
    ) -> Poll<io::Result<Option<usize>>> {
        Poll::Ready(Ok(None))
    }

    /// Closes both directions: a reader of the same connection sees the end. All was written and flushed before.
    fn poll_close_both(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_close(cx)
    }

    /// Closes it at once. What was not sent is lost, and the peer can tell that from an orderly end, if there is a way.
    fn abort(self: Pin<&mut Self>) {}

    /// The address of the peer, also after the end of the connection.
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Err(no_address())
    }

    /// The address of this side.
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Err(no_address())
    }

    /// Lends its descriptor to `f`, which is called if this is no error.
    fn with_fd(&self, _f: &mut dyn FnMut(BorrowedFd<'_>)) -> io::Result<()> {
        let what = "what is written to here is no connection with a descriptor";
        Err(io::Error::new(ErrorKind::Unsupported, what))
    }
}

/// The error of what is no connection of IP.
pub(crate) fn no_address() -> io::Error {
    io::Error::new(ErrorKind::Unsupported, "what is written to here has no IP address")
}

pin_project! {
    /// Something to write to that is no connection.
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
        // Once for the end of writing, and once for the end of all: not everything can be closed twice.
        if !*this.is_closed {
            ready!(this.writer.poll_close(cx))?;
            *this.is_closed = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl<W: AsyncWrite> Transport for Plain<W> {}
