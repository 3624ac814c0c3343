//! `duplex`: an in-memory connection.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncRead, AsyncWrite};

use super::duplex_line::{End, Line, Name};
use super::error::IncompleteRead;
use super::foreign::{foreign_read, foreign_write};
use super::{StreamReader, StreamWriter, Transport};
use crate::runtime::{poll_budget, poll_no_bytes, spend_if_empty};

/// Creates an in-memory connection: bytes written to one end are read from the other. Useful in
/// tests, and between parts of a program.
///
/// Each direction holds at most `capacity` bytes, and a write waits for room. Memory is used only
/// for bytes in transit. The connection does not depend on the operating system and needs no loop.
///
/// tokio and Trio have the same under other names.
///
/// # Panics
///
/// Panics if `capacity` is 0, because nothing could ever be written.
///
/// # Examples
///
/// ```
/// oneloop::run(async {
///     let (client, server) = oneloop::io::duplex(64);
///     client.write_all(b"ping").await?;
///     let mut buf = [0; 4];
///     server.read_exact(&mut buf).await?;
///     assert_eq!(&buf, b"ping");
///     drop(client);
///     assert_eq!(server.read(&mut buf).await?, 0);
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[doc(alias = "socketpair")]
#[doc(alias = "memory_stream_pair")]
#[track_caller]
pub fn duplex(capacity: usize) -> (DuplexStream, DuplexStream) {
    assert!(capacity > 0, "a `duplex` must have room for one byte at least");
    let (there, back) = (Arc::new(Line::new(capacity)), Arc::new(Line::new(capacity)));
    let (outgoing, incoming) = (Arc::clone(&there), Arc::clone(&back));
    let one = DuplexStream { incoming, outgoing };
    (one, DuplexStream { incoming: there, outgoing: back })
}

/// One end of an in-memory connection; see [`duplex`].
///
/// All methods take `&self`, so one task may read while another writes. The type is `Send`: the two
/// ends may live on different threads.
///
/// Dropping it closes both directions. The other end reads the bytes in transit and then the end of
/// the stream, and can no longer write.
pub struct DuplexStream {
    incoming: Arc<Line>,
    outgoing: Arc<Line>,
}

impl DuplexStream {
    /// Reads the available bytes, waiting for some if there are none. Returns 0 at the end of the
    /// stream.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has read nothing.
    ///
    /// # Errors
    ///
    /// `ConnectionReset` if the other end was [aborted](StreamWriter::abort).
    pub async fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return poll_fn(poll_no_bytes).await;
        }
        let mut waiting = Waiting { line: &self.incoming, end: End::Read, name: None };
        poll_fn(|cx| {
            ready!(poll_budget(cx));
            self.incoming.poll_read(&mut waiting.name, cx, buf)
        })
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
    /// [`IncompleteRead`] if the other end closes first; otherwise the errors of
    /// [`read`](Self::read).
    pub async fn read_exact(&self, buf: &mut [u8]) -> io::Result<()> {
        spend_if_empty(buf).await;
        let mut filled = 0;
        while filled < buf.len() {
            match self.read(&mut buf[filled..]).await? {
                0 => {
                    let partial = buf[..filled].to_vec();
                    return Err(IncompleteRead { partial, expected: Some(buf.len()) }.into());
                }
                more => filled += more,
            }
        }
        Ok(())
    }

    /// Writes as many bytes as there is room for, waiting for room if there is none. Returns the
    /// number of bytes written.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has written nothing.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` if the other end is gone, or after [`shutdown`](Self::shutdown).
    pub async fn write(&self, data: &[u8]) -> io::Result<usize> {
        if data.is_empty() {
            return poll_fn(poll_no_bytes).await;
        }
        let mut waiting = Waiting { line: &self.outgoing, end: End::Write, name: None };
        poll_fn(|cx| {
            ready!(poll_budget(cx));
            self.outgoing.poll_write(&mut waiting.name, cx, data)
        })
        .await
    }

    /// Writes all of `data`.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: if dropped before it is ready, it has written an unknown number of bytes.
    ///
    /// # Errors
    ///
    /// The errors of [`write`](Self::write).
    pub async fn write_all(&self, data: &[u8]) -> io::Result<()> {
        spend_if_empty(data).await;
        let mut rest = data;
        while !rest.is_empty() {
            let len = self.write(rest).await?;
            rest = &rest[len..];
        }
        Ok(())
    }

    /// Closes this direction. The other end reads the bytes in transit and then the end of the
    /// stream. This end can still read what the other end writes.
    pub fn shutdown(&self) {
        self.outgoing.end();
    }

    /// Splits the connection into a buffered reader and writer, like
    /// [`TcpStream::into_streams`](crate::net::TcpStream::into_streams). Closing the writer closes
    /// the connection.
    #[track_caller]
    pub fn into_streams(self) -> (StreamReader, StreamWriter) {
        let stream = Rc::new(self);
        let end = WriteEnd { stream: Rc::clone(&stream) };
        (StreamReader::new(ReadEnd { stream }), StreamWriter::of(Box::pin(end), Location::caller()))
    }

    /// Closes both directions, for both ends.
    fn close(&self) {
        self.outgoing.end();
        self.incoming.stop_reading();
    }
}

