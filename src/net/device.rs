//! Sockets that use only one network interface, on Linux.

use std::io;

use super::options::bind_device;
use super::{TcpSocket, UdpSocketBuilder};

impl TcpSocket {
    /// Sends and receives only through this network interface, such as `eth0` (`SO_BINDTODEVICE`).
    /// `None` means any interface.
    ///
    /// # Errors
    ///
    /// Fails if there is no such interface, or with `PermissionDenied` if the process may not do
    /// this; the message contains the interface's name.
    pub fn bind_device(&self, interface: Option<&str>) -> io::Result<()> {
        bind_device(&self.sock(), interface)
    }
}

impl UdpSocketBuilder {
    /// Sends and receives only through this network interface, such as `eth0` (`SO_BINDTODEVICE`).
    pub fn device(mut self, interface: impl Into<String>) -> Self {
        self.device = Some(interface.into());
        self
    }
}
