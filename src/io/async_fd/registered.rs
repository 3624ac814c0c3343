//! `AsyncFd`: any descriptor that the loop waits for.

use std::fmt;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::task::{Context, Poll};

use nix::fcntl::OFlag;

use crate::io::descriptor;
use crate::runtime::{Direction, Interests, Moved, Registration};
use crate::sys::descriptors::FdSource;

/// Any descriptor that can be waited for: a terminal, a device, an inotify, timer or event
/// descriptor, a kind of socket that oneloop has no type for, or the connection of a C library.
///
/// `T` owns the descriptor or borrows it: `AsyncFd::new(&socket)`. With
/// [`read_with`](Self::read_with) and [`write_with`](Self::write_with), any system call waits until
/// it can proceed, like asyncio's `loop.sock_recv` and its relatives. If another library makes the
/// calls, [`readable`](Self::readable) and [`writable`](Self::writable) tell when to. If `&T` can
/// read and write, as `&File` can, `AsyncFd` implements [`AsyncRead`](crate::io::AsyncRead) and
/// [`AsyncWrite`](crate::io::AsyncWrite).
///
/// An `AsyncFd` belongs to the loop on which it was created. It is `Send` if `T` is, and may be
/// dropped anywhere, but on another thread each method returns an error that says so. Dropping it
/// removes it from the loop and then drops `T`.
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
    /// The descriptor was in blocking mode before, and returns to it when it is taken out.
    was_blocking: bool,
}

/// The directions that an [`AsyncFd`] waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interest {
    /// Data to read, or the end.
    Read,
    /// Room to write.
    Write,
    /// Both directions, independently of each other.
    Both,
}

const WHAT: &str = "AsyncFd";

impl<T: AsFd> AsyncFd<T> {
    /// Registers `io` with this thread's loop for both directions, and sets it to non-blocking
    /// mode.
    ///
    /// The mode affects everyone who shares the open file: duplicates, and other processes that
    /// inherited it. It remains set when this is dropped, because those may rely on it by then;
    /// [`into_inner`](Self::into_inner) restores the former mode.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if there is nothing to wait for, as with a regular file (use
    /// [`fs`](crate::fs)), or if the descriptor is already registered; in that case share its
    /// `AsyncFd`, or register a duplicate. Also fails if no loop runs here, or if the kernel
    /// refuses.
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

    /// Like [`new`](Self::new), but for the directions in `interest`. Events of the other direction
    /// do not wake the loop.
    ///
    /// # Errors
    ///
    /// The errors of [`new`](Self::new).
    pub fn with_interest(io: T, interest: Interest) -> io::Result<Self> {
        let was_blocking = !descriptor::flags(&io)?.contains(OFlag::O_NONBLOCK);
        let mut registered = Self::watch(io, interest)?;
        if was_blocking {
            descriptor::set_nonblocking(registered.get_ref(), true)?;
            registered.was_blocking = true;
        }
        Ok(registered)
    }

    /// Like [`with_interest`](Self::with_interest), but leaves the descriptor's mode unchanged. Use
    /// it for a descriptor that another library or other processes read and write.
    ///
    /// In blocking mode, an operation that finds nothing ready blocks the whole loop. Call one only
    /// after [`readable`](Self::readable) or [`writable`](Self::writable) has returned.
    ///
    /// # Errors
    ///
    /// The errors of [`new`](Self::new).
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

    /// Returns the registered value. To close it, drop the `AsyncFd`.
    pub fn get_ref(&self) -> &T {
        &self.registration.io().0
    }

    /// Removes the value from its loop and restores the mode it had before, which applies to
    /// duplicates too.
    ///
    /// # Errors
    ///
    /// Fails on another thread than the loop's, or after the loop has ended; the value is then
    /// dropped.
    pub fn into_inner(self) -> io::Result<T> {
        let io = self.registration.into_inner()?.0;
        if self.was_blocking {
            descriptor::set_nonblocking(&io, false)?;
        }
        Ok(io)
    }

    /// Waits until a read would not block: for data, the end, or an error. The answer is the
    /// kernel's at that moment, regardless of earlier reads, whether made through this type or not.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if it is registered for writing only. Any error of the kernel. Also fails on
    /// another thread than the loop's.
    pub async fn readable(&self) -> io::Result<()> {
        self.operate(Direction::Read, is_ready(Direction::Read)).await
    }

    /// Waits until a write would not block, like [`readable`](Self::readable) for reads.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if it is registered for reading only. Any error of the kernel. Also fails on
    /// another thread than the loop's.
    pub async fn writable(&self) -> io::Result<()> {
        self.operate(Direction::Write, is_ready(Direction::Write)).await
    }

