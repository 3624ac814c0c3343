//! A writer's unsent data and the next step for it: pure data that knows no stream and no loop.
//!
//! ```text
//!   Open --end--> Ending --(all is sent)--> Ended
//!     \             |                        /
//!      +---close----+-----------------------+--> Closing --(all is sent)--> Closed
//! ```
//!
//! A failure ends the sending in any phase; it turns `Closing` into `Closed`.

use std::cell::Cell;
use std::io::{self, ErrorKind};
use std::mem;

use super::buffer::Buffer;
use super::error::Failure;

pub(super) struct Backlog {
    queue: Buffer,
    phase: Phase,
    /// The stream may have buffered some of the data it took.
    pub(super) needs_flush: bool,
    /// A task is sending the queue.
    pub(super) has_flusher: bool,
    /// The queue exceeded `high` and has not yet fallen to `low`.
    is_paused: bool,
    high: usize,
    low: usize,
    failed: Option<Failed>,
    /// Number of writes that came too late.
    dropped: u32,
}

struct Failed {
    failure: Failure,
    /// Some data that had been accepted was not sent.
    has_lost: bool,
    /// A caller has received the failure.
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

/// The next operation on the stream.
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

    // Queries.

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    pub(super) fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Data waits, and no task drives the stream yet.
    pub(super) fn is_waiting(&self) -> bool {
        !self.queue.is_empty() && !self.has_flusher
    }

    /// No data waits, and no task drives the stream.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty() && !self.has_flusher
    }

    /// Writing more data has no effect.
    pub(super) fn is_closing(&self) -> bool {
        self.phase >= Phase::Closing || self.failed.is_some()
    }

    /// Returns the low-water mark and the high-water mark.
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

    /// Returns the failure to a caller, and marks it as told.
    pub(super) fn failure(&self) -> Option<io::Error> {
        let failed = self.failed.as_ref()?;
        failed.is_told.set(true);
        Some(failed.failure.error())
    }

    /// Whether a caller has received the failure.
    pub(super) fn is_told(&self) -> bool {
        self.failed.as_ref().is_some_and(|failed| failed.is_told.get())
    }

    /// Returns the failure if no caller has received it, and whether it lost data.
    pub(super) fn unseen_failure(&self) -> Option<(io::Error, bool)> {
        let failed = self.failed.as_ref().filter(|failed| !failed.is_told.get())?;
        Some((failed.failure.error(), failed.has_lost || self.dropped > 0))
    }

    /// Why further writes are refused.
    pub(super) fn refusal(&self) -> Option<io::Error> {
        let why = match self.phase {
            _ if self.failed.is_some() => return self.failure(),
            Phase::Open => return None,
            Phase::Ending | Phase::Ended => "nothing can be written after `write_eof`",
            Phase::Closing | Phase::Closed => "nothing can be written: the writer is closed",
        };
        Some(io::Error::new(ErrorKind::BrokenPipe, why))
    }

    /// The result of all writes so far: an error if some data was dropped.
    pub(super) fn outcome(&self) -> io::Result<()> {
        let was_dropped = self.failed.is_some() || self.dropped > 0;
        self.refusal().filter(|_| was_dropped).map_or(Ok(()), Err)
    }

    // Transitions.

    pub(super) fn set_limits(&mut self, high: usize, low: usize) {
        (self.high, self.low) = (high, low);
        self.note_level();
    }

    /// Appends `data` to the queue.
    pub(super) fn append(&mut self, data: &[u8]) {
        self.queue.append(data);
        self.note_level();
    }

    /// Takes the queue while it is lent to the stream.
    pub(super) fn take(&mut self) -> Buffer {
        mem::take(&mut self.queue)
    }

    /// Puts the rest of the queue back, in front of data that came in meanwhile.
    pub(super) fn put_back(&mut self, mut queue: Buffer) {
        queue.append(self.queue.data());
        self.queue = queue;
        self.note_level();
    }

    /// Advances to `phase`, unless that lies behind the current phase.
    pub(super) fn advance(&mut self, phase: Phase) {
        let cannot_send = phase == Phase::Closing && self.failed.is_some();
        self.phase = self.phase.max(if cannot_send { Phase::Closed } else { phase });
    }

    /// Records a failure. Returns the queue, which can no longer be sent, for the caller to drop.
    pub(super) fn fail(&mut self, failure: Failure) -> Buffer {
        let has_lost = !self.queue.is_empty() || self.needs_flush;
        self.failed = Some(Failed { failure, has_lost, is_told: Cell::new(false) });
        if self.phase == Phase::Closing {
            self.phase = Phase::Closed;
        }
        self.is_paused = false;
        self.take()
    }

    /// Closes at once. Returns the queue for the caller to drop.
    pub(super) fn abort(&mut self) -> Buffer {
        self.phase = Phase::Closed;
        self.is_paused = false;
        self.take()
    }

    /// Counts a write that came too late. Returns the count.
    pub(super) fn note_dropped(&mut self) -> u32 {
        self.dropped = self.dropped.saturating_add(1);
        self.dropped
    }

    fn note_level(&mut self) {
        let len = self.queue.len();
        self.is_paused = len > self.high || (self.is_paused && len > self.low);
    }
}
