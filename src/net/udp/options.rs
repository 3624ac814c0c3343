//! Options of a `UdpSocket` that can be set at any time.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use socket2::SockRef;

use super::UdpSocket;
use crate::net::options;

/// Options.
impl UdpSocket {
    /// Whether the socket may send to all hosts of a network (`SO_BROADCAST`).
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn set_broadcast(&self, broadcast: bool) -> io::Result<()> {
        self.registration.io().set_broadcast(broadcast)
    }

    /// See [`set_broadcast`](Self::set_broadcast).
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn broadcast(&self) -> io::Result<bool> {
        self.registration.io().broadcast()
    }

    /// Sets how many hops a unicast datagram may take.
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    #[doc(alias = "set_unicast_hops_v6")]
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        options::set_ttl(&SockRef::from(self), ttl)
    }

    /// See [`set_ttl`](Self::set_ttl).
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn ttl(&self) -> io::Result<u32> {
        options::ttl(&SockRef::from(self))
    }

    /// Sets the datagrams' type of service (`IP_TOS`) or traffic class (`IPV6_TCLASS`): eight bits,
    /// of which the upper six are the DSCP.
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn set_tos(&self, tos: u32) -> io::Result<()> {
        options::set_tos(&SockRef::from(self), tos)
    }

    /// See [`set_tos`](Self::set_tos).
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn tos(&self) -> io::Result<u32> {
        options::tos(&SockRef::from(self))
    }

    /// Returns how many bytes of received datagrams may wait; see
    /// [`UdpSocketBuilder::recv_buffer_size`](super::UdpSocketBuilder::recv_buffer_size).
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn recv_buffer_size(&self) -> io::Result<usize> {
        SockRef::from(self).recv_buffer_size()
    }

    /// Returns how many bytes of datagrams may wait to be sent; see
    /// [`UdpSocketBuilder::send_buffer_size`](super::UdpSocketBuilder::send_buffer_size).
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn send_buffer_size(&self) -> io::Result<usize> {
        SockRef::from(self).send_buffer_size()
    }

    /// Takes the socket's pending error, if there is one.
    ///
    /// # Errors
    ///
    /// Any error of the kernel while asking.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.registration.io().take_error()
    }
}

/// Multicast: datagrams to a group of hosts. To receive them, bind to the group's port (with
/// [`reuse_address`](super::UdpSocketBuilder::reuse_address), if several programs of this host do)
/// and join the group. To send, only the group's address is needed.
impl UdpSocket {
    /// Joins `group` on the interface with the address `interface`. `0.0.0.0` lets the system
    /// choose one.
    ///
    /// # Errors
    ///
    /// Fails if `group` is not a multicast group, or if the socket is already a member. Any other
    /// error of the kernel.
    pub fn join_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.registration.io().join_multicast_v4(&group, &interface)
    }

    /// Leaves the group. Dropping the socket leaves all groups.
    ///
    /// # Errors
    ///
    /// Fails if the socket is not a member.
    pub fn leave_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.registration.io().leave_multicast_v4(&group, &interface)
    }

    /// Joins `group` on the interface with the index `interface`. 0 lets the system choose one.
    ///
    /// # Errors
    ///
    /// The errors of [`join_multicast_v4`](Self::join_multicast_v4).
    pub fn join_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        self.registration.io().join_multicast_v6(&group, interface)
    }

    /// Leaves the group. Dropping the socket leaves all groups.
    ///
    /// # Errors
    ///
    /// Fails if the socket is not a member.
    pub fn leave_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        self.registration.io().leave_multicast_v6(&group, interface)
    }

    /// Whether members on this host receive the datagrams that this socket sends to a group. On by
    /// default.
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn set_multicast_loop_v4(&self, on: bool) -> io::Result<()> {
        self.registration.io().set_multicast_loop_v4(on)
    }

    /// See [`set_multicast_loop_v4`](Self::set_multicast_loop_v4).
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        self.registration.io().multicast_loop_v4()
    }

    /// Whether members on this host receive the datagrams that this socket sends to a group. On by
    /// default.
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn set_multicast_loop_v6(&self, on: bool) -> io::Result<()> {
        self.registration.io().set_multicast_loop_v6(on)
    }

    /// See [`set_multicast_loop_v6`](Self::set_multicast_loop_v6).
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        self.registration.io().multicast_loop_v6()
    }

    /// Sets how many hops a datagram to a group may take. The default is 1, which keeps it within
    /// the local network.
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn set_multicast_ttl_v4(&self, ttl: u32) -> io::Result<()> {
        self.registration.io().set_multicast_ttl_v4(ttl)
    }

    /// See [`set_multicast_ttl_v4`](Self::set_multicast_ttl_v4).
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        self.registration.io().multicast_ttl_v4()
    }

    /// Sets how many hops a datagram to a group may take. The default is 1, which keeps it within
    /// the local network.
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn set_multicast_hops_v6(&self, hops: u32) -> io::Result<()> {
        SockRef::from(self).set_multicast_hops_v6(hops)
    }

    /// See [`set_multicast_hops_v6`](Self::set_multicast_hops_v6).
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn multicast_hops_v6(&self) -> io::Result<u32> {
        SockRef::from(self).multicast_hops_v6()
    }

    /// Sends datagrams to groups through the interface with the address `interface`. `0.0.0.0` lets
    /// the system choose one.
    ///
    /// # Errors
    ///
    /// Any error of the kernel, such as `AddrNotAvailable`.
    pub fn set_multicast_interface_v4(&self, interface: Ipv4Addr) -> io::Result<()> {
        SockRef::from(self).set_multicast_if_v4(&interface)
    }

    /// Sends datagrams to groups through the interface with the index `interface`. 0 lets the
    /// system choose one.
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    pub fn set_multicast_interface_v6(&self, interface: u32) -> io::Result<()> {
        SockRef::from(self).set_multicast_if_v6(interface)
    }
}
