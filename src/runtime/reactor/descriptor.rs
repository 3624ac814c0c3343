//! The reactor's descriptor, which is readable when there are events.

use std::os::fd::{AsRawFd, RawFd};

use super::Reactor;

impl AsRawFd for Reactor {
    fn as_raw_fd(&self) -> RawFd {
        self.poll.as_raw_fd()
    }
}
