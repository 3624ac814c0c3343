//! `StreamWriter::send_file`, and the part that it shares with the sockets' `send_file`: sending a
//! file in chunks.
//!
//! The layers above know how to make the kernel copy a chunk.

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::ops::{Bound, Range, RangeBounds};
use std::rc::Rc;

use super::StreamWriter;
use super::as_file::{AsFile, std_file};
use super::outgoing::Outgoing;
use super::writer_control::LargeWrite;
use crate::sys::files::read_at;
use crate::task::yield_now;

/// The size of a chunk. It bounds how much of a file is read from disk while the loop can run
/// nothing else.
const CHUNK: usize = 256 * 1024;

impl StreamWriter {
    /// Sends a part of `file`, or all of it (`..`), after the data written before, waiting for room
    /// as necessary. Returns the number of bytes sent. That is less than the length of the range if
    /// the file ends first, and 0 if the file ends before the range starts. Asyncio's
    /// `loop.sendfile`.
    ///
    /// The range counts from the beginning of the file; the file's own position is neither used nor
    /// changed. To a TCP or Unix connection the kernel copies the bytes itself, as for
    /// [`TcpStream::send_file`](crate::net::TcpStream::send_file). Where it cannot, and for all
    /// other streams, the bytes are read and written in chunks of 256 KiB. Either way, a chunk that
    /// is not in memory is read from disk, which blocks the loop for that time. For a slow disk,
    /// let [`to_thread`](crate::thread::to_thread) read the file.
    ///
    /// A server that closes its connections lets the file go out first, as it does with
    /// [`write_all`](Self::write_all).
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: if dropped before it is ready, it has sent an unknown part of the file.
    /// Data written before is still sent. If a part of the file has been sent, the writer ends by
    /// resetting the connection, so that the peer does not mistake the part for the whole. An error
    /// after a part was sent has the same effect.
    ///
    /// # Errors
    ///
    /// All errors contain a [`SendFileError`], which says how much was sent. The cause is an error
    /// of [`drain`](Self::drain); `BrokenPipe` after [`write_eof`](Self::write_eof) and
    /// [`close`](Self::close); or an error of the file, for example because it has no positions,
    /// like a pipe. After an error of the file the writer is unchanged.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::io::{StreamReader, StreamWriter};
    /// use oneloop::net::open_connection;
    /// use std::fs::File;
    ///
    /// async fn serve(_: StreamReader, mut writer: StreamWriter) -> std::io::Result<()> {
    ///     let file = File::open("Cargo.toml")?;
    ///     writer.write("it begins with ");
    ///     writer.send_file(&file, 0..9).await?;
    ///     Ok(())
    /// }
    ///
    /// oneloop::run(async {
    ///     let server = oneloop::start_server(serve, "127.0.0.1:0").await?;
    ///     let (mut reader, _writer) = open_connection(server.local_addrs()[0]).await?;
    ///     assert_eq!(reader.read_to_end().await?, b"it begins with [package]");
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "sendfile")]
    pub async fn send_file(
        &mut self,
        file: impl AsFile,
        range: impl RangeBounds<u64>,
    ) -> io::Result<u64> {
        self.outgoing().send_together();
        let end = LargeWrite::begin(self.outgoing());
        let sent = send_file(Queued(self.outgoing()), file, bounds(&range)).await;
        self.outgoing().drive_now();
        if sent.is_ok() {
            end.complete();
        }
        sent
    }
}

/// The destination of a file.
pub(crate) trait FileTarget {
    /// Lets the kernel copy a part of `chunk`. Returns the number of bytes, 0 at the end of the
    /// file, or `None` if the kernel cannot.
    fn copy(&self, chunk: &Chunk<'_>) -> impl Future<Output = io::Result<Option<usize>>>;

    /// Writes a part of `data`.
    fn write(&self, data: &[u8]) -> impl Future<Output = io::Result<usize>>;
}

/// A writer; the file follows its queued data.
struct Queued<'a>(&'a Rc<Outgoing>);

impl FileTarget for Queued<'_> {
    async fn copy(&self, chunk: &Chunk<'_>) -> io::Result<Option<usize>> {
        poll_fn(|cx| self.0.poll_copy(cx, chunk)).await
    }

    async fn write(&self, data: &[u8]) -> io::Result<usize> {
        poll_fn(|cx| self.0.poll_write(cx, data)).await
    }
}

