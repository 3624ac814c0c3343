//! Errors of receiving from a broadcast.

use std::error::Error;
use std::fmt;

/// No item was received: the receiver was too slow and missed some, or no further item will come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecvError {
    /// 0 for the end of the channel.
    missed: u64,
}

impl RecvError {
    pub(super) const CLOSED: Self = Self { missed: 0 };

    pub(super) fn of_lag(missed: u64) -> Self {
        Self { missed }
    }

    /// The number of items that were dropped before this receiver got them. The receiver continues
    /// with the oldest remaining item.
    pub fn lagged(&self) -> Option<u64> {
        Some(self.missed).filter(|&missed| missed > 0)
    }

    /// Whether all senders are gone and their last item was received.
    pub fn is_closed(&self) -> bool {
        self.missed == 0
    }
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.missed {
            0 => f.write_str("this channel has no sender any more"),
            missed => write!(f, "the receiver was too slow and has missed {missed} items"),
        }
    }
}

impl Error for RecvError {}

/// No item could be received at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TryRecvError {
    /// `None` if nothing has arrived yet.
    cause: Option<RecvError>,
}

impl TryRecvError {
    pub(super) const EMPTY: Self = Self { cause: None };

    pub(super) fn of(cause: RecvError) -> Self {
        Self { cause: Some(cause) }
    }

    /// Whether the channel is empty for now, so that waiting may help.
    pub fn is_empty(&self) -> bool {
        self.cause.is_none()
    }

    /// The number of items that were dropped before this receiver got them.
    pub fn lagged(&self) -> Option<u64> {
        self.cause.and_then(|cause| cause.lagged())
    }

    /// Whether all senders are gone and their last item was received.
    pub fn is_closed(&self) -> bool {
        self.cause.is_some_and(|cause| cause.is_closed())
    }
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            None => f.write_str("nothing is in this channel yet"),
            Some(cause) => cause.fmt(f),
        }
    }
}

impl Error for TryRecvError {}
