//! What is said to whoever runs the program: what nobody awaits, and what holds up the loop.

pub(crate) mod cleanup_error;
pub(crate) mod failures;
pub(crate) mod hang;
pub(crate) mod kind;
pub(crate) mod reports;
pub(crate) mod slow;
pub(crate) mod unhandled;
