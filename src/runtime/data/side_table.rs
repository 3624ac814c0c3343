//! Rarely used fields of slots, beside the slab: eight bytes as long as no slot has one.

use std::collections::HashMap;

use super::room::trim_map;

/// Values by slot.
#[expect(clippy::box_collection, reason = "eight bytes, and no hash state, where it is empty")]
pub(crate) struct SideTable<T>(Option<Box<HashMap<u32, T>>>);

impl<T> SideTable<T> {
    pub(crate) const fn new() -> Self {
        Self(None)
    }

    pub(crate) fn insert(&mut self, slot: u32, value: T) {
        self.0.get_or_insert_default().insert(slot, value);
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&T> {
        self.0.as_ref()?.get(&slot)
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.0.as_mut()?.get_mut(&slot)
    }

    pub(crate) fn remove(&mut self, slot: u32) -> Option<T> {
        let table = self.0.as_mut()?;
        let value = table.remove(&slot);
        trim_map(table);
        value
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|table| table.is_empty())
    }

    /// The slots, in no order.
    pub(crate) fn slots(&self) -> Vec<u32> {
        self.0.iter().flat_map(|table| table.keys().copied()).collect()
    }
}
