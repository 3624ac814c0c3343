//! `task_group`: children borrow, end with their group, and return their errors together.

mod asyncio;
mod basics;
mod hostile;
mod reentry;
mod refused;
mod storm;
mod trio;
mod values;
