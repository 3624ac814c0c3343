//! `AsyncFd`: any descriptor, waited for by the loop.

use std::fmt;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::task::{Context, Poll};

use nix::fcntl::OFlag;

use crate::io::descriptor;
use crate::runtime::{Direction, FdSource, Interests, Moved, Registration};

/// Any descriptor that can be waited for: a terminal, a device, an inotify, timer or event descriptor, a socket of a kind that
/// oneloop has no type for, the connection of a C library.
///
/// `T` owns the descriptor or borrows it: `AsyncFd::new(&socket)`. With [`read_with`](Self::read_with) and
/// [`write_with`](Self::write_with) any system call waits until it can be done, as asyncio's `loop.sock_recv` and its kin do.
/// Where another library does the calls, [`readable`](Self::readable) and [`writable`](Self::writable) say when. Where `&T`
/// can read and write, as `&File` does, this implements [`AsyncRead`](crate::io::AsyncRead) and [`AsyncWrite`](crate::io::AsyncWrite).
///
/// It belongs to the loop on which it was made: it is `Send` if `T` is, and may be dropped anywhere; used elsewhere, each method
/// gives an error that says so. Dropping it drops `T`, after the loop has forgotten it.
///
/// # Examples
///
/// ```
/// use nix::sys::time::TimeSpec;
/// use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
/// use oneloop::io::{self, AsyncFd, Interest};
///
/// oneloop::run(async {
///     let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC)?;
///     let soon = Expiration::OneShot(TimeSpec::new(0, 1_000_000));
///     timer.set(soon, TimerSetTimeFlags::empty())?;
///
///     let timer = AsyncFd::with_interest(timer, Interest::Read)?;
///     timer.read_with(|timer| Ok(timer.wait()?)).await?;
///     io::Result::Ok(())
/// })?;
/// # io::Result::Ok(())
/// ```
pub struct AsyncFd<T: AsFd> {
    registration: Registration<FdSource<T>>,
    interest: Interest,
    /// It was in blocking mode before, and is again when it is taken out.
    was_blocking: bool,
}

/// What an [`AsyncFd`] is to wait for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interest {
    /// Data to read, or the end.
    Read,
    /// Room to write.
    Write,
    /// Both, each on its own.
    Both,
}

const WHAT: &str = "AsyncFd";

impl<T: AsFd> AsyncFd<T> {
    /// Registers `io` with this thread's loop, for both directions, and sets it to non-blocking mode.
    ///
    /// All feel that mode who share what the descriptor stands for: other processes that have inherited it, and duplicates. It
    /// stays on when this is dropped, since those may need it by now; [`into_inner`](Self::into_inner) gives the former one back.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for what there is nothing to wait for, such as a regular file (use [`fs`](crate::fs)), and for a descriptor
    /// that is registered already: share its `AsyncFd`, or register a duplicate. If no loop runs here, or the kernel refuses.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::io::AsyncFd;
    /// use std::io::{Read, Write};
    /// use std::os::unix::net::UnixStream;
    ///
    /// oneloop::run(async {
    ///     let (mut one, other) = UnixStream::pair()?;
    ///     let other = AsyncFd::new(other)?;
    ///     one.write_all(b"hello")?;
    ///     let mut buf = [0; 16];
    ///     let len = other.read_with(|mut stream| stream.read(&mut buf)).await?;
    ///     assert_eq!(&buf[..len], b"hello");
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn new(io: T) -> io::Result<Self> {
        Self::with_interest(io, Interest::Both)
    }

