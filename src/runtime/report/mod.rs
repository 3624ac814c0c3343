//! Reports for the operator: errors and panics that no code awaits, and tasks that hold up the
//! loop.

pub(crate) mod cleanup_error;
pub(crate) mod failures;
pub(crate) mod hang;
pub(crate) mod kind;
pub(crate) mod reports;
pub(crate) mod slow;
pub(crate) mod unhandled;
