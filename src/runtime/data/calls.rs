//! Tasks that are plain calls: `call_soon` and `call_later` create them.

use super::record::{Flags, Phase};
use super::tasks::Tasks;

impl Tasks {
    pub(crate) fn mark_as_call(&mut self, slot: u32) {
        if let Some(record) = self.record(slot) {
            record.flags.set(Flags::IS_CALL);
        }
    }

    /// Whether the call has neither begun nor been called off.
    pub(crate) fn is_to_come(&self, slot: u32) -> bool {
        self.get(slot)
            .is_some_and(|record| record.phase == Phase::Waiting && record.cancel.is_none())
    }

    /// Whether the call will never be made.
    pub(crate) fn is_called_off(&self, slot: u32) -> bool {
        let is_off = |phase| {
            matches!(phase, Phase::Waiting | Phase::Running | Phase::Cleaning | Phase::Cancelled)
        };
        self.get(slot).is_some_and(|record| record.cancel.is_some() && is_off(record.phase))
    }
}
