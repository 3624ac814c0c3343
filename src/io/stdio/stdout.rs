//! `Stdout` and `Stderr`.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, ErrorKind, IsTerminal, Write as _};
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, ready};

use futures_io::AsyncWrite;

use super::blocking;
use super::channel::{Channel, Standard, write_socket};
use super::output::{Waiting, poll_finished, poll_idle, poll_start};
use crate::io::descriptor;
use crate::runtime::{Direction, check_loop, poll_budget};

/// Standard output. A terminal, a pipe, a socket and a file each work, and keep their mode, which the shell and other programs
/// share.
///
/// The loop waits for terminals, pipes and sockets. To a file, up to 16 KiB are written at once, as `println!` would; for more, and
/// for the little that the loop cannot wait for, a thread waits.
///
/// Nothing is kept back: each write is one system call, so many small ones are better put together, or go through a
/// [`StreamWriter`](crate::io::StreamWriter). What was printed by `print!` before comes first, which may take the time that the
/// reader takes. Tasks that write at the same time are not kept apart where the reader is slow.
///
/// # Examples
///
/// ```
/// use oneloop::io;
///
/// oneloop::run(async {
///     print!("first, ");
///     io::stdout().write_all(b"second\n").await?;
///     println!("third");
///     io::Result::Ok(())
/// })?;
/// # io::Result::Ok(())
/// ```
pub fn stdout() -> Stdout {
    Stdout { sink: Sink::new(Standard::Output) }
}

/// Standard error, as [`stdout`] is standard output.
///
/// # Examples
///
/// ```
/// use oneloop::io;
///
/// oneloop::run(async { io::stderr().write_all(b"nothing to complain about\n").await })?;
/// # io::Result::Ok(())
/// ```
pub fn stderr() -> Stderr {
    Stderr { sink: Sink::new(Standard::Error) }
}

/// A handle of standard output; see [`stdout`].
///
/// All methods take `&self`. It belongs to the loop on which it is first used. Dropping it closes nothing.
pub struct Stdout {
    sink: Sink,
}

/// A handle of standard error; see [`stderr`].
///
/// All methods take `&self`. It belongs to the loop on which it is first used. Dropping it closes nothing.
pub struct Stderr {
    sink: Sink,
}

/// As much goes to a file without a thread, which would take longer than the write.
const AT_ONCE_MAX: usize = 16 * 1024;

/// One of the two.
struct Sink {
    standard: Standard,
    /// Made when it is first needed.
    channel: OnceLock<Channel>,
    /// For callers that have no place for an identity, as `poll_write`.
    waiting: Waiting,
}

impl Sink {
    fn new(standard: Standard) -> Self {
        Self { standard, channel: OnceLock::new(), waiting: Waiting::new(standard) }
    }

    async fn write(&self, buf: &[u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        match self.channel()? {
            Channel::Waited(registration) => {
                let write = |io: &_| descriptor::write(io, buf);
                registration.when_ready(Direction::Write, write).await
            }
            Channel::Socket(registration) => {
                let write = |io: &_| write_socket(io, buf);
                registration.when_ready(Direction::Write, write).await
            }
            Channel::File if buf.len() <= AT_ONCE_MAX => {
                let waiting = Waiting::new(self.standard);
                poll_fn(|cx| self.poll_write_at_once(&waiting, cx, buf)).await
            }
            Channel::File | Channel::Blocking => {
                let waiting = Waiting::new(self.standard);
                let id = waiting.id;
                let piece = poll_fn(|cx| poll_start(self.standard, id, cx, buf)).await?;
                poll_fn(|cx| poll_finished(piece, id, cx)).await?;
                Ok(piece.len)
            }
            Channel::Closed => Ok(buf.len()),
        }
    }

    async fn write_all(&self, buf: &[u8]) -> io::Result<()> {
        let mut rest = buf;
        while !rest.is_empty() {
            match self.write(rest).await? {
                0 => return Err(ErrorKind::WriteZero.into()),
                written => rest = &rest[written..],
            }
        }
        Ok(())
    }

    fn poll_write(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        match self.channel()? {
            Channel::Waited(registration) => {
                registration.poll_io(Direction::Write, cx, |io| descriptor::write(io, buf))
            }
            Channel::Socket(registration) => {
                registration.poll_io(Direction::Write, cx, |io| write_socket(io, buf))
            }
            Channel::File if buf.len() <= AT_ONCE_MAX => {
                self.poll_write_at_once(&self.waiting, cx, buf)
            }
            Channel::File | Channel::Blocking => {
                let piece = ready!(poll_start(self.standard, self.waiting.id, cx, buf))?;
                Poll::Ready(Ok(piece.len))
            }
            Channel::Closed => Poll::Ready(Ok(buf.len())),
        }
    }

    /// Behind what a thread writes, if one does.
    fn poll_write_at_once(
        &self,
        waiting: &Waiting,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        check_loop(self.standard.name())?;
        ready!(poll_budget(cx));
        ready!(poll_idle(self.standard, waiting.id, cx))?;
        blocking::write_all(self.standard, buf)?;
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        match self.channel()? {
            Channel::File | Channel::Blocking => poll_idle(self.standard, self.waiting.id, cx),
            // The kernel has everything already.
            Channel::Waited(_) | Channel::Socket(_) | Channel::Closed => Poll::Ready(Ok(())),
        }
    }

    /// What the standard library keeps back comes first.
    fn channel(&self) -> io::Result<&Channel> {
        if matches!(self.standard, Standard::Output) {
            // It will say itself what is wrong, to whoever uses it next.
            io::stdout().flush().ok();
        }
        if let Some(channel) = self.channel.get() {
            return Ok(channel);
        }
        let opened = Channel::open(self.standard)?;
        Ok(self.channel.get_or_init(|| opened))
    }
}

macro_rules! output {
    ($type:ty, $std:path, $name:literal) => {
        impl $type {
            /// Writes what is taken now, waiting for room if need be; returns how many bytes.
            ///
            /// # Cancel safety
            ///
            /// Dropped before it is ready, it has written nothing; to a file, nothing or all.
            ///
            /// # Errors
            ///
            /// `BrokenPipe` when the reader is gone; those of the kernel, also of an earlier write that nobody has waited for;
            /// if no loop runs here; and on another thread than the loop's.
            pub async fn write(&self, buf: &[u8]) -> io::Result<usize> {
                self.sink.write(buf).await
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
                self.sink.write_all(buf).await
            }

            /// Whether it is a terminal.
            pub fn is_terminal(&self) -> bool {
                $std().is_terminal()
            }
        }

        /// One task at a time writes through this trait: the last one that polls is the one that is woken. What a thread writes counts
        /// as written at once; `flush` waits for it, and so does the end of the loop. `close` flushes, and closes nothing.
        impl AsyncWrite for &$type {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.sink.poll_write(cx, buf)
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.sink.poll_flush(cx)
            }

            fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.sink.poll_flush(cx)
            }
        }

        /// As for a reference to it.
        impl AsyncWrite for $type {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.sink.poll_write(cx, buf)
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.sink.poll_flush(cx)
            }

            fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.sink.poll_flush(cx)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct($name).finish_non_exhaustive()
            }
        }
    };
}

output!(Stdout, io::stdout, "Stdout");
output!(Stderr, io::stderr, "Stderr");
