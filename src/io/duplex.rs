//! `duplex`: a connection in memory.

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
use super::{StreamReader, StreamWriter, Transport};
use crate::runtime::poll_budget;

/// A connection in memory: what is written to one end is read from the other. For tests, and between parts of a program.
///
/// Each direction holds `capacity` bytes at most, and a write waits for room; memory is used for what is on its way. Nothing depends on
/// the operating system, and no loop is needed.
///
/// From tokio and Trio, which have it under other names.
///
/// # Panics
///
/// If `capacity` is 0: nothing could ever be written.
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

/// One end of a connection in memory; see [`duplex`].
///
/// All methods take `&self`, so one task may read while another writes. It is `Send`: the ends may be on different threads.
///
/// Dropping it closes both directions: the other end reads what is on its way and then the end, and cannot write any more.
pub struct DuplexStream {
    incoming: Arc<Line>,
    outgoing: Arc<Line>,
}

impl DuplexStream {
    /// Reads what is there, waiting for something if need be; 0 is the end.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has read nothing.
    ///
    /// # Errors
    ///
    /// `ConnectionReset` if the other end was [aborted](StreamWriter::abort).
    pub async fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
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
    /// None: dropped before it is ready, it has read an unknown part.
    ///
    /// # Errors
    ///
    /// [`IncompleteRead`] if the other end closes before; and as [`read`](Self::read).
    pub async fn read_exact(&self, buf: &mut [u8]) -> io::Result<()> {
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

    /// Writes what there is room for, waiting for some if need be; returns how many bytes.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has written nothing.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` if the other end is gone, or after [`shutdown`](Self::shutdown).
    pub async fn write(&self, data: &[u8]) -> io::Result<usize> {
        if data.is_empty() {
            return Ok(0);
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
    /// None: dropped before it is ready, it has written an unknown part.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub async fn write_all(&self, data: &[u8]) -> io::Result<()> {
        let mut rest = data;
        while !rest.is_empty() {
            let len = self.write(rest).await?;
            rest = &rest[len..];
        }
        Ok(())
    }

    /// Closes this direction: the other end reads what is on its way and then the end, and can still be read from.
    pub fn shutdown(&self) {
        self.outgoing.end();
    }

    /// A reader and a writer with buffers, as a [`TcpStream`](crate::net::TcpStream::into_streams) gives them. Closing the writer
    /// closes the connection.
    #[track_caller]
    pub fn into_streams(self) -> (StreamReader, StreamWriter) {
        let stream = Rc::new(self);
        let end = WriteEnd { stream: Rc::clone(&stream) };
        (StreamReader::new(ReadEnd { stream }), StreamWriter::of(Box::pin(end), Location::caller()))
    }

    /// Closes both directions, for this end and for the other.
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

/// A future that waits at one end of a line, and takes its entry back when it is dropped.
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

/// One task at a time reads through this trait: the last one that polls is the one that is woken.
impl AsyncRead for &DuplexStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        ready!(poll_budget(cx));
        self.incoming.poll_read(&mut Some(Name::POLL), cx, buf)
    }
}

/// One task at a time writes through this trait: the last one that polls is the one that is woken.
impl AsyncWrite for &DuplexStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        if data.is_empty() {
            return Poll::Ready(Ok(0));
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

/// Passes the trait on to the reference to the stream.
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

/// As `read_by_reference`.
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

read_by_reference!(DuplexStream);
write_by_reference!(DuplexStream);
read_by_reference!(ReadEnd);
write_by_reference!(WriteEnd);

/// What a `StreamReader` reads.
struct ReadEnd {
    stream: Rc<DuplexStream>,
}

/// What a `StreamWriter` writes to.
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
