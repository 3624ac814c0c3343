//! The traits of futures-io for files, for code that is generic over streams.
//!
//! Callers of these traits may stop polling at any time without notice. Operations begun through
//! them therefore finish by themselves, and hold no place in the line of the file's operations.

use std::io::{self, IoSlice, SeekFrom};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncRead, AsyncSeek, AsyncWrite};

use super::File;
use super::cursor::CHUNK;
use super::operation::{run_to_end, run_unattended};
use super::shared::{Shared, Turn};
use super::turns::Side;
use crate::io::foreign::{foreign_read, foreign_write};
use crate::runtime;

/// One task at a time reads through this trait: only the last one that polled is woken.
impl AsyncRead for &File {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return runtime::poll_no_bytes(cx);
        }
        ready!(runtime::poll_budget(cx));
        loop {
            let mut turn = ready!(Turn::poll(&self.shared, Side::Read, cx))?;
            if turn.cursor.take_end() {
                return Poll::Ready(Ok(0));
            }
            if turn.cursor.has_unread() {
                return Poll::Ready(Ok(turn.cursor.give(buf)));
            }
            let (named, wanted) = (self.shared.named.clone(), buf.len());
            run_unattended(turn, move |file, cursor| {
                cursor.fill(file, wanted).map_err(|error| named.cannot("read", &error))
            });
        }
    }
}

/// A write is ready as soon as the data is on its way, and a later operation returns its error.
/// `flush` waits until the data has arrived.
///
/// One task at a time writes, flushes or seeks through these traits: only the last one that polled
/// is woken.
impl AsyncWrite for &File {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(runtime::poll_budget(cx));
        let turn = ready!(Turn::poll(&self.shared, Side::Write, cx))?;
        let data = first_chunk(bufs);
        let len = data.len();
        if len > 0 {
            write_to_end(turn, data);
        }
        Poll::Ready(Ok(len))
    }

    /// Waits until all data written before has arrived.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(runtime::poll_budget(cx));
        Turn::poll(&self.shared, Side::Write, cx).map_ok(drop)
    }

    /// Same as `poll_flush`. The file is closed when it is dropped.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

impl AsyncSeek for &File {
    fn poll_seek(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: SeekFrom,
    ) -> Poll<io::Result<u64>> {
        ready!(runtime::poll_budget(cx));
        loop {
            let mut turn = ready!(Turn::poll(&self.shared, Side::Write, cx))?;
            if let Some(position) = turn.cursor.take_sought(to) {
                return Poll::Ready(Ok(position));
            }
            let named = self.shared.named.clone();
            run_unattended(turn, move |file, cursor| {
                let position = cursor.seek(file, to);
                let position = position.map_err(|error| named.cannot("seek in", &error))?;
                cursor.note_sought(to, position);
                Ok(())
            });
        }
    }
}

/// The bytes that one operation writes.
fn first_chunk(bufs: &[IoSlice<'_>]) -> Vec<u8> {
    let len = bufs.iter().map(|buf| buf.len()).sum::<usize>().min(CHUNK);
    let mut data = Vec::with_capacity(len);
    for buf in bufs {
        data.extend_from_slice(&buf[..buf.len().min(len - data.len())]);
    }
    data
}

fn write_to_end(turn: Turn, data: Vec<u8>) {
    let shared: Arc<Shared> = Arc::clone(turn.shared());
    run_to_end(turn, move |file, cursor| {
        let (_, error) = cursor.write(file, &data);
        error.map_or(Ok(()), |error| Err(shared.named.cannot("write", &error)))
    });
}

impl AsyncRead for File {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self).poll_read(cx, buf)
    }
}

impl AsyncWrite for File {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self).poll_write_vectored(cx, bufs)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut &*self).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut &*self).poll_close(cx)
    }
}

impl AsyncSeek for File {
    fn poll_seek(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: SeekFrom,
    ) -> Poll<io::Result<u64>> {
        Pin::new(&mut &*self).poll_seek(cx, to)
    }
}

foreign_read!([] & File);
foreign_read!([] File);
foreign_write!(vectored: false, [] &File);
foreign_write!(vectored: false, [] File);
