//! Sources of events, and what the reactor tells about them.

pub(crate) use mio::event::Source as EventSource;

pub(crate) use super::os::{STREAM, TELLS_OF_URGENT_DATA};

/// Asks for the next edge, after an operation on `io` has returned `WouldBlock`. Kernels of Unix
/// tell of every edge unasked. Windows tells of one, and then waits for an operation or a request.
#[inline]
pub(crate) fn rearm(_io: &impl EventSource) {}
