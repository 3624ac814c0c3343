//! `Receiver`: the end of a pipe to read from.

use std::fmt;
use std::io::{self, ErrorKind, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::AsyncRead;

use super::end::End;
use crate::io::descriptor::{self, Descriptor};
use crate::runtime::{Direction, Interests};

/// The end of a pipe to read from; of [`pipe`](super::pipe()), of [`open_receiver`](super::open_receiver), or of any descriptor
/// that behaves like one.
///
/// All methods take `&self`. It belongs to the loop on which it was made: it is `Send` and may be dropped anywhere; used
/// elsewhere, each method gives an error that says so. Dropping it closes it, and whoever still writes gets `BrokenPipe`.
///
/// # Examples
///
/// ```
/// use oneloop::io::pipe;
/// use std::process::{Command, Stdio};
///
/// oneloop::run(async {
///     let mut child = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn()?;
///     let stdout = child.stdout.take().expect("it is piped");
///     let receiver = pipe::Receiver::from_owned_fd(stdout)?;
///     let mut text = Vec::new();
///     receiver.read_to_end(&mut text).await?;
///     assert_eq!(text, b"hello\n");
///     child.wait()?;
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[doc(alias = "connect_read_pipe")]
pub struct Receiver {
    registration: End,
}

const WHAT: &str = "pipe::Receiver";

impl Receiver {
    /// Registers a descriptor with this thread's loop: a pipe, a named pipe, a socket or a character device, such as a terminal or
    /// `/dev/zero`.
    /// asyncio's `connect_read_pipe`.
    ///
    /// It is set to non-blocking mode, which all feel who share what it stands for: other processes that have inherited it, and
    /// duplicates. On an error it is closed. For standard input there is [`stdin`](crate::io::stdin).
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a regular file, a directory, or what is not open for reading. If no loop runs here, or the kernel refuses.
    pub fn from_owned_fd(fd: impl Into<OwnedFd>) -> io::Result<Self> {
        let registration = End::adopt(fd.into(), Direction::Read, Interests::Read, WHAT)?;
        Ok(Self { registration })
    }

    /// As [`from_owned_fd`](Self::from_owned_fd), for a pipe that may not have had a writer yet, which a read would take for the
    /// end: the first read waits for an event.
    pub(super) fn before_writers(fd: OwnedFd) -> io::Result<Self> {
        let receiver = Self::from_owned_fd(fd)?;
        let nothing_yet = |_: &Descriptor| Err(ErrorKind::WouldBlock.into());
        match receiver.registration.try_io::<()>(Direction::Read, nothing_yet) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(receiver),
            result => result.map(|()| receiver),
        }
    }

    /// Takes the descriptor off its loop, as it is, in non-blocking mode.
    ///
    /// # Errors
    ///
    /// On another thread than the loop's, or after its end; the descriptor is closed then.
    pub fn into_owned_fd(self) -> io::Result<OwnedFd> {
        Ok(self.registration.into_inner()?.0.into())
    }

    /// Takes the descriptor off its loop, in blocking mode, as other programs expect it: for the standard input of a child.
    ///
    /// # Errors
    ///
    /// As [`into_owned_fd`](Self::into_owned_fd).
    pub fn into_blocking_fd(self) -> io::Result<OwnedFd> {
        let fd = self.into_owned_fd()?;
        descriptor::set_nonblocking(&fd, false)?;
        Ok(fd)
    }

    /// Reads what is there, waiting for something if need be; returns how many bytes. 0: all senders are gone, or `buf` is empty.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has read nothing.
    ///
    /// # Errors
    ///
    /// Those of the kernel; and on another thread than the loop's.
    pub async fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        self.registration.when_ready(Direction::Read, |io| descriptor::read(io, buf)).await
    }

    /// As [`read`](Self::read), into several buffers, one after the other.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has read nothing.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub async fn read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Ok(0);
        }
        self.registration
            .when_ready(Direction::Read, |io| descriptor::read_vectored(io, bufs))
            .await
    }

    /// Fills `buf`.
    ///
    /// # Cancel safety
    ///
    /// None: dropped before it is ready, it has read an unknown part.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` if the senders are gone before; and as [`read`](Self::read). How much was read then is unknown.
    pub async fn read_exact(&self, buf: &mut [u8]) -> io::Result<()> {
        let mut filled = 0;
        while filled < buf.len() {
            match self.read(&mut buf[filled..]).await? {
                0 => {
                    let len = buf.len();
                    let message = format!("the pipe ended after {filled} of {len} bytes");
                    return Err(io::Error::new(ErrorKind::UnexpectedEof, message));
                }
                more => filled += more,
            }
        }
        Ok(())
    }

    /// Appends all to `buf`, until the senders are gone; returns how many bytes. There is no limit: what comes is kept.
    ///
    /// # Cancel safety
    ///
    /// What was read is in `buf`, also when it is dropped before it is ready.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub async fn read_to_end(&self, buf: &mut Vec<u8>) -> io::Result<usize> {
        let start = buf.len();
        let mut append = |io: &_| descriptor::append(io, buf);
        while !self.registration.when_ready(Direction::Read, &mut append).await? {}
        Ok(buf.len() - start)
    }

    /// Reads what is there, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if nothing is there; and as [`read`](Self::read).
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        self.registration.try_io(Direction::Read, |io| descriptor::read(io, buf))
    }

    /// Waits until a read may give something: data, the end, or an error.
    ///
    /// It may be wrong: [`try_read`](Self::try_read) can give `WouldBlock` after it.
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
}

/// One task at a time reads through this trait: the last one that polls is the one that is woken.
impl AsyncRead for &Receiver {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.registration.poll_io(Direction::Read, cx, |io| descriptor::read(io, buf))
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        self.registration.poll_io(Direction::Read, cx, |io| descriptor::read_vectored(io, bufs))
    }
}

/// As for a reference to it.
impl AsyncRead for Receiver {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self).poll_read(cx, buf)
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self).poll_read_vectored(cx, bufs)
    }
}

impl AsFd for Receiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.registration.io().0.as_fd()
    }
}

impl AsRawFd for Receiver {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("fd", &self.as_raw_fd()).finish()
    }
}
