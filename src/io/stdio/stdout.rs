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
use crate::io::foreign::foreign_write;
use crate::runtime::{
    Direction, HandleHold, check_loop, hold_while_pending, poll_budget, poll_no_bytes,
    spend_if_empty,
};

/// Returns a handle to standard output. Terminals, pipes, sockets and files all work, and keep
/// their mode, which the shell and other programs share.
///
/// The loop waits for terminals, pipes and sockets. Up to 16 KiB are written to a file at once, as
/// `println!` would. For more, and for the few other descriptors that the loop cannot wait for, a
/// thread waits.
///
/// Writes are not buffered: each is one system call, so combine many small ones, or send them
/// through a [`StreamWriter`](crate::io::StreamWriter). Output printed earlier by `print!` comes
/// first, which may take as long as its reader takes. If the reader is slow, the output of tasks
/// that write at the same time may be interleaved.
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

/// Returns a handle to standard error. Otherwise like [`stdout`].
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

/// A handle to standard output; see [`stdout`].
///
/// All methods take `&self`. A handle belongs to the loop on which it is first used. Dropping it
/// closes nothing.
pub struct Stdout {
    sink: Sink,
}

/// A handle to standard error; see [`stderr`].
///
/// All methods take `&self`. A handle belongs to the loop on which it is first used. Dropping it
/// closes nothing.
pub struct Stderr {
    sink: Sink,
}

/// Writes to a file up to this size are made directly: starting a thread would take longer.
const AT_ONCE_MAX: usize = 16 * 1024;

/// Standard output or standard error.
struct Sink {
    standard: Standard,
    /// Created on first use.
    channel: OnceLock<Channel>,
    /// For callers with no place to keep an identity, such as `poll_write`.
    waiting: Waiting,
    /// Held while such a caller waits for a thread.
    hold: HandleHold,
}

impl Sink {
    fn new(standard: Standard) -> Self {
        let waiting = Waiting::new(standard);
        Self { standard, channel: OnceLock::new(), waiting, hold: HandleHold::default() }
    }

    async fn write(&self, buf: &[u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return poll_fn(poll_no_bytes).await;
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
                let (waiting, mut hold) = (Waiting::new(self.standard), None);
                let write = |cx: &mut Context<'_>| {
                    hold_while_pending(&mut hold, self.poll_write_at_once(&waiting, cx, buf))
                };
                poll_fn(write).await
            }
            Channel::File | Channel::Blocking => {
                let (waiting, mut hold) = (Waiting::new(self.standard), None);
                let id = waiting.id;
                let start = |cx: &mut Context<'_>| {
                    hold_while_pending(&mut hold, poll_start(self.standard, id, cx, buf))
                };
                let piece = poll_fn(start).await?;
                let finish = |cx: &mut Context<'_>| {
                    hold_while_pending(&mut hold, poll_finished(piece, id, cx))
                };
                poll_fn(finish).await?;
                Ok(piece.len)
            }
            Channel::Closed => {
                poll_fn(poll_budget).await;
                Ok(buf.len())
            }
        }
    }

    async fn write_all(&self, buf: &[u8]) -> io::Result<()> {
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

    fn poll_write(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return poll_no_bytes(cx);
        }
        match self.channel()? {
            Channel::Waited(registration) => {
                registration.poll_io(Direction::Write, cx, |io| descriptor::write(io, buf))
            }
            Channel::Socket(registration) => {
                registration.poll_io(Direction::Write, cx, |io| write_socket(io, buf))
            }
            Channel::File if buf.len() <= AT_ONCE_MAX => {
                self.hold.while_pending(self.poll_write_at_once(&self.waiting, cx, buf))
            }
            Channel::File | Channel::Blocking => {
                let polled = poll_start(self.standard, self.waiting.id, cx, buf);
                let piece = ready!(self.hold.while_pending(polled))?;
                Poll::Ready(Ok(piece.len))
            }
            Channel::Closed => poll_budget(cx).map(|()| Ok(buf.len())),
        }
    }

    /// Writes directly, after any piece that a thread is writing.
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

    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(poll_budget(cx));
        match self.channel()? {
            Channel::File | Channel::Blocking => {
                self.hold.while_pending(poll_idle(self.standard, self.waiting.id, cx))
            }
            // The kernel already has all the data.
            Channel::Waited(_) | Channel::Socket(_) | Channel::Closed => Poll::Ready(Ok(())),
        }
    }

    /// Returns the channel. Flushes the standard library's buffer first, since that output was
    /// printed earlier.
    fn channel(&self) -> io::Result<&Channel> {
        if matches!(self.standard, Standard::Output) {
            // The standard library reports the error itself, to its next user.
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
            /// Writes as many bytes as are accepted now, waiting for room if there is none. Returns
            /// the number of bytes written.
            ///
            /// # Cancel safety
            ///
            /// If dropped before it is ready, it has written nothing; to a file, nothing or
            /// everything.
            ///
            /// # Errors
            ///
            /// `BrokenPipe` once the reader is gone. Any other error of the kernel, including that
            /// of an earlier write that no caller waited for. Also fails if no loop runs here, or
            /// on another thread than the loop's.
            pub async fn write(&self, buf: &[u8]) -> io::Result<usize> {
                self.sink.write(buf).await
            }

            /// Writes all of `buf`.
            ///
            /// # Cancel safety
            ///
            /// Not cancel safe: if dropped before it is ready, it has written an unknown number of
            /// bytes.
            ///
            /// # Errors
            ///
            /// The errors of [`write`](Self::write). After an error, the number of bytes written is
            /// unknown.
            pub async fn write_all(&self, buf: &[u8]) -> io::Result<()> {
                self.sink.write_all(buf).await
            }

            /// Whether this stream is a terminal.
            pub fn is_terminal(&self) -> bool {
                $std().is_terminal()
            }
        }

        /// Only one task at a time can write through this trait: the last task to poll is the one
        /// woken. Bytes handed to a thread count as written at once; `flush` waits for them, and so
        /// does the end of the loop. `close` flushes, and closes nothing.
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

        /// Behaves like the implementation for a reference.
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

        foreign_write!(vectored: false, [] &$type);
        foreign_write!(vectored: false, [] $type);

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct($name).finish_non_exhaustive()
            }
        }
    };
}

output!(Stdout, io::stdout, "Stdout");
output!(Stderr, io::stderr, "Stderr");
