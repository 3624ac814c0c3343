//! Opens what a descriptor stands for once more.

pub(crate) use super::os::{is_memory, reopen};
