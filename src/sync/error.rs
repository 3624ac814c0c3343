//! The errors of sending and receiving that the channels share.
//!
//! Errors of a sender carry the item, so it is not lost. `Debug` and `Display` do not show it, so
//! the item may have any type.

use std::error::Error;
use std::fmt;
use std::io;

/// The item was not sent because no receiver is left, or because the channel was closed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub(super) T);

impl<T> SendError<T> {
    pub(crate) fn new(item: T) -> Self {
        Self(item)
    }

    /// The item that was not sent.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendError").finish_non_exhaustive()
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this channel has no receiver any more")
    }
}

impl<T> Error for SendError<T> {}

/// Drops the item.
impl<T> From<SendError<T>> for io::Error {
    fn from(error: SendError<T>) -> Self {
        Self::new(io::ErrorKind::BrokenPipe, error.to_string())
    }
}

/// The item could not be sent at once.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TrySendError<T> {
    pub(super) item: T,
    pub(super) is_full: bool,
}

impl<T> TrySendError<T> {
    pub(crate) fn new(item: T, is_full: bool) -> Self {
        Self { item, is_full }
    }

    /// Whether the channel is full for now, so that waiting may help.
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// Whether no receiver is left, or the channel was closed.
    pub fn is_closed(&self) -> bool {
        !self.is_full
    }

    /// The item that was not sent.
    pub fn into_inner(self) -> T {
        self.item
    }
}

impl<T> fmt::Debug for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrySendError").field("is_full", &self.is_full).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_full {
            "there is no room in this channel"
        } else {
            "this channel has no receiver any more"
        })
    }
}

impl<T> Error for TrySendError<T> {}

/// No further item will arrive: no sender is left, or the channel was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecvError(());

impl RecvError {
    pub(super) const CLOSED: Self = Self(());
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this channel has no sender any more")
    }
}

impl Error for RecvError {}

impl From<RecvError> for io::Error {
    fn from(error: RecvError) -> Self {
        Self::new(io::ErrorKind::BrokenPipe, error)
    }
}

/// Nothing could be received at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TryRecvError {
    is_empty: bool,
}

impl TryRecvError {
    pub(crate) const EMPTY: Self = Self { is_empty: true };
    pub(crate) const CLOSED: Self = Self { is_empty: false };

    /// Whether the channel is empty for now, so that waiting may help.
    pub fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// Whether no further item will arrive: no sender is left, or the channel was closed.
    pub fn is_closed(&self) -> bool {
        !self.is_empty
    }
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty {
            "nothing is in this channel yet"
        } else {
            "this channel has no sender any more"
        })
    }
}

impl Error for TryRecvError {}
