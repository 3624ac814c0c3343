//! The labels of tasks that have gone, kept for a while: who blocked the loop may be one of them.
//!
//! Tasks with a name of their own leave theirs, and cleaners that of their owner. Those of the others would have to be kept at
//! a cost for all.

use std::collections::VecDeque;

use super::key::{Serial, WakerKey};
use super::pace::POLLS_MAX;
use super::record::TaskLabel;

/// So many labels of what has gone are kept: as many as a round has polls.
const GONE_MAX: usize = POLLS_MAX as usize;

/// The labels of those that went last.
#[derive(Default)]
pub(crate) struct Gone(VecDeque<GoneTask>);

struct GoneTask {
    slot: u32,
    serial: Serial,
    /// Whose label it is, which may be another one's: a cleaner has that of its owner.
    owner: u32,
    label: TaskLabel,
}

impl Gone {
    pub(crate) fn push(&mut self, slot: u32, serial: Serial, owner: u32, label: TaskLabel) {
        if self.0.len() == GONE_MAX {
            self.0.pop_front();
        }
        self.0.push_back(GoneTask { slot, serial, owner, label });
    }

    /// The label of what had this key, and the slot of the task that it names.
    pub(crate) fn find(&self, key: WakerKey) -> Option<(TaskLabel, u32)> {
        let has_key = |gone: &&GoneTask| gone.slot == key.slot() && gone.serial == key.serial();
        self.0.iter().rev().find(has_key).map(|gone| (gone.label.clone(), gone.owner))
    }
}
