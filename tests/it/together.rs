//! How the parts work together: groups, cleanups, time limits, context variables, and waiting for
//! tasks.

mod cleaning;
mod limits;
mod storm;
mod waiting;
