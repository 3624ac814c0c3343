//! I/O traits and types: everything that oneloop's signatures use, plus streams, pipes and other
//! descriptors.
//!
//! oneloop's own types have inherent methods, so using them needs no trait import. They also
//! implement these traits, for code that is generic over streams.
//!
//! [`StreamReader`] and [`StreamWriter`] are asyncio's streams: they read lines and messages, and
//! write without having to wait. [`copy`] and [`copy_bidirectional`] forward streams,
//! [`split_streams`] turns any stream into a reader and a writer, and [`duplex`] is an in-memory
//! connection.
//!
//! [`stdin`], [`stdout`] and [`stderr`] are the process's standard streams. [`pipe`] contains pipes
//! and named pipes. [`AsyncFd`] waits for any other descriptor; [`add_reader`] and [`add_writer`]
//! are asyncio's callbacks for one.
//!
//! # Examples
//!
//! ```
//! use oneloop::io::{StreamReader, StreamWriter, duplex};
//!
//! oneloop::run(async {
//!     let (one, other) = duplex(64);
//!     let (mut reader, mut writer) = (StreamReader::new(other), StreamWriter::new(one));
//!     writer.write_all("first\nsecond").await?;
//!     drop(writer);
//!     assert_eq!(reader.readline().await?, b"first\n");
//!     assert_eq!(reader.readline().await?, b"second", "the end ends a line too");
//!     std::io::Result::Ok(())
//! })?;
//! # std::io::Result::Ok(())
//! ```

mod as_file;
mod async_fd;
mod backlog;
mod buffer;
mod chunks;
mod copy;
mod descriptor;
mod duplex;
mod duplex_line;
mod error;
pub(crate) mod foreign;
mod join;
mod leaving;
mod lines;
mod newlines;
mod outgoing;
mod parsing;
pub mod pipe;
mod send_file;
mod separators;
mod split;
mod stdio;
mod stream_reader;
mod stream_writer;
mod transport;
mod writer_control;

pub use as_file::AsFile;
pub use async_fd::{AsyncFd, FdCallback, Interest, add_reader, add_writer};
pub use copy::{copy, copy_bidirectional};
pub use duplex::{DuplexStream, duplex};
pub use error::{IncompleteRead, LimitOverrun};
pub use futures_io::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite};
pub use join::{JoinedStreams, join_streams};
pub use lines::Lines;
pub use send_file::SendFileError;
pub use split::split_streams;
pub use std::io::{Error, ErrorKind, IoSlice, IoSliceMut, Result, SeekFrom};
pub use stdio::{Stderr, Stdin, Stdout, stderr, stdin, stdout};
pub use stream_reader::StreamReader;
pub use stream_writer::StreamWriter;

pub(crate) use as_file::Sealed;
pub(crate) use chunks::{give_chunk, take_chunk};
pub(crate) use send_file::{Chunk, FileTarget, bounds, explain_positions, send_file};
pub(crate) use transport::{Transport, no_address};
pub(crate) use writer_control::WriterControl;
