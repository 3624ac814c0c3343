//! Errors of reads, and the record of an error that has to be returned again.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};

/// The stream ended before all requested bytes had arrived; asyncio's `IncompleteReadError`.
///
/// It is carried in an [`io::Error`] of kind `UnexpectedEof`. [`IncompleteRead::of`] borrows it,
/// and `error.downcast::<IncompleteRead>()` takes it out.
///
/// # Examples
///
/// ```
/// use oneloop::io::{IncompleteRead, StreamReader};
///
/// oneloop::run(async {
///     let mut reader = StreamReader::new(&b"half a mess"[..]);
///     let error = reader.readexactly(12).await.unwrap_err();
///     let incomplete = IncompleteRead::of(&error).unwrap();
///     assert_eq!(incomplete.partial, b"half a mess");
///     assert_eq!(incomplete.expected, Some(12));
/// });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "IncompleteReadError")]
pub struct IncompleteRead {
    /// The bytes that had arrived. They are no longer in the reader.
    pub partial: Vec<u8>,
    /// The number of bytes requested, or `None` if that is unknown, as for a separator.
    pub expected: Option<usize>,
}

/// The reader's limit was reached before a separator was found; asyncio's `LimitOverrunError`.
///
/// It is carried in an [`io::Error`] of kind `InvalidData`; [`LimitOverrun::of`] borrows it. The
/// data is still in the reader.
///
/// # Examples
///
/// ```
/// use oneloop::io::{LimitOverrun, StreamReader};
///
/// oneloop::run(async {
///     let mut reader = StreamReader::new(&b"a long line\nshort\n"[..]).with_limit(8);
///     let error = reader.readline().await.unwrap_err();
///     let consumed = LimitOverrun::of(&error).unwrap().consumed;
///     assert_eq!(reader.readexactly(consumed).await?, b"a long line");
///     assert_eq!(reader.readline().await?, b"\n");
///     assert_eq!(reader.readline().await?, b"short\n");
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "LimitOverrunError")]
pub struct LimitOverrun {
    /// The number of bytes that can be read without touching a separator or the beginning of one.
    pub consumed: usize,
    pub(super) limit: usize,
}

impl IncompleteRead {
    /// Creates the error for a parser that reads from a stream itself, as
    /// [`StreamReader::read_more`](super::StreamReader::read_more) shows. The stream ended after
    /// `partial`; `expected` bytes were requested, or an unknown number.
    pub fn new(partial: impl Into<Vec<u8>>, expected: Option<usize>) -> Self {
        Self { partial: partial.into(), expected }
    }

    /// Returns the `IncompleteRead` inside `error`, if there is one.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl LimitOverrun {
    /// Returns the `LimitOverrun` inside `error`, if there is one.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl fmt::Display for IncompleteRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len = self.partial.len();
        match self.expected {
            Some(expected) => write!(f, "the stream ended after {len} of {expected} bytes"),
            None => write!(f, "the stream ended after {len} bytes, before what was to end them"),
        }
    }
}

impl fmt::Display for LimitOverrun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { consumed, limit } = self;
        write!(
            f,
            "no separator in the first {consumed} bytes, and the limit is {limit}: read them, or raise it by `with_limit`"
        )
    }
}

impl Error for IncompleteRead {}
impl Error for LimitOverrun {}

impl From<IncompleteRead> for io::Error {
    fn from(error: IncompleteRead) -> Self {
        Self::new(ErrorKind::UnexpectedEof, error)
    }
}

impl From<LimitOverrun> for io::Error {
    fn from(error: LimitOverrun) -> Self {
        Self::new(ErrorKind::InvalidData, error)
    }
}

/// A copy of an error, kept so that it can be returned again.
pub(super) enum Failure {
    OfKernel(i32),
    Other(ErrorKind, String),
}

impl Failure {
    pub(super) fn of(error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(code) => Self::OfKernel(code),
            None => Self::Other(error.kind(), error.to_string()),
        }
    }

    pub(super) fn error(&self) -> io::Error {
        match self {
            Self::OfKernel(code) => io::Error::from_raw_os_error(*code),
            Self::Other(kind, message) => io::Error::new(*kind, message.as_str()),
        }
    }
}
