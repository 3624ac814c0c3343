//! `copy` and `copy_bidirectional`: from one stream to another, until the end.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncRead, AsyncWrite};

use super::buffer::Buffer;
use crate::runtime::poll_budget;

/// Copies from `reader` to `writer`, until the end of the former; gives the number of bytes.
///
/// Both may be references: `&mut`, or `&` of a socket. What was copied is flushed, at the latest while nothing comes in. The writer is not
/// closed. While nothing comes in, no buffer is held.
///
/// # Cancel safety
///
/// None: what was read and not yet written is lost with the future.
///
/// # Errors
///
/// Those of the two streams; `WriteZero` if the writer takes nothing. How much was copied then is unknown.
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

/// Copies between two connections in both directions, until both have ended; gives the number of bytes from `a` to `b`, and from `b` to
/// `a`. It is what a proxy does.
///
/// The end of one direction is passed on, as [`write_eof`](super::StreamWriter::write_eof) does, and the other goes on: a client that
/// has sent its request and closed its side still gets the answer.
///
/// There is no limit on the time: a peer that neither sends nor closes keeps it waiting.
///
/// # Cancel safety
///
/// None: what was read and not yet written is lost with the future.
///
/// # Errors
///
/// The first of either connection ends both directions.
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

/// One direction.
struct Transfer {
    buffer: Buffer,
    copied: u64,
    /// The writer may keep back some of what it has taken.
    needs_flush: bool,
    /// Whether the end is passed on.
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

    /// Also after it was ready, when it does nothing any more.
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
        // Two streams that are always ready must not keep the others from running.
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
