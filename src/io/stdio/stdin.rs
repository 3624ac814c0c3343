//! `Stdin`.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, ErrorKind, IsTerminal};
use std::pin::Pin;
use std::str::from_utf8;
use std::sync::OnceLock;
use std::task::{Context, Poll, ready};

use futures_io::AsyncRead;

use super::channel::{Channel, Standard, read_socket};
use super::input::{Input, READ_MAX, Take, Waiting, input, poll_blocking};
use crate::io::descriptor::{self, Descriptor};
use crate::io::foreign::foreign_read;
use crate::runtime::{
    Direction, HandleHold, Moved, hold_while_pending, poll_budget, poll_no_bytes,
};

/// Returns a handle to standard input. Terminals, pipes, sockets and files all work, and keep their
/// mode, which the shell and other programs share.
///
/// The loop waits for terminals, pipes and sockets. A thread waits for files and the few other
/// descriptors that the loop cannot wait for; the end of the loop does not wait for that thread's
/// read.
///
/// There may be any number of handles, one after another or at the same time; each piece of the
/// input goes to one of them. Bytes that were read but not taken, by a
/// [`read_line`](Stdin::read_line) or a dropped read, are kept for the next read of any handle.
/// Bytes that [`std::io::stdin`] or a [`StreamReader`](crate::io::StreamReader) has read ahead are
/// not seen here.
///
/// # Examples
///
/// ```no_run
/// use oneloop::io;
///
/// oneloop::run(async {
///     let mut name = String::new();
///     io::stdout().write_all(b"What is your name? ").await?;
///     io::stdin().read_line(&mut name).await?;
///     io::stdout().write_all(format!("Hello, {}!\n", name.trim()).as_bytes()).await
/// })
/// # .unwrap();
/// ```
///
/// Line by line, to the end:
///
/// ```no_run
/// use oneloop::io::{StreamReader, stdin};
///
/// oneloop::run(async {
///     let mut lines = StreamReader::new(stdin()).lines();
///     let mut count = 0;
///     while let Some(line) = lines.next().await {
///         count += line?.split_whitespace().count();
///     }
///     println!("{count} words");
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
pub fn stdin() -> Stdin {
    Stdin { channel: OnceLock::new(), waiting: Waiting::new(), hold: HandleHold::default() }
}

/// A handle to standard input; see [`stdin`].
///
/// All methods take `&self`. A handle belongs to the loop on which it is first used. Dropping it
/// loses no data.
pub struct Stdin {
    /// Created on first use.
    channel: OnceLock<Channel>,
    /// For callers with no place to keep an identity, such as `poll_read`.
    waiting: Waiting,
    /// Held while such a caller waits for a thread.
    hold: HandleHold,
}

/// [`Stdin::read_line`] accepts only lines shorter than this, not counting the newline.
const LINE_MAX: usize = 1024 * 1024;

