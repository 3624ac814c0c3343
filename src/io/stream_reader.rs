//! `StreamReader`: reads bytes, lines and messages from a stream.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncBufRead, AsyncRead};

use super::buffer::Buffer;
use super::error::{IncompleteRead, LimitOverrun};
use super::foreign::foreign_read;
use super::lines::Lines;
use super::newlines::Newlines;
use super::separators::Search;
use crate::runtime::{poll_budget, poll_no_bytes};

/// Reads a stream by bytes, lines or messages. Asyncio's `StreamReader`.
///
/// The reader reads ahead into a buffer. [`readline`](Self::readline) and
/// [`readuntil`](Self::readuntil) return slices of that buffer, without copying. While the reader
/// waits, the buffer holds no more than the unread bytes, so an idle connection costs only a few
/// bytes.
///
/// A reader can be made from anything that implements [`AsyncRead`]. Connections provide one
/// together with the [`StreamWriter`](super::StreamWriter), as
/// [`TcpStream::into_streams`](crate::net::TcpStream::into_streams) does. A reader belongs to its
/// thread.
///
/// The end is final: once it has been seen, the stream is not read again. For a file that grows,
/// create another reader, as the example `tail_files` does. An error of the kernel, such as
/// `ConnectionReset`, is final too: bytes that arrived before it can still be read, and after them
/// each read returns the error again.
///
/// # Cancel safety
///
/// Every method may be dropped before it is ready without losing data, because bytes stay in the
/// reader until a method returns them.
///
/// # Examples
///
/// ```
/// use oneloop::io::StreamReader;
///
/// oneloop::run(async {
///     let request = &b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\nbody"[..];
///     let mut reader = StreamReader::new(request);
///     assert_eq!(reader.readline().await?, b"GET / HTTP/1.1\r\n");
///     assert_eq!(reader.readuntil("\r\n\r\n").await?, b"Host: example.org\r\n\r\n");
///     assert_eq!(reader.readexactly(4).await?, b"body");
///     assert_eq!(reader.readline().await?, b""); // the end
///     assert!(reader.at_eof());
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[doc(alias = "BufReader")]
#[doc(alias = "AsyncReadExt")]
#[doc(alias = "AsyncBufReadExt")]
pub struct StreamReader {
    source: Source,
    buffer: Buffer,
    limit: usize,
    newlines: Newlines,
    /// A search for separators that has taken nothing, because it went over the limit, failed or
    /// was dropped. The same search goes on where it stopped, so that a caller who tries again and
    /// again has each byte searched once.
    search: Option<Box<Search>>,
}

struct Source {
    stream: Pin<Box<dyn AsyncRead>>,
    state: State,
}

#[derive(Clone, Copy)]
enum State {
    Open,
    AtEnd,
    /// Holds an error of the kernel, which may report it only once.
    Failed(i32),
}

/// The default limit of bytes before a separator.
const LIMIT: usize = 64 * 1024;

/// Reads into a buffer at least this large bypass the reader's own buffer. For smaller reads, a
/// copy costs less than more system calls.
const DIRECT_MIN: usize = 8 * 1024;

impl StreamReader {
    /// Creates a reader of `source` with a limit of 64 KiB.
    pub fn new(source: impl AsyncRead + 'static) -> Self {
        let source = Source { stream: Box::pin(source), state: State::Open };
        let (buffer, newlines) = (Buffer::default(), Newlines::default());
        Self { source, buffer, limit: LIMIT, newlines, search: None }
    }