    /// As [`new`](Self::new), for one direction, so that nothing wakes the loop in the other one.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_interest(io: T, interest: Interest) -> io::Result<Self> {
        let was_blocking = !descriptor::flags(&io)?.contains(OFlag::O_NONBLOCK);
        let mut registered = Self::watch(io, interest)?;
        if was_blocking {
            descriptor::set_nonblocking(registered.get_ref(), true)?;
            registered.was_blocking = true;
        }
        Ok(registered)
    }

    /// As [`with_interest`](Self::with_interest), and leaves the mode of the descriptor as it is: for one that another library reads
    /// and writes, or other processes.
    ///
    /// In blocking mode an operation for which nothing is ready holds up the whole loop: call it only when
    /// [`readable`](Self::readable) or [`writable`](Self::writable) has said that it is.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn watch(io: T, interest: Interest) -> io::Result<Self> {
        let interests = match interest {
            Interest::Read => Interests::Read,
            Interest::Write => Interests::Write,
            Interest::Both => Interests::Both,
        };
        let registration = Registration::new(FdSource(io), interests, WHAT)
            .map_err(|error| descriptor::explain(error, WHAT))?;
        Ok(Self { registration, interest, was_blocking: false })
    }

    /// What was registered. To close it, drop the `AsyncFd`.
    pub fn get_ref(&self) -> &T {
        &self.registration.io().0
    }

    /// Takes it off its loop, in the mode that it had before; duplicates have that, too.
    ///
    /// # Errors
    ///
    /// On another thread than the loop's, or after its end; it is dropped then.
    pub fn into_inner(self) -> io::Result<T> {
        let io = self.registration.into_inner()?.0;
        if self.was_blocking {
            descriptor::set_nonblocking(&io, false)?;
        }
        Ok(io)
    }

    /// Waits until a read would not have to wait: for data, the end, or an error. As the kernel says at that moment, however much
    /// was read meanwhile, and by whom.
    ///
    /// # Cancel safety
    ///
    /// It changes nothing.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if it is registered for writing only. Those of the kernel; and on another thread than the loop's.
    pub async fn readable(&self) -> io::Result<()> {
        self.operate(Direction::Read, is_ready(Direction::Read)).await
    }

    /// Waits until a write would not have to wait, as [`readable`](Self::readable) does for a read.
    ///
    /// # Cancel safety
    ///
    /// It changes nothing.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if it is registered for reading only. Those of the kernel; and on another thread than the loop's.
    pub async fn writable(&self) -> io::Result<()> {
        self.operate(Direction::Write, is_ready(Direction::Write)).await
    }

    /// [`readable`](Self::readable) for a future written by hand. The last one who polls is the one who is woken.
    ///
    /// # Errors
    ///
    /// As [`readable`](Self::readable).
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(Direction::Read)?;
        self.registration.poll_io(Direction::Read, cx, is_ready(Direction::Read))
    }

    /// [`writable`](Self::writable) for a future written by hand. The last one who polls is the one who is woken.
    ///
    /// # Errors
    ///
    /// As [`writable`](Self::writable).
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(Direction::Write)?;
        self.registration.poll_io(Direction::Write, cx, is_ready(Direction::Write))
    }

    /// Does `operation`, which reads, as soon as it does not give `WouldBlock`. It is tried at once, and again when there is
    /// something to read.
    ///
    /// Until then it must have done nothing: as each system call on a descriptor in non-blocking mode.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has done nothing.
    ///
    /// # Errors
    ///
    /// Those of `operation`, and as [`readable`](Self::readable).
    #[doc(alias = "async_io")]
    pub async fn read_with<R>(
        &self,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.operate(Direction::Read, |io| moved(operation(&io.0))).await
    }

    /// Does `operation`, which writes, as soon as it does not give `WouldBlock`. It is tried at once, and again when there is
    /// room.
    ///
    /// Until then it must have done nothing: as each system call on a descriptor in non-blocking mode.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has done nothing.
    ///
    /// # Errors
    ///
    /// Those of `operation`, and as [`writable`](Self::writable).
    #[doc(alias = "async_io")]
    pub async fn write_with<R>(
        &self,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.operate(Direction::Write, |io| moved(operation(&io.0))).await
    }

    /// Does `operation`, which reads, if there may be something to read. Never waits.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is nothing; those of `operation`, and as [`readable`](Self::readable).
    #[doc(alias = "try_io")]
    pub fn try_read_with<R>(
        &self,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.check(Direction::Read)?;
        self.registration.try_io(Direction::Read, |io| moved(operation(&io.0)))
    }

    /// Does `operation`, which writes, if there may be room. Never waits.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is none; those of `operation`, and as [`writable`](Self::writable).
    #[doc(alias = "try_io")]
    pub fn try_write_with<R>(
        &self,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.check(Direction::Write)?;
        self.registration.try_io(Direction::Write, |io| moved(operation(&io.0)))
    }

    /// For the traits.
    pub(super) fn poll_operation<R>(
        &self,
        direction: Direction,
        cx: &mut Context<'_>,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.check(direction)?;
        self.registration.poll_io(direction, cx, |io| moved(operation(&io.0)))
    }

    async fn operate<R>(
        &self,
        direction: Direction,
        operation: impl FnMut(&FdSource<T>) -> io::Result<Moved<R>>,
    ) -> io::Result<R> {
        self.check(direction)?;
        self.registration.when_ready(direction, operation).await
    }

    /// No event would ever come.
    fn check(&self, direction: Direction) -> io::Result<()> {
        let message = match (self.interest, direction) {
            (Interest::Read, Direction::Write) => "this AsyncFd is registered for reading only",
            (Interest::Write, Direction::Read) => "this AsyncFd is registered for writing only",
            _ => return Ok(()),
        };
        Err(io::Error::new(ErrorKind::InvalidInput, message))
    }
}

/// An operation that asks the kernel for the readiness itself.
fn is_ready<T: AsFd>(direction: Direction) -> impl FnMut(&FdSource<T>) -> io::Result<Moved<()>> {
    move |io| {
        if descriptor::is_ready(&io.0, direction)? {
            return moved(Ok(()));
        }
        Err(ErrorKind::WouldBlock.into())
    }
}

/// Only `WouldBlock` has emptied a descriptor of which nothing is known.
fn moved<R>(result: io::Result<R>) -> io::Result<Moved<R>> {
    Ok(Moved { value: result?, is_short: false })
}

impl<T: AsFd> AsFd for AsyncFd<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.get_ref().as_fd()
    }
}

impl<T: AsFd> AsRawFd for AsyncFd<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl<T: AsFd + fmt::Debug> fmt::Debug for AsyncFd<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("AsyncFd");
        debug.field("io", self.get_ref()).field("interest", &self.interest).finish_non_exhaustive()
    }
}
