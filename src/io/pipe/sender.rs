//! `Sender`: the end of a pipe to write to.

use std::fmt;
use std::io::{self, ErrorKind, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::AsyncWrite;

use super::end::End;
use crate::io::descriptor::{self, Descriptor};
use crate::runtime::{Direction, Interests, Moved};

/// The end of a pipe to write to; of [`pipe`](super::pipe()), of [`open_sender`](super::open_sender), or of any descriptor that
/// behaves like one.
///
/// All methods take `&self`. It belongs to the loop on which it was made: it is `Send` and may be dropped anywhere; used
/// elsewhere, each method gives an error that says so. Dropping it closes it, and the reader comes to the end once it has read all
/// that was written. Through [`AsyncWrite`], `close` does so too.
///
/// When the reader is gone, each write gives `BrokenPipe`, and [`closed`](Self::closed) waits for it. (Rust programs ignore the
/// signal SIGPIPE, which would end them instead.)
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
    /// Registers a descriptor with this thread's loop: a pipe, a named pipe, a socket or a character device, such as a terminal or
    /// `/dev/null`.
    /// asyncio's `connect_write_pipe`.
    ///
    /// It is set to non-blocking mode, which all feel who share what it stands for: other processes that have inherited it, and
    /// duplicates. On an error it is closed. For standard output there is [`stdout`](crate::io::stdout).
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a regular file, a directory, or what is not open for writing. If no loop runs here, or the kernel refuses.
    pub fn from_owned_fd(fd: impl Into<OwnedFd>) -> io::Result<Self> {
        // Nothing is read, but a reader that hangs up is an event of both directions, and of this one nothing else is: `closed`
        // waits for it, and takes no readiness to write away from those who wait for that.
        let registration = End::adopt(fd.into(), Direction::Write, Interests::Both, WHAT)?;
        Ok(Self { registration: Some(registration) })
    }

    /// Takes the descriptor off its loop, as it is, in non-blocking mode.
    ///
    /// # Errors
    ///
    /// On another thread than the loop's, or after its end; the descriptor is closed then. After it was closed through [`AsyncWrite`].
    pub fn into_owned_fd(self) -> io::Result<OwnedFd> {
        let registration = self.registration.ok_or_else(has_been_closed)?;
        Ok(registration.into_inner()?.0.into())
    }

    /// Takes the descriptor off its loop, in blocking mode, as other programs expect it: for the standard output of a child.
    ///
    /// # Errors
    ///
    /// As [`into_owned_fd`](Self::into_owned_fd).
    pub fn into_blocking_fd(self) -> io::Result<OwnedFd> {
        let fd = self.into_owned_fd()?;
        descriptor::set_nonblocking(&fd, false)?;
        Ok(fd)
    }

    /// Writes what the pipe takes, waiting for room if need be; returns how many bytes.
    ///
    /// Up to 512 bytes (`PIPE_BUF`; 4096 on Linux) go in one piece, whoever else writes to the pipe.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has written nothing.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` when the reader is gone; those of the kernel; and on another thread than the loop's.
    pub async fn write(&self, buf: &[u8]) -> io::Result<usize> {
        self.registration()?.when_ready(Direction::Write, |io| descriptor::write(io, buf)).await
    }

    /// As [`write`](Self::write), from several buffers, one after the other, with one system call.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has written nothing.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub async fn write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let write = |io: &_| descriptor::write_vectored(io, bufs);
        self.registration()?.when_ready(Direction::Write, write).await
    }

    /// Writes all of `buf`.
    ///
    /// # Cancel safety
    ///
    /// None: dropped before it is ready, it has written an unknown part.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write). How much was written then is unknown.
    pub async fn write_all(&self, buf: &[u8]) -> io::Result<()> {
        let mut rest = buf;
        while !rest.is_empty() {
            match self.write(rest).await? {
                0 => return Err(ErrorKind::WriteZero.into()),
                written => rest = &rest[written..],
            }
        }
        Ok(())
    }

    /// Writes what the pipe takes now, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if it takes nothing; and as [`write`](Self::write).
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.registration()?.try_io(Direction::Write, |io| descriptor::write(io, buf))
    }

    /// Waits until a write may do something.
    ///
    /// It may be wrong: [`try_write`](Self::try_write) can give `WouldBlock` after it.
    ///
    /// # Cancel safety
    ///
    /// It changes nothing.
    ///
    /// # Errors
    ///
    /// On another thread than the loop's.
    pub async fn writable(&self) -> io::Result<()> {
        self.registration()?.ready(Direction::Write).await
    }

    /// Waits until nobody can read any more what is written. What asyncio tells a protocol as `connection_lost`.
    ///
    /// A named pipe may get another reader later.
    ///
    /// # Cancel safety
    ///
    /// It changes nothing.
    ///
    /// # Errors
    ///
    /// On another thread than the loop's.
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

/// One task at a time writes through this trait: the last one that polls is the one that is woken. `close` closes the
/// descriptor, so that the reader comes to the end; what was written stays.
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
        // The kernel has everything already.
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.registration = None;
        Poll::Ready(Ok(()))
    }
}

/// # Panics
///
/// After it was closed through [`AsyncWrite`].
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
/// After it was closed through [`AsyncWrite`].
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