    /// Sets how many bytes may come before a separator; asyncio's `limit`.
    ///
    /// The limit bounds the memory that [`readline`](Self::readline),
    /// [`readuntil`](Self::readuntil) and [`lines`](Self::lines) use on behalf of a peer. It does
    /// not apply to [`readexactly`](Self::readexactly) and [`read_to_end`](Self::read_to_end),
    /// whose callers decide how much to collect.
    #[must_use = "it gives the reader back"]
    pub fn with_limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Reads the available bytes, at most `buf.len()`, waiting for the first byte if there is none.
    /// Returns 0 at the end.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has read nothing.
    ///
    /// # Errors
    ///
    /// Any error of the stream.
    pub async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        poll_fn(|cx| self.poll_into(cx, buf)).await
    }

    /// Fills `buf`.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it puts back the bytes it has read.
    ///
    /// # Errors
    ///
    /// [`IncompleteRead`] if the stream ends first. Any error of the stream; the bytes read so far
    /// are put back.
    pub async fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        let mut filling = Filling { reader: self, buf, filled: 0 };
        poll_fn(|cx| filling.poll(cx)).await
    }

    /// Reads exactly `n` bytes. The limit does not apply. Memory grows with the bytes that arrive,
    /// not with `n`.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has read nothing.
    ///
    /// # Errors
    ///
    /// [`IncompleteRead`] if the stream ends first. Any error of the stream.
    pub async fn readexactly(&mut self, n: usize) -> io::Result<Vec<u8>> {
        let collected = poll_fn(|cx| self.poll_collect(cx, n)).await?;
        let bytes = self.take_vec(collected);
        if collected < n {
            return Err(IncompleteRead { partial: bytes, expected: Some(n) }.into());
        }
        Ok(bytes)
    }

    /// Reads a line, including its newline. The last line may lack one. An empty slice marks the
    /// end.
    ///
    /// The line is a slice of the reader's buffer; use `to_vec()` to keep it beyond the next read.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has read nothing.
    ///
    /// # Errors
    ///
    /// [`LimitOverrun`] if more bytes than the limit come before the newline; nothing is read.
    /// (Asyncio discards those bytes, as [`skip_line`](Self::skip_line) does.) Any error of the
    /// stream; the beginning of a line stays in the reader.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::io::StreamReader;
    ///
    /// oneloop::run(async {
    ///     let mut reader = StreamReader::new(&b"one\ntwo"[..]);
    ///     let mut sum = 0;
    ///     loop {
    ///         let line = reader.readline().await?;
    ///         if line.is_empty() {
    ///             break;
    ///         }
    ///         sum += line.trim_ascii_end().len();
    ///     }
    ///     assert_eq!(sum, 6);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "read_line")]
    pub async fn readline(&mut self) -> io::Result<&[u8]> {
        let len = poll_fn(|cx| self.poll_line(cx)).await?;
        Ok(self.take(len))
    }

    /// Reads up to and including `separator`. The result is a slice of the reader's buffer.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has read nothing.
    ///
    /// # Errors
    ///
    /// [`LimitOverrun`] if more bytes than the limit come before the separator; nothing is read.
    /// [`IncompleteRead`] if the stream ends first. `InvalidInput` if the separator is empty. Any
    /// error of the stream.
    #[doc(alias = "read_until")]
    pub async fn readuntil(&mut self, separator: impl AsRef<[u8]>) -> io::Result<&[u8]> {
        self.search_for(&[separator]);
        self.read_until().await
    }

    /// Like [`readuntil`](Self::readuntil), but stops at the first of several separators: the one
    /// that ends first. Asyncio's tuple of separators.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has read nothing.
    ///
    /// # Errors
    ///
    /// The errors of [`readuntil`](Self::readuntil); also `InvalidInput` if `separators` is empty.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::io::StreamReader;
    ///
    /// oneloop::run(async {
    ///     let mut reader = StreamReader::new(&b"one;two\r\nthree;"[..]);
    ///     for part in ["one;", "two\r\n", "three;"] {
    ///         assert_eq!(reader.readuntil_any(&[";", "\r\n"]).await?, part.as_bytes());
    ///     }
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn readuntil_any(&mut self, separators: &[impl AsRef<[u8]>]) -> io::Result<&[u8]> {
        self.search_for(separators);
        self.read_until().await
    }

    /// Begins a search, or goes on with the last one if it was the same.
    fn search_for(&mut self, separators: &[impl AsRef<[u8]>]) {
        if !self.search.as_ref().is_some_and(|search| search.is_for(separators)) {
            self.search = Search::new(separators).map(Box::new);
        }
    }

    async fn read_until(&mut self) -> io::Result<&[u8]> {
        let len = poll_fn(|cx| self.poll_until(cx)).await?;
        Ok(self.take(len))
    }

    /// Reads everything up to the end, without any limit.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has read nothing.
    ///
    /// # Errors
    ///
    /// Any error of the stream; the bytes that came before it stay in the reader.
    pub async fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        let len = poll_fn(|cx| self.poll_collect(cx, usize::MAX)).await?;
        Ok(self.take_vec(len))
    }

    /// Reads everything up to the end, as text.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has read nothing.
    ///
    /// # Errors
    ///
    /// The errors of [`read_to_end`](Self::read_to_end). `InvalidData` if the bytes are not UTF-8;
    /// the error contains a [`FromUtf8Error`](std::string::FromUtf8Error), which holds the bytes.
    pub async fn read_to_string(&mut self) -> io::Result<String> {
        text(self.read_to_end().await?)
    }

    /// Turns the reader into a stream of its lines, as strings without newlines.
    pub fn lines(self) -> Lines {
        Lines::of(self)
    }

    /// Whether the end has been seen and all bytes before it have been read.
    ///
    /// Only a read can see the end: after the last byte, this stays `false` until a further read.
    #[doc(alias = "is_eof")]
    pub fn at_eof(&self) -> bool {
        matches!(self.source.state, State::AtEnd) && self.buffer.is_empty()
    }

    /// Returns the bytes that have arrived but are not yet read. [`read_more`](Self::read_more)
    /// adds to them, and [`consume`](Self::consume) removes some.
    pub fn buffer(&self) -> &[u8] {
        self.buffer.data()
    }

    /// Returns the stream and the bytes that were read ahead from it.
    pub fn into_parts(mut self) -> (Pin<Box<dyn AsyncRead>>, Vec<u8>) {
        let len = self.buffer.len();
        (self.source.stream, self.buffer.take_vec(len))
    }

    /// Discards the rest of the line, including its newline, however long it is. Returns the number
    /// of bytes discarded: 0 at the end of the stream. After a [`LimitOverrun`], this skips to the
    /// next line.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has discarded a part of the line. Call it again to discard
    /// the rest.
    ///
    /// # Errors
    ///
    /// Any error of the stream.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::io::{LimitOverrun, StreamReader};
    ///
    /// oneloop::run(async {
    ///     let mut reader = StreamReader::new(&b"short\na very long line\nlast\n"[..]).with_limit(8);
    ///     let mut lines = Vec::new();
    ///     loop {
    ///         match reader.readline().await {
    ///             Ok(b"") => break,
    ///             Ok(line) => lines.push(line.to_vec()),
    ///             Err(error) if LimitOverrun::of(&error).is_some() => {
    ///                 assert_eq!(reader.skip_line().await?, 17);
    ///             }
    ///             Err(error) => return Err(error),
    ///         }
    ///     }
    ///     assert_eq!(lines, [b"short\n".to_vec(), b"last\n".to_vec()]);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn skip_line(&mut self) -> io::Result<u64> {
        let mut skipped = 0;
        poll_fn(|cx| self.poll_skip_line(cx, &mut skipped)).await?;
        Ok(skipped)
    }

    pub(super) fn take(&mut self, len: usize) -> &[u8] {
        self.consumed(len);
        self.buffer.take(len)
    }

    fn take_vec(&mut self, len: usize) -> Vec<u8> {
        self.consumed(len);
        self.buffer.take_vec(len)
    }

    /// `len` bytes leave at the front, where each search begins.
    #[inline]
    fn consumed(&mut self, len: usize) {
        self.newlines.consume(len);
        if self.search.is_some() {
            self.search = None;
        }
    }

    /// Charges a read that is served from the buffer to the poll's budget, so that a loop over many
    /// short lines does not starve other tasks. If the buffer is empty, the read that fills it is
    /// charged instead; [`poll_budget`] charges a read of no bytes, which fills nothing.
    #[inline]
    pub(super) fn poll_served(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.buffer.is_empty() { Poll::Ready(()) } else { poll_budget(cx) }
    }

    /// Ready with the length of the next line, including its newline; 0 at the end.
    pub(super) fn poll_line(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        ready!(self.poll_served(cx));
        loop {
            if let Some(newline) = self.newlines.first(self.buffer.data()) {
                self.check_limit(newline)?;
                return Poll::Ready(Ok(newline + 1));
            }
            self.check_limit(self.newlines.searched())?;
            if ready!(self.poll_fill(cx))? == 0 {
                return Poll::Ready(Ok(self.buffer.len()));
            }
        }
    }

    pub(super) fn take_line(&mut self, len: usize) -> &[u8] {
        self.take(len)
    }

    /// Discards up to and including the first newline, adding the bytes to `skipped`.
    fn poll_skip_line(&mut self, cx: &mut Context<'_>, skipped: &mut u64) -> Poll<io::Result<()>> {
        ready!(self.poll_served(cx));
        loop {
            let newline = self.newlines.first(self.buffer.data());
            let len = newline.map_or(self.buffer.len(), |newline| newline + 1);
            self.take(len);
            *skipped += len as u64;
            if newline.is_some() || ready!(self.poll_fill(cx))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn poll_until(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        ready!(self.poll_served(cx));
        loop {
            let Some(search) = &mut self.search else {
                ready!(poll_budget(cx));
                let message = "a separator must have at least one byte, and there must be one";
                return Poll::Ready(Err(io::Error::new(ErrorKind::InvalidInput, message)));
            };
            if let Some(found) = search.find(self.buffer.data()) {
                self.check_limit(found.start)?;
                return Poll::Ready(Ok(found.end));
            }
            let clear = search.clear();
            self.check_limit(clear)?;
            if ready!(self.poll_fill(cx))? == 0 {
                let partial = self.take_vec(self.buffer.len());
                return Poll::Ready(Err(IncompleteRead { partial, expected: None }.into()));
            }
        }
    }

    pub(super) fn check_limit(&self, consumed: usize) -> io::Result<()> {
        let limit = self.limit;
        if consumed > limit { Err(LimitOverrun { consumed, limit }.into()) } else { Ok(()) }
    }

    /// Ready once the buffer holds `n` bytes, or everything up to the end. Returns how many bytes
    /// that is, at most `n`.
    fn poll_collect(&mut self, cx: &mut Context<'_>, n: usize) -> Poll<io::Result<usize>> {
        ready!(if n == 0 { poll_budget(cx) } else { self.poll_served(cx) });
        while self.buffer.len() < n {
            if ready!(self.poll_fill(cx))? == 0 {
                break;
            }
        }
        Poll::Ready(Ok(self.buffer.len().min(n)))
    }

    fn poll_into(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return poll_no_bytes(cx);
        }
        ready!(self.poll_served(cx));
        if self.buffer.is_empty() {
            if buf.len() >= DIRECT_MIN {
                ready!(poll_budget(cx));
                return self.source.poll_read(cx, buf);
            }
            if ready!(self.poll_fill(cx))? == 0 {
                return Poll::Ready(Ok(0));
            }
        }
        let len = self.buffer.len().min(buf.len());
        buf[..len].copy_from_slice(self.take(len));
        Poll::Ready(Ok(len))
    }

    /// Reads more into the buffer. Returns 0 at the end.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // A stream that is always ready, or at its end, must not starve other tasks.
        ready!(poll_budget(cx));
        if !matches!(self.source.state, State::Open) {
            return self.source.poll_read(cx, &mut []);
        }
        let result = self.source.poll_read(cx, self.buffer.room());
        match result {
            Poll::Ready(Ok(len)) if len > 0 => self.buffer.filled(len),
            Poll::Ready(_) | Poll::Pending => self.buffer.park(),
        }
        result
    }
}

