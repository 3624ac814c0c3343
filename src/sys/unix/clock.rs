//! Clocks, in nanoseconds.

use std::time::Instant;

pub(crate) use super::os::{real_now, rough_now, thread_time};

pub(crate) fn instant_now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    Instant::now()
}
