//! `WriterControl`: closes a `StreamWriter` owned by other code.

use std::rc::{Rc, Weak};
use std::task::{Context, Poll};

use super::StreamWriter;
use super::backlog::Phase;
use super::outgoing::Outgoing;

/// A server's handle to a writer that a request handler owns. It keeps nothing open.
#[derive(Clone)]
pub(crate) struct WriterControl {
    outgoing: Weak<Outgoing>,
}

impl WriterControl {
    pub(super) fn of(outgoing: &Rc<Outgoing>) -> Self {
        Self { outgoing: Rc::downgrade(outgoing) }
    }

    /// Notes that a server accepted the connection: a lost peer is then no more than a debug line.
    pub(crate) fn set_served(&self) {
        if let Some(outgoing) = self.outgoing.upgrade() {
            outgoing.is_served.set(true);
        }
    }

    /// Like [`StreamWriter::close`], but after any write that is half done. Returns `false` if the
    /// writer is gone and its remaining data is on its way.
    pub(crate) fn close(&self) -> bool {
        let held = self.outgoing.upgrade().filter(|outgoing| outgoing.is_held());
        if let Some(outgoing) = held.as_ref().filter(|outgoing| !outgoing.is_inherited()) {
            match outgoing.large_write.get() {
                LargeWrite::None => outgoing.advance(Phase::Closing),
                LargeWrite::Underway | LargeWrite::BeforeClose => {
                    outgoing.large_write.set(LargeWrite::BeforeClose);
                }
            }
        }
        held.is_some()
    }

    /// Whether the writer is gone and the loop is sending its remaining data.
    pub(crate) fn is_leaving(&self) -> bool {
        self.outgoing.upgrade().is_some_and(|outgoing| outgoing.is_leaving.get())
    }

    /// Ready while the writer exists, and once its remaining data has been sent or given up.
    pub(crate) fn poll_left(&self, cx: &Context<'_>) -> Poll<()> {
        self.outgoing.upgrade().map_or(Poll::Ready(()), |outgoing| outgoing.poll_left(cx))
    }

    /// Like [`StreamWriter::abort`], but also works after the writer is gone, while its remaining
    /// data is being sent.
    pub(crate) fn abort(&self) {
        if let Some(outgoing) = self.outgoing.upgrade().filter(|outgoing| !outgoing.is_inherited())
        {
            outgoing.abort();
        }
    }
}

/// Whether the writer's owner is writing data that bypasses the queue. A close from outside would
/// cut such a write in two.
#[derive(Clone, Copy, Default)]
pub(super) enum LargeWrite {
    #[default]
    None,
    Underway,
    /// A close follows the write.
    BeforeClose,
}

impl LargeWrite {
    /// Marks a large write as under way until the returned guard is dropped.
    pub(super) fn begin(outgoing: &Rc<Outgoing>) -> EndOfLargeWrite {
        outgoing.large_write.set(Self::Underway);
        outgoing.has_sent_part.set(false);
        EndOfLargeWrite { outgoing: Rc::clone(outgoing), is_complete: false }
    }
}

pub(super) struct EndOfLargeWrite {
    outgoing: Rc<Outgoing>,
    is_complete: bool,
}

impl EndOfLargeWrite {
    /// Marks all data as sent.
    pub(super) fn complete(mut self) {
        self.is_complete = true;
    }
}

impl Drop for EndOfLargeWrite {
    fn drop(&mut self) {
        if !self.is_complete && self.outgoing.has_sent_part.get() {
            self.outgoing.is_torn.set(true);
        }
        let is_to_close = matches!(self.outgoing.large_write.take(), LargeWrite::BeforeClose);
        if is_to_close && !self.outgoing.is_inherited() {
            self.outgoing.advance(Phase::Closing);
        }
    }
}

impl StreamWriter {
    /// Returns a handle that closes the writer from outside.
    pub(crate) fn control(&self) -> WriterControl {
        WriterControl::of(self.outgoing())
    }
}
