//! Forked children. A forked child must leave its parent's loop alone.
//!
//! A loop notes its process when it first has something that a forked child would share with its
//! parent: descriptors, a stream, or a cleanup to run. Asking for the process at each run would
//! double the cost of an empty run.

use std::io;

use super::data::own_process::OwnProcess;
use super::reactor::check_loop_process;
use super::state::State;

/// The process that a loop belongs to.
#[derive(Default)]
pub(super) struct Owner {
    /// `None` as long as the loop has nothing that a forked child would share.
    pub(super) process: Option<OwnProcess>,
    /// This is a forked child's copy of the loop, about to end. It reports nothing any more.
    pub(super) is_disowned: bool,
}

impl State {
    /// Fails in a forked child, if the loop has anything that the child shares with its parent.
    pub(super) fn check_process(&self) -> io::Result<()> {
        self.owner.process.map_or(Ok(()), check_loop_process)
    }

    /// Whether this is a forked child's copy of its parent's loop. Always `false` if the loop has
    /// nothing that they share.
    pub(super) fn is_inherited(&self) -> bool {
        self.owner.process.is_some_and(|process| !process.is_current())
    }

    /// Notes that the loop has something that a forked child must leave to its parent.
    pub(super) fn note_process(&mut self) -> OwnProcess {
        *self.owner.process.get_or_insert_with(OwnProcess::current)
    }

    /// Gives up a forked child's copy of the loop: no cleanup runs, and nothing is reported.
    pub(super) fn disown(&mut self) {
        self.owner.is_disowned = true;
        self.cleaning.timeout = 0;
        self.cut_off_all();
    }
}
