//! Tokio's traits.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncBufRead, AsyncRead};
use tokio::io::{self as tokio_io, ReadBuf};

use super::bounce::poll_read_into;
use crate::io::StreamReader;

pub(crate) fn poll_read<R: AsyncRead>(
    reader: Pin<&mut R>,
    cx: &mut Context<'_>,
    buf: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    if buf.initialized().len() == buf.capacity() {
        // No byte has to be filled with zero first.
        return reader.poll_read(cx, buf.initialize_unfilled()).map_ok(|count| buf.advance(count));
    }
    poll_read_into(reader, cx, buf.remaining(), |data| buf.put_slice(data))
}

#[cfg_attr(docsrs, doc(cfg(feature = "tokio-io")))]
impl tokio_io::AsyncBufRead for StreamReader {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        AsyncBufRead::poll_fill_buf(self, cx)
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        AsyncBufRead::consume(self, amount);
    }
}