impl Source {
    /// Reads from the stream, unless it has ended.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        match self.state {
            State::Open => {}
            State::AtEnd => return Poll::Ready(Ok(0)),
            State::Failed(code) => return Poll::Ready(Err(io::Error::from_raw_os_error(code))),
        }
        let result = loop {
            match ready!(self.stream.as_mut().poll_read(cx, buf)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        match &result {
            Ok(0) => self.state = State::AtEnd,
            Ok(len) => assert!(*len <= buf.len(), "a stream has read more than it was asked for"),
            Err(error) => {
                if let Some(code) = error.raw_os_error() {
                    self.state = State::Failed(code);
                }
            }
        }
        Poll::Ready(result)
    }
}

/// A caller's buffer that is being filled. Its bytes go back to the reader unless it becomes full.
struct Filling<'a> {
    reader: &'a mut StreamReader,
    buf: &'a mut [u8],
    filled: usize,
}

impl Filling<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.buf.is_empty() {
            return poll_budget(cx).map(Ok);
        }
        while self.filled < self.buf.len() {
            let len = ready!(self.reader.poll_into(cx, &mut self.buf[self.filled..]))?;
            if len == 0 {
                let partial = self.buf[..self.filled].to_vec();
                let error = IncompleteRead { partial, expected: Some(self.buf.len()) };
                self.filled = 0;
                return Poll::Ready(Err(error.into()));
            }
            self.filled += len;
        }
        self.filled = 0;
        Poll::Ready(Ok(()))
    }
}

impl Drop for Filling<'_> {
    fn drop(&mut self) {
        if self.filled > 0 {
            // As long as bytes are missing, every byte that the reader had is in `buf`: the
            // reader's own buffer is empty, and nothing has been searched.
            debug_assert!(self.reader.buffer.is_empty() && self.reader.newlines.searched() == 0);
            self.reader.buffer = Buffer::of(self.buf[..self.filled].to_vec());
        }
    }
}

/// Converts `bytes` to text. If they are not UTF-8, the error contains them.
pub(super) fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
}

impl AsyncRead for StreamReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_into(cx, buf)
    }
}

foreign_read!([] StreamReader);

impl AsyncBufRead for StreamReader {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        ready!(this.poll_served(cx));
        if this.buffer.is_empty() {
            ready!(this.poll_fill(cx))?;
        }
        Poll::Ready(Ok(this.buffer.data()))
    }

    fn consume(mut self: Pin<&mut Self>, amount: usize) {
        self.take(amount);
    }
}

impl fmt::Debug for StreamReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamReader")
            .field("buffered", &self.buffer.len())
            .field("limit", &self.limit)
            .field("at_eof", &self.at_eof())
            .finish_non_exhaustive()
    }
}
