//! `Runtime::reactor_fd`.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use super::runtime::Runtime;

impl Runtime {
    /// Returns a descriptor that is readable when [`Runtime::turn`] has something to do. Use it
    /// only for polling: the loop owns it.
    ///
    /// # Errors
    ///
    /// Fails if the process has no descriptors left.
    pub fn reactor_fd(&self) -> io::Result<RawFd> {
        self.with(|state| {
            let descriptor = state.reactor()?.as_raw_fd();
            // From now on the host may sleep on it, before the first turn too.
            if state.is_busy() || !state.inbox().try_park() {
                state.inbox().wake_reader();
            }
            Ok(descriptor)
        })
    }
}