impl Drop for DuplexStream {
    fn drop(&mut self) {
        self.close();
    }
}

/// A future that waits at one end of a line. Dropping it removes its entry.
struct Waiting<'a> {
    line: &'a Line,
    end: End,
    name: Option<Name>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(name) = self.name {
            self.line.forget(self.end, name);
        }
    }
}

/// Only one task at a time can read through this trait: the last task to poll is the one woken.
impl AsyncRead for &DuplexStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return poll_no_bytes(cx);
        }
        ready!(poll_budget(cx));
        self.incoming.poll_read(&mut Some(Name::POLL), cx, buf)
    }
}

/// Only one task at a time can write through this trait: the last task to poll is the one woken.
impl AsyncWrite for &DuplexStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        if data.is_empty() {
            return poll_no_bytes(cx);
        }
        ready!(poll_budget(cx));
        self.outgoing.poll_write(&mut Some(Name::POLL), cx, data)
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shutdown();
        Poll::Ready(Ok(()))
    }
}

/// Implements the trait by forwarding to a reference to the stream.
macro_rules! read_by_reference {
    ($type:ty) => {
        impl AsyncRead for $type {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                Pin::new(&mut self.as_stream()).poll_read(cx, buf)
            }
        }
    };
}

/// Like `read_by_reference`, for writing.
macro_rules! write_by_reference {
    ($type:ty) => {
        impl AsyncWrite for $type {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                data: &[u8],
            ) -> Poll<io::Result<usize>> {
                Pin::new(&mut self.as_stream()).poll_write(cx, data)
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut self.as_stream()).poll_flush(cx)
            }

            fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut self.as_stream()).poll_close(cx)
            }
        }
    };
}

foreign_read!([] & DuplexStream);
foreign_write!(vectored: false, [] &DuplexStream);
foreign_read!([] DuplexStream);
foreign_write!(vectored: false, [] DuplexStream);
read_by_reference!(DuplexStream);
write_by_reference!(DuplexStream);
read_by_reference!(ReadEnd);
write_by_reference!(WriteEnd);

/// The end that a `StreamReader` reads from.
struct ReadEnd {
    stream: Rc<DuplexStream>,
}

/// The end that a `StreamWriter` writes to.
struct WriteEnd {
    stream: Rc<DuplexStream>,
}

impl DuplexStream {
    fn as_stream(&self) -> &Self {
        self
    }
}

impl ReadEnd {
    fn as_stream(&self) -> &DuplexStream {
        &self.stream
    }
}

impl WriteEnd {
    fn as_stream(&self) -> &DuplexStream {
        &self.stream
    }
}

impl Transport for WriteEnd {
    fn poll_close_both(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.close();
        Poll::Ready(Ok(()))
    }

    fn abort(self: Pin<&mut Self>) {
        self.stream.outgoing.reset();
        self.stream.incoming.stop_reading();
    }
}

impl fmt::Debug for DuplexStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DuplexStream").finish_non_exhaustive()
    }
}
