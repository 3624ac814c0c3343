//! The warning about a round that took long, with the tasks that were polled in it.
//!
//! To keep rounds cheap, only the keys of the polled tasks are recorded (`pace.rs`), and the labels
//! of some that have ended since (`gone.rs`). For other tasks that have ended, only the number is
//! known.

use std::time::Duration;

use crate::runtime::data::clock::{self, Nanos};
use crate::runtime::data::key::WakerKey;
use crate::runtime::data::tasks::{MAIN, Tasks};
use crate::runtime::postponed::Report;
use crate::runtime::state::State;

/// The maximum number of names in a warning. More would not help.
const NAMES_MAX: usize = 3;

fn in_ms(time: Nanos) -> Duration {
    Duration::from_millis(time / 1_000_000)
}

impl State {
    /// Begins to measure how long a round takes.
    pub(crate) fn start_rounds(&mut self) {
        let now = clock::rough_now();
        self.pace.start(now);
        self.effort.note(now);
    }

    /// Ends the last round, which ends early or is not followed by a look around.
    pub(crate) fn stop_rounds(&mut self) {
        if let Some(took) = self.pace.stop(clock::rough_now()) {
            self.report_slow(took);
        }
    }

    /// Reports how long the last round took.
    #[cold]
    pub(crate) fn report_slow(&mut self, took: Nanos) {
        // At the end of the loop, main has finished. Its key is polled only to mark how far the
        // queue has come.
        let is_somebody = |key: &WakerKey| !self.closing || key.slot() != MAIN;
        let polled = self.pace.polled().filter(is_somebody);
        let mut who: Vec<_> = polled.map(|key| self.tasks.describe(key)).collect();
        who.sort_unstable();
        who.dedup();
        let more = who.len().saturating_sub(NAMES_MAX);
        who.truncate(NAMES_MAX);
        if more > 0 {
            who.push(format!("or in one of {more} more"));
        }
        let called = self.pace.has_called();
        let blame = match (who.as_slice(), called) {
            ([], true) => "a call that another thread has sent takes too long".to_owned(),
            ([], false) => "something takes too long that is no poll".to_owned(),
            ([one], false) => format!("a poll of {one}, takes too long"),
            (_, false) => format!("a poll takes too long in one of: {}", who.join("; ")),
            (_, true) => format!(
                "one of these takes too long: a call that another thread has sent; a poll of {}",
                who.join("; a poll of ")
            ),
        };
        let ran = self.effort.computed().filter(|&ran| ran < took / 2);
        let idle = ran.map_or_else(String::new, |ran| {
            let ran = in_ms(ran);
            format!(", in which this thread computed for {ran:?} at most: it was blocked, or the machine did not run it")
        });
        let took = in_ms(took);
        self.postponed.report(Report::Warning(format!(
            "nothing else could run for {took:?}{idle}: {blame}; move blocking work to a thread, as with `thread::to_thread`"
        )));
    }
}

impl Tasks {
    /// The task that was polled by this key.
    fn describe(&self, key: WakerKey) -> String {
        let (label, owner) = if self.serial_is(key.slot(), key.serial()) {
            let owner = self.cleaned_task(key.slot());
            (self.label(owner), owner)
        } else if let Some(gone) = self.gone.find(key) {
            gone
        } else {
            return format!("`Task-{}`, which has ended", self.youngest_with(key.serial()));
        };
        let has_ended = !self.is_living(owner) || self.label(owner).number != label.number;
        let ended = if has_ended { ", which has ended" } else { "" };
        if label.is_call {
            return format!("the call asked for at {}", label.place);
        }
        format!("`{}`, created at {}{ended}", label.name(), label.place)
    }
}
