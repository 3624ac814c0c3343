//! The I/O traits and types that oneloop's signatures use, in one place; pipes, and whatever else has a descriptor.
//!
//! oneloop's own types have inherent methods, so no trait has to be imported to use them. They implement these traits for
//! code that is generic over streams.

mod async_fd;
mod descriptor;
pub mod pipe;

pub use async_fd::{AsyncFd, FdCallback, Interest, add_reader, add_writer};
pub use futures_io::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite};
pub use std::io::{Error, ErrorKind, IoSlice, IoSliceMut, Result, SeekFrom};
