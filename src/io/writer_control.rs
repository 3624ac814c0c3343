//! `WriterControl`: closes a `StreamWriter` that somebody else holds.

use std::rc::{Rc, Weak};

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
        if let Some(outgoing) = &held {
            match outgoing.large_write.get() {
                LargeWrite::None => outgoing.advance(Phase::Closing),
                LargeWrite::Underway | LargeWrite::BeforeClose => {
                    outgoing.large_write.set(LargeWrite::BeforeClose);
                }
            }
        }
        held.is_some()
    }

    /// As [`StreamWriter::abort`], also where the writer is gone and has left something to be sent.
    pub(crate) fn abort(&self) {
        if let Some(outgoing) = self.outgoing.upgrade() {
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
        EndOfLargeWrite(Rc::clone(outgoing))
    }
}

pub(super) struct EndOfLargeWrite(Rc<Outgoing>);

impl Drop for EndOfLargeWrite {
    fn drop(&mut self) {
        if let LargeWrite::BeforeClose = self.0.large_write.take() {
            self.0.advance(Phase::Closing);
        }
    }
}

impl StreamWriter {
    /// What closes the writer from outside.
    pub(crate) fn control(&self) -> WriterControl {
        WriterControl::of(self.outgoing())
    }
}
