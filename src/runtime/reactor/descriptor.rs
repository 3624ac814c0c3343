//! The reactor's descriptor, which is readable when there are events.

use std::os::fd::{AsFd, BorrowedFd};

use super::Reactor;

impl AsFd for Reactor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.poll.registry().as_fd()
    }
}
