//! Errors of putting items into a queue and of taking them out.
//!
//! Errors of `put` carry the item, so it is not lost. `Debug` and `Display` do not show it, so the
//! item may have any type.

use std::error::Error;
use std::fmt;
use std::io;

use super::super::buffer::Refusal;

/// The item was not put because the queue is closed. Asyncio's `QueueShutDown`.
#[derive(Clone, Copy, PartialEq, Eq)]
#[doc(alias = "QueueShutDown")]
pub struct PutError<T>(pub(super) T);

impl<T> PutError<T> {
    /// The item that was not put.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for PutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PutError").finish_non_exhaustive()
    }
}

impl<T> fmt::Display for PutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the queue is closed")
    }
}

impl<T> Error for PutError<T> {}

/// Drops the item.
impl<T> From<PutError<T>> for io::Error {
    fn from(error: PutError<T>) -> Self {
        Self::new(io::ErrorKind::BrokenPipe, error.to_string())
    }
}

/// The item could not be put at once. Asyncio's `QueueFull` and `QueueShutDown`.
#[derive(Clone, Copy, PartialEq, Eq)]
#[doc(alias = "QueueFull")]
pub struct TryPutError<T> {
    pub(super) item: T,
    pub(super) refusal: Refusal,
}

impl<T> TryPutError<T> {
    /// Whether the queue is full for now, so that waiting may help.
    pub fn is_full(&self) -> bool {
        self.refusal == Refusal::Full
    }

    /// Whether the queue is closed.
    pub fn is_closed(&self) -> bool {
        self.refusal == Refusal::Closed
    }

    /// The item that was not put.
    pub fn into_inner(self) -> T {
        self.item
    }
}

impl<T> fmt::Debug for TryPutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryPutError").field("refusal", &self.refusal).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for TryPutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.refusal {
            Refusal::Full => "the queue is full",
            Refusal::Closed => "the queue is closed",
        })
    }
}

impl<T> Error for TryPutError<T> {}

/// No item could be taken at once. Asyncio's `QueueEmpty` and `QueueShutDown`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(alias = "QueueEmpty")]
pub struct TryGetError {
    pub(super) is_closed: bool,
}

impl TryGetError {
    /// Whether the queue is empty for now, so that waiting may help.
    pub fn is_empty(&self) -> bool {
        !self.is_closed
    }

    /// Whether the queue is closed and drained.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }
}

impl fmt::Display for TryGetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_closed {
            "the queue is closed and drained"
        } else {
            "the queue is empty"
        })
    }
}

impl Error for TryGetError {}
