//! The halves of a stream: one for reading, one for writing.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::Shutdown;
use std::sync::Arc;

use super::TcpStream;
use super::connection::{self, ByteStream};
use crate::runtime::{OwnProcess, own_process};

/// The reading half of a stream, borrowed; see [`TcpStream::split`].
#[derive(Debug)]
pub struct ReadHalf<'a, S = TcpStream> {
    stream: &'a S,
}

/// The writing half of a stream, borrowed; see [`TcpStream::split`].
#[derive(Debug)]
pub struct WriteHalf<'a, S = TcpStream> {
    stream: &'a S,
}

/// The reading half of a stream; see [`TcpStream::into_split`].
#[derive(Debug)]
pub struct OwnedReadHalf<S = TcpStream> {
    // An `Arc`, so that a half is as `Send` as the stream. The count changes only when splitting
    // and dropping.
    stream: Arc<S>,
}

/// The writing half of a stream; see [`TcpStream::into_split`]. Dropping it closes this side: the
/// peer reads the end.
#[derive(Debug)]
pub struct OwnedWriteHalf<S: ByteStream = TcpStream> {
    stream: Arc<S>,
    closes_on_drop: bool,
    /// The process that made the half. A forked child shares the connection, and leaves closing the
    /// side to its parent.
    process: OwnProcess,
}

pub(super) fn borrow<S>(stream: &S) -> (ReadHalf<'_, S>, WriteHalf<'_, S>) {
    (ReadHalf { stream }, WriteHalf { stream })
}

pub(super) fn split<S: ByteStream>(stream: S) -> (OwnedReadHalf<S>, OwnedWriteHalf<S>) {
    let stream = Arc::new(stream);
    let (closes_on_drop, process) = (true, own_process());
    let write = OwnedWriteHalf { stream: Arc::clone(&stream), closes_on_drop, process };
    (OwnedReadHalf { stream }, write)
}

macro_rules! read_half {
    ($half:ty) => {
        impl<S: ByteStream> $half {
            /// Like [`TcpStream::read`].
            ///
            /// # Cancel safety
            ///
            /// If dropped before it is ready, it has read nothing.
            ///
            /// # Errors
            ///
            /// The errors of [`TcpStream::read`].
            pub async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                connection::read_some(self.stream.registration(), buf).await
            }

            /// Like [`TcpStream::read_exact`].
            ///
            /// # Cancel safety
            ///
            /// Not cancel safe: if dropped before it is ready, it has read an unknown number of
            /// bytes.
            ///
            /// # Errors
            ///
            /// The errors of [`TcpStream::read_exact`].
            pub async fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
                connection::read_exact(self.stream.registration(), buf).await
            }

            /// Returns the peer's address.
            ///
            /// # Errors
            ///
            /// Any error of the kernel.
            pub fn peer_addr(&self) -> io::Result<S::Addr> {
                self.stream.peer_addr()
            }
        }

        impl<S> AsRef<S> for $half {
            fn as_ref(&self) -> &S {
                &self.stream
            }
        }
    };
}

macro_rules! write_half {
    ($half:ty) => {
        impl<S: ByteStream> $half {
            /// Like [`TcpStream::write`].
            ///
            /// # Cancel safety
            ///
            /// If dropped before it is ready, it has written nothing.
            ///
            /// # Errors
            ///
            /// The errors of [`TcpStream::write`].
            pub async fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                connection::write_some(self.stream.registration(), buf).await
            }

            /// Like [`TcpStream::write_all`].
            ///
            /// # Cancel safety
            ///
            /// Not cancel safe: if dropped before it is ready, it has written an unknown number of
            /// bytes.
            ///
            /// # Errors
            ///
            /// The errors of [`TcpStream::write_all`].
            pub async fn write_all(&mut self, buf: &[u8]) -> io::Result<()> {
                connection::write_all(self.stream.registration(), buf).await
            }

            /// Closes this side: the peer reads the end.
            ///
            /// # Errors
            ///
            /// Any error of the kernel.
            pub fn shutdown(&mut self) -> io::Result<()> {
                connection::shutdown(self.stream.registration().io(), Shutdown::Write)
            }

            /// Returns the peer's address.
            ///
            /// # Errors
            ///
            /// Any error of the kernel.
            pub fn peer_addr(&self) -> io::Result<S::Addr> {
                self.stream.peer_addr()
            }
        }

        impl<S: ByteStream> AsRef<S> for $half {
            fn as_ref(&self) -> &S {
                &self.stream
            }
        }
    };
}

read_half!(ReadHalf<'_, S>);
read_half!(OwnedReadHalf<S>);
write_half!(WriteHalf<'_, S>);
write_half!(OwnedWriteHalf<S>);

impl<S: ByteStream> OwnedReadHalf<S> {
    /// Reunites the two halves into the stream.
    ///
    /// # Errors
    ///
    /// If `write` is the half of another stream, the error returns both halves.
    pub fn reunite(self, write: OwnedWriteHalf<S>) -> Result<S, ReuniteError<S>> {
        if !Arc::ptr_eq(&self.stream, &write.stream) {
            return Err(ReuniteError(self, write));
        }
        write.forget();
        match Arc::try_unwrap(self.stream) {
            Ok(stream) => Ok(stream),
            Err(_) => unreachable!("a stream has two halves, and the other is gone"),
        }
    }
}

impl<S: ByteStream> OwnedWriteHalf<S> {
    /// Drops the half without closing its side.
    pub fn forget(mut self) {
        self.closes_on_drop = false;
    }
}

impl<S: ByteStream> Drop for OwnedWriteHalf<S> {
    fn drop(&mut self) {
        if self.closes_on_drop && self.process.is_current() {
            // A connection that has ended has nothing to close.
            connection::shutdown(self.stream.registration().io(), Shutdown::Write).ok();
        }
    }
}

/// The two halves belong to different streams. The error contains both.
pub struct ReuniteError<S: ByteStream = TcpStream>(pub OwnedReadHalf<S>, pub OwnedWriteHalf<S>);

impl<S: ByteStream> fmt::Display for ReuniteError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the halves belong to different streams")
    }
}

impl<S: ByteStream> fmt::Debug for ReuniteError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReuniteError").finish_non_exhaustive()
    }
}

impl<S: ByteStream> Error for ReuniteError<S> {}
