//! `copy` and `copy_bidirectional`: copy one stream to another until the end.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncRead, AsyncWrite};

use super::buffer::Buffer;
use crate::runtime::poll_budget;

/// Copies `reader` to `writer` until `reader` ends. Returns the number of bytes copied.
///
/// Both may be references: `&mut`, or `&` of a socket. Copied bytes are flushed, at the latest
/// while the reader waits for more. The writer is not closed. No buffer is held while the reader
/// waits.
///
/// # Cancel safety
///
/// Not cancel safe: bytes that were read but not yet written are lost with the future.
///
/// # Errors
///
/// Any error of the two streams; `WriteZero` if the writer accepts no bytes. After an error, the
/// number of bytes copied is unknown.
///
/// # Examples
///
/// ```
/// oneloop::run(async {
///     let mut copied = Vec::new();
///     assert_eq!(oneloop::io::copy(&b"from memory"[..], &mut copied).await?, 11);
///     assert_eq!(copied, b"from memory");
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub async fn copy<R, W>(mut reader: R, mut writer: W) -> io::Result<u64>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut transfer = Transfer::new(false);
    poll_fn(|cx| transfer.poll(cx, &mut reader, &mut writer)).await
}

/// Copies between two connections in both directions, as a proxy does, until both have ended.
/// Returns the number of bytes copied from `a` to `b`, and from `b` to `a`.
///
/// The end of one direction is passed on, like [`write_eof`](super::StreamWriter::write_eof), while
/// the other direction goes on: a client that has sent its request and closed its side still
/// receives the answer.
///
/// There is no time limit: a peer that neither sends nor closes can delay this forever.
///
/// # Cancel safety
///
/// Not cancel safe: bytes that were read but not yet written are lost with the future.
///
/// # Errors
///
/// The first error of either connection ends both directions.
///
/// # Examples
///
/// ```
/// use oneloop::io::{copy_bidirectional, duplex};
///
/// oneloop::run(async {
///     let (client, near) = duplex(1024);
///     let (far, server) = duplex(1024);
///     let proxy = oneloop::create_task(async move { copy_bidirectional(&near, &far).await });
///
///     client.write_all(b"question").await?;
///     client.shutdown();
///     let (mut reader, mut writer) = server.into_streams();
///     assert_eq!(reader.read_to_end().await?, b"question");
///     writer.write_all("the answer").await?;
///     writer.close();
///
///     let mut answer = [0; 10];
///     client.read_exact(&mut answer).await?;
///     assert_eq!(&answer, b"the answer");
///     assert_eq!(proxy.await??, (8, 10));
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub async fn copy_bidirectional<A, B>(mut a: A, mut b: B) -> io::Result<(u64, u64)>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let (mut there, mut back) = (Transfer::new(true), Transfer::new(true));
    poll_fn(|cx| {
        let there = there.poll(cx, &mut a, &mut b)?;
        let back = back.poll(cx, &mut b, &mut a)?;
        match (there, back) {
            (Poll::Ready(there), Poll::Ready(back)) => Poll::Ready(Ok((there, back))),
            _ => Poll::Pending,
        }
    })
    .await
}

/// One direction of a copy.
struct Transfer {
    buffer: Buffer,
    copied: u64,
    /// The writer may have buffered some of the data it took.
    needs_flush: bool,
    /// Whether to pass on the end by closing the writer.
    closes: bool,
    stage: Stage,
}

enum Stage {
    Copying,
    Ending,
    Done,
}

impl Transfer {
    fn new(closes: bool) -> Self {
        Self {
            buffer: Buffer::default(),
            copied: 0,
            needs_flush: false,
            closes,
            stage: Stage::Copying,
        }
    }

    /// May be called again after it was ready; it then does nothing.
    fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
    ) -> Poll<io::Result<u64>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let mut writer = Pin::new(writer);
        loop {
            match self.stage {
                Stage::Copying if self.buffer.is_empty() => {
                    ready!(self.poll_read(cx, Pin::new(reader), writer.as_mut()))?;
                }
                Stage::Copying => ready!(self.poll_write(cx, writer.as_mut()))?,
                Stage::Ending => {
                    if self.closes {
                        ready!(writer.as_mut().poll_close(cx))?;
                    } else if self.needs_flush {
                        ready!(writer.as_mut().poll_flush(cx))?;
                    }
                    self.stage = Stage::Done;
                }
                Stage::Done => return Poll::Ready(Ok(self.copied)),
            }
        }
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        reader: Pin<&mut impl AsyncRead>,
        writer: Pin<&mut impl AsyncWrite>,
    ) -> Poll<io::Result<()>> {
        // Two streams that are always ready must not starve other tasks.
        ready!(poll_budget(cx));
        let Poll::Ready(read) = reader.poll_read(cx, self.buffer.room()) else {
            self.buffer.park();
            if self.needs_flush {
                ready!(writer.poll_flush(cx))?;
                self.needs_flush = false;
            }
            return Poll::Pending;
        };
        match read {
            Ok(0) => self.stage = Stage::Ending,
            Ok(len) => self.buffer.filled(len),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Poll::Ready(Err(error)),
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        mut writer: Pin<&mut impl AsyncWrite>,
    ) -> Poll<io::Result<()>> {
        while !self.buffer.is_empty() {
            match ready!(writer.as_mut().poll_write(cx, self.buffer.data())) {
                Ok(0) => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                Ok(len) => {
                    self.buffer.consume(len);
                    self.copied += len as u64;
                    self.needs_flush = true;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }
}
