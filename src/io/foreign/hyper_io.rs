//! Hyper's traits.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::AsyncRead;
use hyper::rt::ReadBufCursor;

use super::bounce::poll_read_into;

pub(crate) fn poll_read<R: AsyncRead>(
    reader: Pin<&mut R>,
    cx: &mut Context<'_>,
    mut buf: ReadBufCursor<'_>,
) -> Poll<io::Result<()>> {
    let limit = buf.remaining();
    poll_read_into(reader, cx, limit, |data| buf.put_slice(data))
}
