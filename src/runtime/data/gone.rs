//! The labels of tasks that have gone, kept for a while, since one of them may have blocked the
//! loop.
//!
//! Only named tasks leave their label, and cleaners leave that of their owner. Recording unnamed
//! tasks as well would make every task pay.

use std::collections::VecDeque;

use super::key::{Serial, WakerKey};
use super::pace::POLLS_MAX;
use super::record::TaskLabel;

/// The most labels kept: as many as a round has polls.
const GONE_MAX: usize = POLLS_MAX as usize;

/// The labels of the tasks that went last.
#[derive(Default)]
pub(crate) struct Gone(VecDeque<GoneTask>);

struct GoneTask {
    slot: u32,
    serial: Serial,
    /// The slot of the task that the label names. For a cleaner this is its owner.
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

    /// The label of the task that had this key, and the slot of the task that the label names.
    pub(crate) fn find(&self, key: WakerKey) -> Option<(TaskLabel, u32)> {
        let has_key = |gone: &&GoneTask| gone.slot == key.slot() && gone.serial == key.serial();
        self.0.iter().rev().find(has_key).map(|gone| (gone.label.clone(), gone.owner))
    }
}