impl Stdin {
    /// Reads the available bytes, waiting for some if there are none. Returns the number of bytes
    /// read: 0 at the end, or if `buf` is empty.
    ///
    /// A terminal yields a line once it is complete. There, Ctrl-D signals the end, and further
    /// reads ask again.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it loses no data.
    ///
    /// # Errors
    ///
    /// Any error of the kernel. Also fails if no loop runs here, or on another thread than the
    /// loop's.
    pub async fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return poll_fn(poll_no_bytes).await;
        }
        let want = buf.len();
        self.take(want, move |input: &mut Input, is_end| Ok(take_into(input, is_end, buf))).await
    }

    /// Appends a line, including its `\n`, to `line`. Returns the number of bytes read: 0 at the
    /// end. The last line may lack the `\n`.
    ///
    /// Like [`std::io::Stdin::read_line`]. It reads ahead, up to 64 KiB; the next read of any
    /// handle finds those bytes.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it loses no data: the beginning of the line is kept.
    ///
    /// # Errors
    ///
    /// `InvalidData` if the line is not UTF-8; the line is then lost. `InvalidData` if the line has
    /// 1 MiB or more before its end. Such a line can still be [read](Self::read), and a
    /// [`StreamReader`](crate::io::StreamReader) has a limit of your choice. Otherwise the errors
    /// of [`read`](Self::read).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// oneloop::run(async {
    ///     let stdin = oneloop::io::stdin();
    ///     let mut line = String::new();
    ///     while stdin.read_line(&mut line).await? > 0 {
    ///         println!("you said {}", line.trim_end());
    ///         line.clear();
    ///     }
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn read_line(&self, line: &mut String) -> io::Result<usize> {
        self.take(READ_MAX, |input: &mut Input, is_end| take_line(input, is_end, line)).await
    }

    /// Appends everything up to the end to `buf`. Returns the number of bytes read. There is no
    /// limit: all arriving bytes are kept.
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
        let take_all = |input: &mut Input, is_end: bool| {
            let len = input.len();
            buf.extend_from_slice(input.take(len));
            Ok(is_end.then_some(()))
        };
        self.take(READ_MAX, take_all).await?;
        Ok(buf.len() - start)
    }

    /// Whether standard input is a terminal.
    pub fn is_terminal(&self) -> bool {
        io::stdin().is_terminal()
    }

    async fn take<R>(&self, want: usize, mut take: impl Take<R>) -> io::Result<R> {
        poll_fn(poll_budget).await;
        // Other callers may already have read the input.
        if let Some(taken) = take(&mut input(), false)? {
            return Ok(taken);
        }
        let (registration, read) = match self.channel()? {
            Channel::Waited(registration) => (registration, READ),
            Channel::Socket(registration) => (registration, READ_SOCKET),
            Channel::Blocking | Channel::File => {
                let (waiting, mut hold) = (Waiting::new(), None);
                let read = |cx: &mut Context<'_>| {
                    let polled = poll_blocking(waiting.id, cx, want, &mut take);
                    hold_while_pending(&mut hold, polled)
                };
                return poll_fn(read).await;
            }
            Channel::Closed => return at_end(&mut take),
        };
        let mut fill = |io: &_| fill_and_take(io, read, want, &mut take);
        loop {
            // One read at a time, so that an endless input starves no other task.
            if let Some(taken) = registration.when_ready(Direction::Read, &mut fill).await? {
                return Ok(taken);
            }
        }
    }

    /// Like [`Stdin::take`], for the trait.
    fn poll_take<R>(
        &self,
        cx: &mut Context<'_>,
        want: usize,
        mut take: impl Take<R>,
    ) -> Poll<io::Result<R>> {
        ready!(poll_budget(cx));
        if let Some(taken) = take(&mut input(), false)? {
            return Poll::Ready(Ok(taken));
        }
        let (registration, read) = match self.channel()? {
            Channel::Waited(registration) => (registration, READ),
            Channel::Socket(registration) => (registration, READ_SOCKET),
            Channel::Blocking | Channel::File => {
                let polled = poll_blocking(self.waiting.id, cx, want, &mut take);
                return self.hold.while_pending(polled);
            }
            Channel::Closed => return Poll::Ready(at_end(&mut take)),
        };
        let mut fill = |io: &_| fill_and_take(io, read, want, &mut take);
        loop {
            if let Some(taken) = ready!(registration.poll_io(Direction::Read, cx, &mut fill))? {
                return Poll::Ready(Ok(taken));
            }
        }
    }

    fn channel(&self) -> io::Result<&Channel> {
        if let Some(channel) = self.channel.get() {
            return Ok(channel);
        }
        let opened = Channel::open(Standard::Input)?;
        Ok(self.channel.get_or_init(|| opened))
    }
}

type ReadFrom = fn(&Descriptor, &mut [u8]) -> io::Result<Moved<usize>>;

const READ: ReadFrom = descriptor::read;
const READ_SOCKET: ReadFrom = read_socket;

