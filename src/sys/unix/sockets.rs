//! Operations on sockets that `socket2` lacks or that not every platform has.

/// A socket of any type. `SockRef` of `socket2` refers to one.
pub(crate) use std::os::fd::AsFd as AsSocket;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

pub(crate) use super::os::sockets::{
    abstract_name, bind_device, copy_file, is_listening, new_socket,
};

/// Whether a read or an accept would return at once, in blocking mode too.
pub(crate) fn is_readable(socket: &impl AsSocket) -> bool {
    let mut sockets = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    poll(&mut sockets, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}