    /// [`readable`](Self::readable) for hand-written futures. The last task to poll is the one
    /// woken.
    ///
    /// # Errors
    ///
    /// The errors of [`readable`](Self::readable).
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(Direction::Read)?;
        self.registration.poll_io(Direction::Read, cx, is_ready(Direction::Read))
    }

    /// [`writable`](Self::writable) for hand-written futures. The last task to poll is the one
    /// woken.
    ///
    /// # Errors
    ///
    /// The errors of [`writable`](Self::writable).
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(Direction::Write)?;
        self.registration.poll_io(Direction::Write, cx, is_ready(Direction::Write))
    }

    /// Runs `operation`, which reads, until it returns something other than `WouldBlock`. The first
    /// attempt is made at once, and each further one when there is something to read.
    ///
    /// When `operation` returns `WouldBlock`, it must have had no effect, as is true of system
    /// calls on a descriptor in non-blocking mode.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has had no effect.
    ///
    /// # Errors
    ///
    /// The errors of `operation` and of [`readable`](Self::readable).
    #[doc(alias = "async_io")]
    pub async fn read_with<R>(
        &self,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.operate(Direction::Read, |io| moved(operation(&io.0))).await
    }

    /// Runs `operation`, which writes, until it returns something other than `WouldBlock`. The
    /// first attempt is made at once, and each further one when there is room.
    ///
    /// When `operation` returns `WouldBlock`, it must have had no effect, as is true of system
    /// calls on a descriptor in non-blocking mode.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has had no effect.
    ///
    /// # Errors
    ///
    /// The errors of `operation` and of [`writable`](Self::writable).
    #[doc(alias = "async_io")]
    pub async fn write_with<R>(
        &self,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.operate(Direction::Write, |io| moved(operation(&io.0))).await
    }

    /// [`read_with`](Self::read_with) for hand-written futures. The last task to poll is the one
    /// woken.
    ///
    /// # Errors
    ///
    /// The errors of [`read_with`](Self::read_with).
    pub fn poll_read_with<R>(
        &self,
        cx: &mut Context<'_>,
        operation: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.poll_operation(Direction::Read, cx, operation)
    }

    /// [`write_with`](Self::write_with) for hand-written futures. The last task to poll is the one
    /// woken.
    ///
    /// # Errors
    ///
    /// The errors of [`write_with`](Self::write_with).
    pub fn poll_write_with<R>(
        &self,
        cx: &mut Context<'_>,
        operation: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.poll_operation(Direction::Write, cx, operation)
    }

    /// Says that an operation has read all there was, so that the next one is attempted only when
    /// the kernel tells of more. Where a short read means that nothing is left, as on a socket or a
    /// pipe, call this after a short read: it saves an attempt in vain.
    ///
    /// An operation that returned `WouldBlock` has said so already. If there is more after all, and
    /// nothing new comes, the next operation waits for ever.
    ///
    /// # Errors
    ///
    /// Fails on another thread than the loop's.
    pub fn clear_read_ready(&self) -> io::Result<()> {
        self.registration.clear_ready(Direction::Read)
    }

    /// Says that an operation has used up all the room, like
    /// [`clear_read_ready`](Self::clear_read_ready) for reads.
    ///
    /// # Errors
    ///
    /// Fails on another thread than the loop's.
    pub fn clear_write_ready(&self) -> io::Result<()> {
        self.registration.clear_ready(Direction::Write)
    }

    /// Runs `operation`, which reads, if there may be something to read. Never waits.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is nothing to read; otherwise the errors of `operation` and of
    /// [`readable`](Self::readable).
    #[doc(alias = "try_io")]
    pub fn try_read_with<R>(
        &self,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.check(Direction::Read)?;
        self.registration.try_io(Direction::Read, |io| moved(operation(&io.0)))
    }

    /// Runs `operation`, which writes, if there may be room. Never waits.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no room; otherwise the errors of `operation` and of
    /// [`writable`](Self::writable).
    #[doc(alias = "try_io")]
    pub fn try_write_with<R>(
        &self,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.check(Direction::Write)?;
        self.registration.try_io(Direction::Write, |io| moved(operation(&io.0)))
    }

    /// Runs `operation` for the traits.
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

    /// Refuses a direction that is not registered, whose events would never come.
    fn check(&self, direction: Direction) -> io::Result<()> {
        let message = match (self.interest, direction) {
            (Interest::Read, Direction::Write) => "this AsyncFd is registered for reading only",
            (Interest::Write, Direction::Read) => "this AsyncFd is registered for writing only",
            _ => return Ok(()),
        };
        Err(io::Error::new(ErrorKind::InvalidInput, message))
    }
}

/// Returns an operation that asks the kernel for readiness.
fn is_ready<T: AsFd>(direction: Direction) -> impl FnMut(&FdSource<T>) -> io::Result<Moved<()>> {
    move |io| {
        if descriptor::is_ready(&io.0, direction)? {
            return moved(Ok(()));
        }
        Err(ErrorKind::WouldBlock.into())
    }
}

/// Wraps the result of an operation on an unknown kind of descriptor. Only `WouldBlock` shows that
/// such a descriptor is drained.
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
