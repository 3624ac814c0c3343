//! The halves of a `TcpStream`.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;

use super::TcpStream;

/// The half of a [`TcpStream`] to read from, borrowed; see [`TcpStream::split`].
#[derive(Debug)]
pub struct ReadHalf<'a> {
    pub(super) stream: &'a TcpStream,
}

/// The half of a [`TcpStream`] to write to, borrowed; see [`TcpStream::split`].
#[derive(Debug)]
pub struct WriteHalf<'a> {
    pub(super) stream: &'a TcpStream,
}

/// The half of a [`TcpStream`] to read from; see [`TcpStream::into_split`].
#[derive(Debug)]
pub struct OwnedReadHalf {
    // Not an `Rc`, so that a half is as `Send` as the stream. It is counted when split and when dropped only.
    pub(super) stream: Arc<TcpStream>,
}

/// The half of a [`TcpStream`] to write to; see [`TcpStream::into_split`]. Dropped, it closes that side: the peer reads the end.
#[derive(Debug)]
pub struct OwnedWriteHalf {
    pub(super) stream: Arc<TcpStream>,
    closes_on_drop: bool,
}

pub(super) fn split(stream: TcpStream) -> (OwnedReadHalf, OwnedWriteHalf) {
    let stream = Arc::new(stream);
    let write = OwnedWriteHalf { stream: Arc::clone(&stream), closes_on_drop: true };
    (OwnedReadHalf { stream }, write)
}

macro_rules! read_half {
    ($half:ty) => {
        impl $half {
            /// As [`TcpStream::read`].
            ///
            /// # Cancel safety
            ///
            /// Dropped before it is ready, it has read nothing.
            ///
            /// # Errors
            ///
            /// As [`TcpStream::read`].
            pub async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                self.stream.read(buf).await
            }

            /// As [`TcpStream::read_exact`].
            ///
            /// # Cancel safety
            ///
            /// None: dropped before it is ready, it has read an unknown part.
            ///
            /// # Errors
            ///
            /// As [`TcpStream::read_exact`].
            pub async fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
                self.stream.read_exact(buf).await
            }

            /// The address of the peer.
            ///
            /// # Errors
            ///
            /// Those of the kernel.
            pub fn peer_addr(&self) -> io::Result<SocketAddr> {
                self.stream.peer_addr()
            }
        }

        impl AsRef<TcpStream> for $half {
            fn as_ref(&self) -> &TcpStream {
                &self.stream
            }
        }
    };
}

macro_rules! write_half {
    ($half:ty) => {
        impl $half {
            /// As [`TcpStream::write`].
            ///
            /// # Cancel safety
            ///
            /// Dropped before it is ready, it has written nothing.
            ///
            /// # Errors
            ///
            /// As [`TcpStream::write`].
            pub async fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                self.stream.write(buf).await
            }

            /// As [`TcpStream::write_all`].
            ///
            /// # Cancel safety
            ///
            /// None: dropped before it is ready, it has written an unknown part.
            ///
            /// # Errors
            ///
            /// As [`TcpStream::write_all`].
            pub async fn write_all(&mut self, buf: &[u8]) -> io::Result<()> {
                self.stream.write_all(buf).await
            }

            /// Closes this side: the peer reads the end.
            ///
            /// # Errors
            ///
            /// Those of the kernel.
            pub fn shutdown(&mut self) -> io::Result<()> {
                self.stream.shutdown(Shutdown::Write)
            }

            /// The address of the peer.
            ///
            /// # Errors
            ///
            /// Those of the kernel.
            pub fn peer_addr(&self) -> io::Result<SocketAddr> {
                self.stream.peer_addr()
            }
        }

        impl AsRef<TcpStream> for $half {
            fn as_ref(&self) -> &TcpStream {
                &self.stream
            }
        }
    };
}

read_half!(ReadHalf<'_>);
read_half!(OwnedReadHalf);
write_half!(WriteHalf<'_>);
write_half!(OwnedWriteHalf);

impl OwnedReadHalf {
    /// The stream again, of its two halves.
    ///
    /// # Errors
    ///
    /// If `write` is the half of another stream: gives both back.
    pub fn reunite(self, write: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
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

impl OwnedWriteHalf {
    /// Drops the half without closing its side.
    pub fn forget(mut self) {
        self.closes_on_drop = false;
    }
}

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        if self.closes_on_drop {
            // A connection that has ended has nothing to close.
            self.stream.shutdown(Shutdown::Write).ok();
        }
    }
}

/// The two halves belong to different streams; they are in it.
pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf);

impl fmt::Display for ReuniteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the halves belong to different streams")
    }
}

impl fmt::Debug for ReuniteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReuniteError").finish_non_exhaustive()
    }
}

impl Error for ReuniteError {}
