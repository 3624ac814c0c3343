//! What a forked child has to do with the loop of its parent: nothing.
//!
//! A loop notes its process when it first has something that a forked child would share with its parent: descriptors, a stream, a
//! cleanup to run. To ask for the process at each run would double the cost of an empty one.

use std::io;

use super::data::own_process::OwnProcess;
use super::reactor::check_loop_process;
use super::state::State;

/// The process to which a loop belongs.
#[derive(Default)]
pub(super) struct Owner {
    /// `None`: it has nothing yet that a forked child would share.
    pub(super) process: Option<OwnProcess>,
    /// This is a forked child's copy, on its way to its end: nothing is reported any more.
    pub(super) is_disowned: bool,
}

impl State {
    /// An error in a forked child, if there is anything that it shares with its parent.
    pub(super) fn check_process(&self) -> io::Result<()> {
        self.owner.process.map_or(Ok(()), check_loop_process)
    }

    /// Whether this is a forked child's copy of its parent's loop, as far as that matters.
    pub(super) fn is_inherited(&self) -> bool {
        self.owner.process.is_some_and(|process| !process.is_current())
    }

    /// From now on the loop has something that a forked child must leave to its parent.
    pub(super) fn note_process(&mut self) -> OwnProcess {
        *self.owner.process.get_or_insert_with(OwnProcess::current)
    }

    /// A forked child has no business with the loop of its parent: no cleanup runs, and nothing is reported.
    pub(super) fn disown(&mut self) {
        self.owner.is_disowned = true;
        self.cleaning.timeout = 0;
        self.cut_off_all();
    }
}
