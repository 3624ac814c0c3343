//! `WriterControl`: closes a `StreamWriter` that somebody else holds.

use std::rc::{Rc, Weak};
use std::task::{Context, Poll};

use super::StreamWriter;
use super::backlog::Phase;
use super::outgoing::Outgoing;

/// What a server keeps of the writers that its handlers have. It keeps nothing open.
#[derive(Clone)]
pub(crate) struct WriterControl {
    outgoing: Weak<Outgoing>,
}

impl WriterControl {
    pub(super) fn of(outgoing: &Rc<Outgoing>) -> Self {
        Self { outgoing: Rc::downgrade(outgoing) }
    }

    /// As [`StreamWriter::close`], after a write that is half done. `false`: the writer is gone, and what it has left is on its way.
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

    /// Whether the writer is gone, and the loop sends what it has left.
    pub(crate) fn is_leaving(&self) -> bool {
        self.outgoing.upgrade().is_some_and(|outgoing| outgoing.is_leaving.get())
    }

    /// Ready when the writer is there, or what it has left has been sent or given up.
    pub(crate) fn poll_left(&self, cx: &Context<'_>) -> Poll<()> {
        self.outgoing.upgrade().map_or(Poll::Ready(()), |outgoing| outgoing.poll_left(cx))
    }

    /// As [`StreamWriter::abort`], also where the writer is gone and has left something to be sent.
    pub(crate) fn abort(&self) {
        if let Some(outgoing) = self.outgoing.upgrade().filter(|outgoing| !outgoing.is_inherited())
        {
            outgoing.abort();
        }
    }
}

/// Whether the owner of a writer is about to write data that does not go through the queue, which a close from outside would
/// cut in two.
#[derive(Clone, Copy, Default)]
pub(super) enum LargeWrite {
    #[default]
    None,
    Underway,
    /// And then it is to be closed.
    BeforeClose,
}

impl LargeWrite {
    /// It is under way until what this returns is dropped.
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
    /// All has been sent.
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
    /// What closes the writer from outside.
    pub(crate) fn control(&self) -> WriterControl {
        WriterControl::of(self.outgoing())
    }
}
