//! Keys with a `Drop`, which leave the loop. The layers above hold these, and no other part of the
//! kernel.

pub(crate) mod children;
pub(crate) mod cleaner;
pub(crate) mod clock_hold;
pub(crate) mod current_vars;
pub(crate) mod errand;
pub(crate) mod gathering;
pub(crate) mod leaving;
pub(crate) mod registration;
pub(crate) mod source_handle;
pub(crate) mod task;
pub(crate) mod timer;
pub(crate) mod watch;
pub(crate) mod yielding;
