//! How the parts work together: groups, cleanups, limits of time, context variables, what waits for
//! tasks.

mod cleaning;
mod limits;
mod storm;
mod waiting;
