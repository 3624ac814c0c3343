//! `Sender`: the writing end of a pipe.

use std::fmt;
use std::io::{self, ErrorKind, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::AsyncWrite;

use super::end::End;
use crate::io::descriptor::{self, Descriptor};
use crate::io::foreign::foreign_write;
use crate::runtime::{Direction, Interests, Moved, spend_if_empty};

/// The writing end of a pipe: from [`pipe`](super::pipe()), from
/// [`open_sender`](super::open_sender), or made from any descriptor that behaves like one.
///
/// All methods take `&self`. A sender belongs to the loop on which it was created. It is `Send` and
/// may be dropped anywhere, but on another thread each method returns an error that says so.
/// Dropping it closes the pipe, and the reader reaches the end after reading all written bytes. So
/// does `close` through [`AsyncWrite`].
///
/// Once the reader is gone, each write returns `BrokenPipe`; [`closed`](Self::closed) waits for
/// that moment. (Rust programs ignore the signal SIGPIPE, which would otherwise kill them.)
///
/// # Examples
///
/// ```
/// use oneloop::io::{ErrorKind, pipe};
///
/// oneloop::run(async {
///     let (sender, receiver) = pipe::pipe()?;
///     drop(receiver);
///     sender.closed().await?;
///     assert_eq!(sender.write(b"hello?").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[doc(alias = "connect_write_pipe")]
pub struct Sender {
    /// `None` after `poll_close`.
    registration: Option<End>,
}

const WHAT: &str = "pipe::Sender";

impl Sender {
    /// Registers a descriptor with this thread's loop: a pipe, a named pipe, a socket or a
    /// character device, such as a terminal or `/dev/null`. asyncio's `connect_write_pipe`.
    ///
    /// The descriptor is set to non-blocking mode. This affects everyone who shares the open file:
    /// duplicates, and other processes that inherited it. On an error the descriptor is closed. For
    /// standard output, use [`stdout`](crate::io::stdout).
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a regular file, a directory, or a descriptor that is not open for
    /// writing. Also fails if no loop runs here, or if the kernel refuses.
    pub fn from_owned_fd(fd: impl Into<OwnedFd>) -> io::Result<Self> {
        // A sender reads nothing, but a reader that hangs up is an event of both directions, and
        // the only event of the reading direction. `closed` waits for that one, so it takes no
        // write readiness away from tasks that write.
        let registration = End::adopt(fd.into(), Direction::Write, Interests::Both, WHAT)?;
        Ok(Self { registration: Some(registration) })
    }

    /// Like [`from_owned_fd`](Self::from_owned_fd), for a pipe to a child process: virtual time
    /// stands still while this end waits.
    pub(crate) fn of_child(fd: OwnedFd) -> io::Result<Self> {
        let end = Self::from_owned_fd(fd)?;
        if let Some(registration) = &end.registration {
            registration.set_outside();
        }
        Ok(end)
    }

    /// Removes the descriptor from its loop. It stays in non-blocking mode.
    ///
    /// # Errors
    ///
    /// Fails on another thread than the loop's, or after the loop has ended; the descriptor is then
    /// closed. Also fails after a close through [`AsyncWrite`].
    pub fn into_owned_fd(self) -> io::Result<OwnedFd> {
        let registration = self.registration.ok_or_else(has_been_closed)?;
        Ok(registration.into_inner()?.0.into())
    }

    /// Removes the descriptor from its loop and sets it to blocking mode, as other programs expect
    /// it; use it for the standard output of a child.
    ///
    /// # Errors
    ///
    /// The errors of [`into_owned_fd`](Self::into_owned_fd).
    pub fn into_blocking_fd(self) -> io::Result<OwnedFd> {
        let fd = self.into_owned_fd()?;
        descriptor::set_nonblocking(&fd, false)?;
        Ok(fd)
    }

    /// Writes as many bytes as the pipe accepts, waiting for room if there is none. Returns the
    /// number of bytes written.
    ///
    /// Writes of up to 512 bytes (`PIPE_BUF`; 4096 on Linux) are atomic: other writers' bytes never
    /// end up in between.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has written nothing.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` once the reader is gone; any other error of the kernel. Also fails on another
    /// thread than the loop's.
    pub async fn write(&self, buf: &[u8]) -> io::Result<usize> {
        self.registration()?.when_ready(Direction::Write, |io| descriptor::write(io, buf)).await
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
        let write = |io: &_| descriptor::write_vectored(io, bufs);
        self.registration()?.when_ready(Direction::Write, write).await
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
        spend_if_empty(buf).await;
        let mut rest = buf;
        while !rest.is_empty() {
            match self.write(rest).await? {
                0 => return Err(ErrorKind::WriteZero.into()),
                written => rest = &rest[written..],
            }
        }
        Ok(())
    }

    /// Writes as many bytes as the pipe accepts now, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if it accepts none; otherwise the errors of [`write`](Self::write).
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.registration()?.try_io(Direction::Write, |io| descriptor::write(io, buf))
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
        self.registration()?.ready(Direction::Write).await
    }

    /// Waits until no reader is left. asyncio reports this to a protocol as `connection_lost`.
    ///
    /// A named pipe may get another reader later.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing.
    ///
    /// # Errors
    ///
    /// Fails on another thread than the loop's.
    pub async fn closed(&self) -> io::Result<()> {
        let hung_up = |io: &Descriptor| {
            if descriptor::has_hung_up(&io.0)? {
                return Ok(Moved { value: (), is_short: false });
            }
            Err(ErrorKind::WouldBlock.into())
        };
        self.registration()?.when_ready(Direction::Read, hung_up).await
    }

    fn registration(&self) -> io::Result<&End> {
        self.registration.as_ref().ok_or_else(has_been_closed)
    }
}

fn has_been_closed() -> io::Error {
    io::Error::new(ErrorKind::BrokenPipe, "this pipe::Sender has been closed")
}

/// Only one task at a time can write through this trait: the last task to poll is the one woken.
/// `close` closes the descriptor, so the reader reaches the end after reading all written bytes.
impl AsyncWrite for Sender {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.registration()?.poll_io(Direction::Write, cx, |io| descriptor::write(io, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let write = |io: &_| descriptor::write_vectored(io, bufs);
        self.registration()?.poll_io(Direction::Write, cx, write)
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The kernel already has all the data.
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.registration = None;
        Poll::Ready(Ok(()))
    }
}

foreign_write!(vectored: true, [] Sender);

/// # Panics
///
/// Panics after a close through [`AsyncWrite`].
impl AsFd for Sender {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.registration {
            Some(registration) => registration.io().0.as_fd(),
            None => panic!("{}", has_been_closed()),
        }
    }
}

/// # Panics
///
/// Panics after a close through [`AsyncWrite`].
impl AsRawFd for Sender {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fd = self.registration.as_ref().map(|registration| registration.io().0.as_raw_fd());
        f.debug_struct("Sender").field("fd", &fd).finish()
    }
}
