//! What is said of a round that took long: who was polled in it.
//!
//! Nothing is noted for this on the way but the keys of those that are polled (`pace.rs`) and the labels of some that have
//! gone since (`gone.rs`); of any other one that has gone, the number is known.

use std::time::Duration;

use crate::runtime::data::clock::Nanos;
use crate::runtime::data::key::WakerKey;
use crate::runtime::data::tasks::{MAIN, Tasks};
use crate::runtime::postponed::Report;
use crate::runtime::state::State;

impl State {
    /// Reports that the last round took so long.
    #[cold]
    pub(crate) fn report_slow(&mut self, took: Nanos) {
        // At the end of the loop there is no main any more; its key is polled to see how far the queue has come.
        let is_somebody = |key: &WakerKey| !self.closing || key.slot() != MAIN;
        let polled = self.pace.polled().filter(is_somebody);
        let mut who: Vec<_> = polled.map(|key| self.tasks.describe(key)).collect();
        who.sort_unstable();
        who.dedup();
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
        let took = Duration::from_millis(took / 1_000_000);
        self.postponed.report(Report::Slow(format!(
            "nothing else could run for {took:?}: {blame}; move blocking work to a thread, as with `thread::to_thread`"
        )));
    }
}

impl Tasks {
    /// Who was polled by this key.
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
        format!("`{}`, created at {}{ended}", label.name(), label.place)
    }
}
