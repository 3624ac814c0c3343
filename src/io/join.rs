//! `join_streams`: a reader and a writer as one stream.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncBufRead, AsyncRead, AsyncWrite};
use pin_project_lite::pin_project;

use super::foreign::{foreign_read, foreign_write};
use super::{StreamReader, StreamWriter};

/// Joins a reader and a writer to one stream, for code that wants both in one value, such as
/// hyper's connections. The opposite of [`split_streams`](super::split_streams).
///
/// # Examples
///
/// The handler of a server passes its streams on as one:
///
/// ```
/// use futures::{AsyncReadExt, AsyncWriteExt};
/// use oneloop::io::join_streams;
/// use oneloop::{open_connection, start_server};
///
/// async fn greet(mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin) -> std::io::Result<()> {
///     let mut name = [0; 3];
///     stream.read_exact(&mut name).await?;
///     stream.write_all(b"hello ").await?;
///     stream.write_all(&name).await?;
///     stream.flush().await
/// }
///
/// oneloop::run(async {
///     let handler = async |reader, writer| greet(join_streams(reader, writer)).await;
///     let server = start_server(handler, "127.0.0.1:0").await?;
///     let (mut reader, mut writer) = open_connection(server.local_addrs()[0]).await?;
///     writer.write(b"you");
///     assert_eq!(reader.readexactly(9).await?, b"hello you");
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[doc(alias = "join")]
#[doc(alias = "Join")]
pub fn join_streams<R, W>(reader: R, writer: W) -> JoinedStreams<R, W> {
    JoinedStreams { reader, writer }
}

pin_project! {
    /// A reader and a writer as one stream; see [`join_streams`].
    ///
    /// It has the traits of both: futures-io's and, with the features, tokio's and hyper's.
    pub struct JoinedStreams<R = StreamReader, W = StreamWriter> {
        #[pin]
        reader: R,
        #[pin]
        writer: W,
    }
}

impl<R, W> JoinedStreams<R, W> {
    /// The reader.
    pub fn reader(&self) -> &R {
        &self.reader
    }

    /// The writer.
    pub fn writer(&self) -> &W {
        &self.writer
    }

    /// Returns the reader and the writer.
    pub fn into_inner(self) -> (R, W) {
        (self.reader, self.writer)
    }
}

impl<R: AsyncRead, W> AsyncRead for JoinedStreams<R, W> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.project().reader.poll_read(cx, buf)
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().reader.poll_read_vectored(cx, bufs)
    }
}

impl<R: AsyncBufRead, W> AsyncBufRead for JoinedStreams<R, W> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.project().reader.poll_fill_buf(cx)
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        self.project().reader.consume(amount);
    }
}

impl<R, W: AsyncWrite> AsyncWrite for JoinedStreams<R, W> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.project().writer.poll_write(cx, data)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().writer.poll_write_vectored(cx, bufs)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().writer.poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().writer.poll_close(cx)
    }
}

foreign_read!([R: AsyncRead, W] JoinedStreams<R, W>);
foreign_write!(vectored: false, [R, W: AsyncWrite] JoinedStreams<R, W>);

impl<R: fmt::Debug, W: fmt::Debug> fmt::Debug for JoinedStreams<R, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinedStreams")
            .field("reader", &self.reader)
            .field("writer", &self.writer)
            .finish()
    }
}
