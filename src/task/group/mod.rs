//! Task groups: children may borrow, end with their group, and return their errors together.

mod child;
mod error;
mod failures;
#[expect(clippy::module_inception, reason = "the type gives the folder its name")]
mod group;
mod outcome;
mod plain;
mod refused;
mod running;
mod start;

pub use error::{GroupError, TaskError};
pub use group::Group;
pub use outcome::{Body, GroupOutcome};
pub use running::task_group;
pub use start::{Ready, StartError};
