//! `task_group`: children that borrow, end with their group, and whose errors come back together.

mod basics;
mod hostile;
