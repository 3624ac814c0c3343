//! Reads through a spare buffer.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::AsyncRead;

use crate::io::chunks::{CHUNK, give_chunk, take_chunk};

/// Reads at most `limit` bytes, and gives them to `put`.
pub(super) fn poll_read_into<R: AsyncRead>(
    reader: Pin<&mut R>,
    cx: &mut Context<'_>,
    limit: usize,
    put: impl FnOnce(&[u8]),
) -> Poll<io::Result<()>> {
    let mut chunk = take_chunk();
    let polled = reader.poll_read(cx, &mut chunk[..limit.min(CHUNK)]);
    let polled = polled.map_ok(|count| put(&chunk[..count]));
    give_chunk(chunk);
    polled
}
