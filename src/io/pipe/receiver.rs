//! `Receiver`: the reading end of a pipe.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::AsyncRead;

use super::end::End;
use crate::io::descriptor::{self, Descriptor};
use crate::io::foreign::foreign_read;
use crate::runtime::{Direction, Interests, poll_no_bytes, spend_if_empty};

/// The reading end of a pipe: from [`pipe`](super::pipe()), from
/// [`open_receiver`](super::open_receiver), or made from any descriptor that behaves like one.
///
/// All methods take `&self`. A receiver belongs to the loop on which it was created. It is `Send`
/// and may be dropped anywhere, but on another thread each method returns an error that says so.
/// Dropping it closes the pipe, and writers then get `BrokenPipe`.
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
    /// Registers a descriptor with this thread's loop: a pipe, a named pipe, a socket or a
    /// character device, such as a terminal or `/dev/zero`. asyncio's `connect_read_pipe`.
    ///
    /// The descriptor is set to non-blocking mode. This affects everyone who shares the open file:
    /// duplicates, and other processes that inherited it. On an error the descriptor is closed. For
    /// standard input, use [`stdin`](crate::io::stdin).
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a regular file, a directory, or a descriptor that is not open for
    /// reading. Also fails if no loop runs here, or if the kernel refuses.
    pub fn from_owned_fd(fd: impl Into<OwnedFd>) -> io::Result<Self> {
        let registration = End::adopt(fd.into(), Direction::Read, Interests::Read, WHAT)?;
        Ok(Self { registration })
    }

    /// Like [`from_owned_fd`](Self::from_owned_fd), for a pipe to a child process: virtual time
    /// stands still while this end waits.
    pub(crate) fn of_child(fd: OwnedFd) -> io::Result<Self> {
        let end = Self::from_owned_fd(fd)?;
        end.set_outside();
        Ok(end)
    }

    /// The senders are in a child process: virtual time stands still while this end waits.
    pub(crate) fn set_outside(&self) {
        self.registration.set_outside();
    }

    /// Like [`from_owned_fd`](Self::from_owned_fd), for a pipe that may not have had a writer yet.
    /// A read would take that for the end, so the first read waits for an event.
    pub(super) fn before_writers(fd: OwnedFd) -> io::Result<Self> {
        let receiver = Self::from_owned_fd(fd)?;
        let nothing_yet = |_: &Descriptor| Err(ErrorKind::WouldBlock.into());
        match receiver.registration.try_io::<()>(Direction::Read, nothing_yet) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(receiver),
            result => result.map(|()| receiver),
        }
    }

    /// Removes the descriptor from its loop. It stays in non-blocking mode.
    ///
    /// # Errors
    ///
    /// Fails on another thread than the loop's, or after the loop has ended; the descriptor is then
    /// closed.
    pub fn into_owned_fd(self) -> io::Result<OwnedFd> {
        Ok(self.registration.into_inner()?.0.into())
    }

    /// Removes the descriptor from its loop and sets it to blocking mode, as other programs expect
    /// it; use it for the standard input of a child.
    ///
    /// # Errors
    ///
    /// The errors of [`into_owned_fd`](Self::into_owned_fd).
    pub fn into_blocking_fd(self) -> io::Result<OwnedFd> {
        let fd = self.into_owned_fd()?;
        descriptor::set_nonblocking(&fd, false)?;
        Ok(fd)
    }

    /// Reads the available bytes, waiting for some if there are none. Returns the number of bytes
    /// read: 0 if all senders are gone, or if `buf` is empty.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has read nothing.
    ///
    /// # Errors
    ///
    /// Any error of the kernel. Also fails on another thread than the loop's.
    pub async fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return poll_fn(poll_no_bytes).await;
        }
        self.registration.when_ready(Direction::Read, |io| descriptor::read(io, buf)).await
    }

    /// Like [`read`](Self::read), but into several buffers, one after the other.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has read nothing.
    ///
    /// # Errors
    ///
    /// The errors of [`read`](Self::read).
    pub async fn read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        if bufs.iter().all(|buf| buf.is_empty()) {
            return poll_fn(poll_no_bytes).await;
        }
        self.registration
            .when_ready(Direction::Read, |io| descriptor::read_vectored(io, bufs))
            .await
    }

    /// Fills `buf`.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: if dropped before it is ready, it has read an unknown number of bytes.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` if the senders are gone first; otherwise the errors of [`read`](Self::read).
    /// After an error, the number of bytes read is unknown.
    pub async fn read_exact(&self, buf: &mut [u8]) -> io::Result<()> {
        spend_if_empty(buf).await;
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

    /// Appends everything to `buf` until all senders are gone. Returns the number of bytes read.
    /// There is no limit: all arriving bytes are kept.
    ///
    /// # Cancel safety
    ///
    /// The bytes read are in `buf`, even if this is dropped before it is ready.
    ///
    /// # Errors
    ///
    /// The errors of [`read`](Self::read).
    pub async fn read_to_end(&self, buf: &mut Vec<u8>) -> io::Result<usize> {
        let start = buf.len();
        let mut append = |io: &_| descriptor::append(io, buf);
        while !self.registration.when_ready(Direction::Read, &mut append).await? {}
        Ok(buf.len() - start)
    }

    /// Reads the available bytes without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there are none; otherwise the errors of [`read`](Self::read).
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        self.registration.try_io(Direction::Read, |io| descriptor::read(io, buf))
    }

    /// Waits until a read may yield data, the end, or an error.
    ///
    /// False positives are possible: [`try_read`](Self::try_read) may still return `WouldBlock`.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing.
    ///
    /// # Errors
    ///
    /// Fails on another thread than the loop's.
    pub async fn readable(&self) -> io::Result<()> {
        self.registration.ready(Direction::Read).await
    }
}

/// Only one task at a time can read through this trait: the last task to poll is the one woken.
impl AsyncRead for &Receiver {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return poll_no_bytes(cx);
        }
        self.registration.poll_io(Direction::Read, cx, |io| descriptor::read(io, buf))
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        if bufs.iter().all(|buf| buf.is_empty()) {
            return poll_no_bytes(cx);
        }
        self.registration.poll_io(Direction::Read, cx, |io| descriptor::read_vectored(io, bufs))
    }
}

/// Behaves like the implementation for `&Receiver`.
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

foreign_read!([] & Receiver);
foreign_read!([] Receiver);

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
