//! What waits to be sent, and what is to be done about it: pure data, which knows no stream and no loop.
//!
//! ```text
//!   Open --end--> Ending --(all is sent)--> Ended
//!     \             |                        /
//!      +---close----+-----------------------+--> Closing --(all is sent)--> Closed
//! ```
//!
//! A failure, in any phase, ends the sending; what was `Closing` is `Closed` then.

use std::cell::Cell;
use std::io::{self, ErrorKind};
use std::mem;

use super::buffer::Buffer;
use super::error::Failure;

pub(super) struct Backlog {
    queue: Buffer,
    phase: Phase,
    /// The stream may keep back some of what it has taken.
    pub(super) needs_flush: bool,
    /// A task sends what waits.
    pub(super) has_flusher: bool,
    /// More than `high` was in the queue, and not yet as little as `low`.
    is_paused: bool,
    high: usize,
    low: usize,
    failed: Option<Failed>,
    /// How many writes came too late.
    dropped: u32,
}

struct Failed {
    failure: Failure,
    /// Some of what had been taken in was not sent.
    has_lost: bool,
    /// Somebody has been given it.
    is_told: Cell<bool>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Phase {
    Open,
    Ending,
    Ended,
    Closing,
    Closed,
}

/// What is to be done next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    Send,
    Flush,
    End,
    Close,
}

const HIGH: usize = 64 * 1024;

impl Backlog {
    pub(super) fn new() -> Self {
        Self {
            queue: Buffer::default(),
            phase: Phase::Open,
            needs_flush: false,
            has_flusher: false,
            is_paused: false,
            high: HIGH,
            low: HIGH / 4,
            failed: None,
            dropped: 0,
        }
    }

    // What is known.

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    pub(super) fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Something waits, and nobody drives the stream yet.
    pub(super) fn is_waiting(&self) -> bool {
        !self.queue.is_empty() && !self.has_flusher
    }

    /// Nothing waits, and nobody else drives the stream.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty() && !self.has_flusher
    }

    /// More data is of no use.
    pub(super) fn is_closing(&self) -> bool {
        self.phase >= Phase::Closing || self.failed.is_some()
    }

    /// The low-water mark and the high-water mark.
    pub(super) fn limits(&self) -> (usize, usize) {
        (self.low, self.high)
    }

    pub(super) fn next_step(&self) -> Option<Step> {
        if self.failed.is_some() || self.phase == Phase::Closed {
            None
        } else if !self.queue.is_empty() {
            Some(Step::Send)
        } else if self.needs_flush {
            Some(Step::Flush)
        } else {
            match self.phase {
                Phase::Ending => Some(Step::End),
                Phase::Closing => Some(Step::Close),
                Phase::Open | Phase::Ended | Phase::Closed => None,
            }
        }
    }

    /// For whoever asks for it.
    pub(super) fn failure(&self) -> Option<io::Error> {
        let failed = self.failed.as_ref()?;
        failed.is_told.set(true);
        Some(failed.failure.error())
    }

    /// Whether somebody has been given the failure.
    pub(super) fn is_told(&self) -> bool {
        self.failed.as_ref().is_some_and(|failed| failed.is_told.get())
    }

    /// The failure, if nobody has been given it, and whether data was lost by it.
    pub(super) fn unseen_failure(&self) -> Option<(io::Error, bool)> {
        let failed = self.failed.as_ref().filter(|failed| !failed.is_told.get())?;
        Some((failed.failure.error(), failed.has_lost || self.dropped > 0))
    }

    /// Why nothing more can be written.
    pub(super) fn refusal(&self) -> Option<io::Error> {
        let why = match self.phase {
            _ if self.failed.is_some() => return self.failure(),
            Phase::Open => return None,
            Phase::Ending | Phase::Ended => "nothing can be written after `write_eof`",
            Phase::Closing | Phase::Closed => "nothing can be written: the writer is closed",
        };
        Some(io::Error::new(ErrorKind::BrokenPipe, why))
    }

    /// What became of what was written: an error, if some of it was dropped.
    pub(super) fn outcome(&self) -> io::Result<()> {
        let was_dropped = self.failed.is_some() || self.dropped > 0;
        self.refusal().filter(|_| was_dropped).map_or(Ok(()), Err)
    }

    // What happens.

    pub(super) fn set_limits(&mut self, high: usize, low: usize) {
        (self.high, self.low) = (high, low);
        self.note_level();
    }

    /// Puts `data` behind what waits.
    pub(super) fn append(&mut self, data: &[u8]) {
        self.queue.append(data);
        self.note_level();
    }

    /// What waits, for as long as it is lent to the stream.
    pub(super) fn take(&mut self) -> Buffer {
        mem::take(&mut self.queue)
    }

    /// What is left of it, in front of what came in meanwhile.
    pub(super) fn put_back(&mut self, mut queue: Buffer) {
        queue.append(self.queue.data());
        self.queue = queue;
        self.note_level();
    }

    /// Goes on to `phase`, if that is not behind it.
    pub(super) fn advance(&mut self, phase: Phase) {
        let cannot_send = phase == Phase::Closing && self.failed.is_some();
        self.phase = self.phase.max(if cannot_send { Phase::Closed } else { phase });
    }

    /// Nothing of what waits can be sent; it is returned, to be dropped.
    pub(super) fn fail(&mut self, failure: Failure) -> Buffer {
        let has_lost = !self.queue.is_empty() || self.needs_flush;
        self.failed = Some(Failed { failure, has_lost, is_told: Cell::new(false) });
        if self.phase == Phase::Closing {
            self.phase = Phase::Closed;
        }
        self.is_paused = false;
        self.take()
    }

    /// Closes it at once. What waits is returned, to be dropped.
    pub(super) fn abort(&mut self) -> Buffer {
        self.phase = Phase::Closed;
        self.is_paused = false;
        self.take()
    }

    /// A write came too late. Returns how many have.
    pub(super) fn note_dropped(&mut self) -> u32 {
        self.dropped = self.dropped.saturating_add(1);
        self.dropped
    }

    fn note_level(&mut self) {
        let len = self.queue.len();
        self.is_paused = len > self.high || (self.is_paused && len > self.low);
    }
}
