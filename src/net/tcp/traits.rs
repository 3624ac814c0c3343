//! futures-io's traits for TCP streams and their halves, for code that is generic over streams.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};

use super::stream::{are_empty, read, read_vectored, write, write_vectored};
use super::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, TcpStream, WriteHalf};
use crate::runtime::Direction;

/// One task at a time reads through this trait: the last one that polls is the one that is woken.
impl AsyncRead for &TcpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.registration.poll_io(Direction::Read, cx, |io| read(io, buf))
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        if are_empty(bufs) {
            return Poll::Ready(Ok(0));
        }
        self.registration.poll_io(Direction::Read, cx, |io| read_vectored(io, bufs))
    }
}

/// One task at a time writes through this trait: the last one that polls is the one that is woken.
impl AsyncWrite for &TcpStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.registration.poll_io(Direction::Write, cx, |io| write(io, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.registration.poll_io(Direction::Write, cx, |io| write_vectored(io, bufs))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The kernel has everything already.
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.shutdown(Shutdown::Write))
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
                let mut stream = AsRef::<TcpStream>::as_ref(&*self);
                Pin::new(&mut stream).poll_read(cx, buf)
            }

            fn poll_read_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &mut [IoSliceMut<'_>],
            ) -> Poll<io::Result<usize>> {
                let mut stream = AsRef::<TcpStream>::as_ref(&*self);
                Pin::new(&mut stream).poll_read_vectored(cx, bufs)
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
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                let mut stream = AsRef::<TcpStream>::as_ref(&*self);
                Pin::new(&mut stream).poll_write(cx, buf)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                let mut stream = AsRef::<TcpStream>::as_ref(&*self);
                Pin::new(&mut stream).poll_write_vectored(cx, bufs)
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                let mut stream = AsRef::<TcpStream>::as_ref(&*self);
                Pin::new(&mut stream).poll_flush(cx)
            }

            fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                let mut stream = AsRef::<TcpStream>::as_ref(&*self);
                Pin::new(&mut stream).poll_close(cx)
            }
        }
    };
}

read_by_reference!(TcpStream);
read_by_reference!(ReadHalf<'_>);
read_by_reference!(OwnedReadHalf);
write_by_reference!(TcpStream);
write_by_reference!(WriteHalf<'_>);
write_by_reference!(OwnedWriteHalf);