/// Reads once, unless others have read in the meantime, and takes. Returns `None` if that was not
/// enough.
fn fill_and_take<R>(
    io: &Descriptor,
    read: ReadFrom,
    want: usize,
    take: &mut impl Take<R>,
) -> io::Result<Moved<Option<R>>> {
    let mut input = input();
    let mut value = take(&mut input, false)?;
    if value.is_none() {
        let filled = input.fill(want, |room| Ok(read(io, room)?.value));
        if filled.is_err() {
            input.park();
        }
        let is_end = filled? == 0;
        value = take(&mut input, is_end)?;
    }
    Ok(Moved { value, is_short: false })
}

fn at_end<R>(take: &mut impl Take<R>) -> io::Result<R> {
    match take(&mut input(), true)? {
        Some(taken) => Ok(taken),
        None => unreachable!("at the end there is always enough"),
    }
}

fn take_into(input: &mut Input, is_end: bool, buf: &mut [u8]) -> Option<usize> {
    if input.is_empty() && !is_end {
        return None;
    }
    let len = input.len().min(buf.len());
    buf[..len].copy_from_slice(input.take(len));
    Some(len)
}

fn take_line(input: &mut Input, is_end: bool, line: &mut String) -> io::Result<Option<usize>> {
    let newline = input.line_len();
    let len = newline.unwrap_or(input.len());
    // The limit ignores the newline, and how much of the line came in one read.
    if len - usize::from(newline.is_some()) >= LINE_MAX {
        let message = "a line of more than 1 MiB: `StreamReader` has a limit of your choice";
        return Err(io::Error::new(ErrorKind::InvalidData, message));
    }
    if newline.is_none() && !is_end {
        return Ok(None);
    }
    let text = from_utf8(input.take(len));
    line.push_str(text.map_err(|error| {
        let message = format!("a line of standard input is not UTF-8: {error}");
        io::Error::new(ErrorKind::InvalidData, message)
    })?);
    Ok(Some(len))
}

/// Only one task at a time can read through this trait: the last task to poll is the one woken.
impl AsyncRead for &Stdin {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return poll_no_bytes(cx);
        }
        let want = buf.len();
        let take = |input: &mut Input, is_end: bool| Ok(take_into(input, is_end, buf));
        self.poll_take(cx, want, take)
    }
}

/// Behaves like the implementation for `&Stdin`.
impl AsyncRead for Stdin {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self).poll_read(cx, buf)
    }
}

foreign_read!([] & Stdin);
foreign_read!([] Stdin);

impl fmt::Debug for Stdin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stdin").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a line of `len` bytes that arrives in pieces of `piece` bytes. Returns its length,
    /// unless it is too long.
    fn take(len: usize, newline: &str, piece: usize) -> Option<usize> {
        let mut text = vec![b'x'; len];
        text.extend_from_slice(newline.as_bytes());
        let (mut input, mut line) = (Input::default(), String::new());
        for piece in text.chunks(piece) {
            let mut rest = piece;
            while !rest.is_empty() {
                input.fill(rest.len(), |room| io::Read::read(&mut rest, room)).unwrap();
            }
            match take_line(&mut input, false, &mut line) {
                Ok(None) => {}
                taken => return taken.ok().flatten(),
            }
        }
        take_line(&mut input, true, &mut line).ok().flatten()
    }

    #[test]
    fn the_limit_of_a_line_does_not_depend_on_how_the_reads_were_cut() {
        for piece in [LINE_MAX / 2, LINE_MAX + 2] {
            assert_eq!(take(LINE_MAX - 1, "\n", piece), Some(LINE_MAX));
            assert_eq!(take(LINE_MAX - 1, "", piece), Some(LINE_MAX - 1));
            assert_eq!(take(LINE_MAX, "\n", piece), None);
            assert_eq!(take(LINE_MAX, "", piece), None);
        }
    }
}
