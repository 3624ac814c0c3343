//! `task_group`: children that borrow, end with their group, and whose errors come back together.

mod asyncio;
mod basics;
mod hostile;
mod reentry;
mod refused;
mod storm;
mod trio;
mod values;
