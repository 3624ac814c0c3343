//! futures-io's traits for streams and their halves, for code that is generic over streams.
//!
//! Only one task at a time can read through these traits, and one can write: the last task to poll
//! is the one woken.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};

use super::connection::{
    ByteStream, are_empty, read, read_vectored, shutdown, write, write_vectored,
};
use super::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, TcpStream, WriteHalf};
use crate::io::foreign::{foreign_read, foreign_write};
use crate::runtime::{Direction, poll_no_bytes};

/// Implements the trait for a type that refers to a stream.
macro_rules! async_read {
    ([$($generics:tt)*] $type:ty, of $stream:ty) => {
        impl<$($generics)*> AsyncRead for $type {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                if buf.is_empty() {
                    return poll_no_bytes(cx);
                }
                let stream = AsRef::<$stream>::as_ref(&*self);
                stream.registration().poll_io(Direction::Read, cx, |io| read(io, buf))
            }

            fn poll_read_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &mut [IoSliceMut<'_>],
            ) -> Poll<io::Result<usize>> {
                if are_empty(bufs) {
                    return poll_no_bytes(cx);
                }
                let stream = AsRef::<$stream>::as_ref(&*self);
                stream.registration().poll_io(Direction::Read, cx, |io| read_vectored(io, bufs))
            }
        }

        foreign_read!([$($generics)*] $type);
    };
}

/// Like `async_read`, for writing.
macro_rules! async_write {
    ([$($generics:tt)*] $type:ty, of $stream:ty) => {
        impl<$($generics)*> AsyncWrite for $type {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                let stream = AsRef::<$stream>::as_ref(&*self);
                stream.registration().poll_io(Direction::Write, cx, |io| write(io, buf))
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                let stream = AsRef::<$stream>::as_ref(&*self);
                stream.registration().poll_io(Direction::Write, cx, |io| write_vectored(io, bufs))
            }

            fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                // The kernel already has all the data.
                Poll::Ready(Ok(()))
            }

            fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                let stream = AsRef::<$stream>::as_ref(&*self);
                Poll::Ready(shutdown(stream.registration().io(), Shutdown::Write))
            }
        }

        foreign_write!(vectored: true, [$($generics)*] $type);
    };
}

pub(super) use {async_read, async_write};

async_read!([] TcpStream, of TcpStream);
async_read!([] &TcpStream, of TcpStream);
async_read!([S: ByteStream] ReadHalf<'_, S>, of S);
async_read!([S: ByteStream] OwnedReadHalf<S>, of S);
async_write!([] TcpStream, of TcpStream);
async_write!([] &TcpStream, of TcpStream);
async_write!([S: ByteStream] WriteHalf<'_, S>, of S);
async_write!([S: ByteStream] OwnedWriteHalf<S>, of S);