/// Converts `range` to the first byte and the byte after the last.
pub(crate) fn bounds(range: &impl RangeBounds<u64>) -> Range<u64> {
    let start = match range.start_bound() {
        Bound::Included(&start) => start,
        Bound::Excluded(&before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(&last) => last.saturating_add(1),
        Bound::Excluded(&end) => end,
        Bound::Unbounded => u64::MAX,
    };
    start..end
}

/// Sends the bytes of `file` that lie in `range`.
pub(crate) async fn send_file(
    target: impl FileTarget,
    file: impl AsFile,
    range: Range<u64>,
) -> io::Result<u64> {
    let Range { start, end } = range;
    let mut way = Way::Native;
    let mut at = start;
    while at < end {
        let before = at;
        let count = usize::try_from(end - at).unwrap_or(CHUNK).min(CHUNK);
        let chunk = Chunk { file: std_file(&file), at, count };
        let result = match &mut way {
            Way::Native => target.copy(&chunk).await.map(|sent| sent.map(|sent| at += sent as u64)),
            Way::Reading(buf) => write(&target, chunk.read(buf), &mut at).await.map(Some),
        };
        match result {
            Ok(Some(())) if at == before => break,
            // A chunk takes as long as a task may run, and a fast peer would let many follow at
            // once.
            Ok(Some(())) => yield_now().await,
            Ok(None) => way = Way::Reading(Vec::new()),
            Err(cause) => return Err(SendFileError { sent: at - start, cause }.into()),
        }
    }
    Ok(at - start)
}

enum Way {
    Native,
    /// Reads and writes, with a buffer for one chunk.
    Reading(Vec<u8>),
}

/// Writes all of `data`, which was read from the file and is empty at its end. Adds each written
/// byte to `at`.
async fn write(target: &impl FileTarget, data: io::Result<&[u8]>, at: &mut u64) -> io::Result<()> {
    let mut rest = data?;
    while !rest.is_empty() {
        match target.write(rest).await? {
            0 => return Err(ErrorKind::WriteZero.into()),
            written => {
                rest = &rest[written..];
                *at += written as u64;
            }
        }
    }
    Ok(())
}

/// The part of a file sent at a time.
pub(crate) struct Chunk<'a> {
    pub(crate) file: &'a File,
    pub(crate) at: u64,
    pub(crate) count: usize,
}

impl Chunk<'_> {
    fn read<'a>(&self, buf: &'a mut Vec<u8>) -> io::Result<&'a [u8]> {
        if i64::try_from(self.at).is_err() {
            let what = format!("no file has an offset of {}", self.at);
            return Err(io::Error::new(ErrorKind::InvalidInput, what));
        }
        buf.resize(self.count, 0);
        let len = loop {
            match read_at(self.file, buf, self.at) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => break result.map_err(explain_positions)?,
            }
        };
        Ok(&buf[..len])
    }
}

/// Says what to do about a file without positions.
pub(crate) fn explain_positions(error: io::Error) -> io::Error {
    if error.kind() != ErrorKind::NotSeekable {
        return error;
    }
    let what =
        "it has no positions to read from: pass a file, and read a pipe or a socket yourself";
    io::Error::new(ErrorKind::NotSeekable, what)
}

/// A file was not sent to its end. This error is inside the `io::Error` that
/// [`StreamWriter::send_file`] returns, and the `send_file` of
/// [`TcpStream`](crate::net::TcpStream::send_file) and
/// [`UnixStream`](crate::net::UnixStream::send_file).
#[derive(Debug)]
pub struct SendFileError {
    sent: u64,
    cause: io::Error,
}

impl SendFileError {
    /// Returns the number of bytes that the kernel accepted before the error. The peer may not have
    /// received all of them.
    pub fn sent(&self) -> u64 {
        self.sent
    }
}

impl fmt::Display for SendFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the file was not sent further than {} bytes: {}", self.sent, self.cause)
    }
}

impl Error for SendFileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}

impl From<SendFileError> for io::Error {
    fn from(error: SendFileError) -> Self {
        Self::new(error.cause.kind(), error)
    }
}
