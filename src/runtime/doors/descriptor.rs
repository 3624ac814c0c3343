//! `Runtime::reactor_fd`.

use std::cell::OnceCell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::runtime::Runtime;

/// A duplicate of the reactor's descriptor, made for a host that asks for it.
#[derive(Default)]
pub(super) struct Descriptor(OnceCell<OwnedFd>);

impl Runtime {
    /// Returns a descriptor that is readable when [`Runtime::turn`] or [`Runtime::poll_turn`] has
    /// something to do: a socket is ready, the deadline of the last park has come (on Linux), or,
    /// for a host that calls `turn`, another thread or other code has sent something.
    ///
    /// Use it only for polling. It stays readable until a turn has looked at it, and it becomes
    /// readable anew when something new happens, so level-triggered and edge-triggered watches both
    /// serve. A host that needs an owned descriptor clones it:
    /// [`try_clone_to_owned`](BorrowedFd::try_clone_to_owned).
    ///
    /// # Errors
    ///
    /// Fails if the process has no descriptors left.
    pub fn reactor_fd(&self) -> io::Result<BorrowedFd<'_>> {
        let Descriptor(cell) = &self.descriptor;
        if cell.get().is_none() {
            let descriptor = self.with(|state| state.reactor()?.as_fd().try_clone_to_owned())?;
            cell.set(descriptor).ok();
        }
        self.with(|state| {
            // From now on the host may sleep on it, before the first turn too. A host that polls
            // has its own waker for that.
            let is_to_turn = || state.is_busy() || !state.inbox().try_park();
            if state.host.is_none() && is_to_turn() {
                state.inbox().wake_reader();
            }
        });
        match cell.get() {
            Some(descriptor) => Ok(descriptor.as_fd()),
            None => unreachable!("it was made just now"),
        }
    }
}
