//! The options of a `UdpSocket` that can be set at any time.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use socket2::SockRef;

use super::UdpSocket;
use crate::net::options;

/// Options.
impl UdpSocket {
    /// Whether it may send to all hosts of a network (`SO_BROADCAST`).
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn set_broadcast(&self, broadcast: bool) -> io::Result<()> {
        self.registration.io().set_broadcast(broadcast)
    }

    /// See [`set_broadcast`](Self::set_broadcast).
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn broadcast(&self) -> io::Result<bool> {
        self.registration.io().broadcast()
    }

    /// How many hops a datagram to one receiver may take.
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    #[doc(alias = "set_unicast_hops_v6")]
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        options::set_ttl(&SockRef::from(self), ttl)
    }

    /// See [`set_ttl`](Self::set_ttl).
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn ttl(&self) -> io::Result<u32> {
        options::ttl(&SockRef::from(self))
    }

    /// The type of service of datagrams (`IP_TOS`), or their traffic class (`IPV6_TCLASS`): eight bits, of which the upper six
    /// are the DSCP.
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn set_tos(&self, tos: u32) -> io::Result<()> {
        options::set_tos(&SockRef::from(self), tos)
    }

    /// See [`set_tos`](Self::set_tos).
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn tos(&self) -> io::Result<u32> {
        options::tos(&SockRef::from(self))
    }

    /// How many bytes of datagrams may wait to be received; see
    /// [`UdpSocketBuilder::recv_buffer_size`](super::UdpSocketBuilder::recv_buffer_size).
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn recv_buffer_size(&self) -> io::Result<usize> {
        SockRef::from(self).recv_buffer_size()
    }

    /// How many bytes of datagrams may wait to be sent; see
    /// [`UdpSocketBuilder::send_buffer_size`](super::UdpSocketBuilder::send_buffer_size).
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn send_buffer_size(&self) -> io::Result<usize> {
        SockRef::from(self).send_buffer_size()
    }

    /// Takes the socket's pending error, if there is one.
    ///
    /// # Errors
    ///
    /// Those of the kernel, while asking.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.registration.io().take_error()
    }
}

/// Multicast: datagrams to a group of hosts. To receive them, bind to the group's port (with
/// [`reuse_address`](super::UdpSocketBuilder::reuse_address), if several programs of this host do) and join the group; to send, no
/// more is needed than the group's address.
impl UdpSocket {
    /// Joins the group `group`, at the interface that has the address `interface`; `0.0.0.0`: the system chooses one.
    ///
    /// # Errors
    ///
    /// If it is no group, or a member already; and other ones of the kernel.
    pub fn join_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.registration.io().join_multicast_v4(&group, &interface)
    }

    /// Leaves the group again. Dropping the socket leaves all.
    ///
    /// # Errors
    ///
    /// If it is no member.
    pub fn leave_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.registration.io().leave_multicast_v4(&group, &interface)
    }

    /// Joins the group `group`, at the interface with the number `interface`; 0: the system chooses one.
    ///
    /// # Errors
    ///
    /// As [`join_multicast_v4`](Self::join_multicast_v4).
    pub fn join_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        self.registration.io().join_multicast_v6(&group, interface)
    }

    /// Leaves the group again. Dropping the socket leaves all.
    ///
    /// # Errors
    ///
    /// If it is no member.
    pub fn leave_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        self.registration.io().leave_multicast_v6(&group, interface)
    }

    /// Whether members on this host get what is sent to a group from here; they do unless said otherwise.
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn set_multicast_loop_v4(&self, on: bool) -> io::Result<()> {
        self.registration.io().set_multicast_loop_v4(on)
    }

    /// See [`set_multicast_loop_v4`](Self::set_multicast_loop_v4).
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        self.registration.io().multicast_loop_v4()
    }

    /// Whether members on this host get what is sent to a group from here; they do unless said otherwise.
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn set_multicast_loop_v6(&self, on: bool) -> io::Result<()> {
        self.registration.io().set_multicast_loop_v6(on)
    }

    /// See [`set_multicast_loop_v6`](Self::set_multicast_loop_v6).
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        self.registration.io().multicast_loop_v6()
    }

    /// How many hops a datagram to a group may take; 1, which is not beyond the local network, unless said otherwise.
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn set_multicast_ttl_v4(&self, ttl: u32) -> io::Result<()> {
        self.registration.io().set_multicast_ttl_v4(ttl)
    }

    /// See [`set_multicast_ttl_v4`](Self::set_multicast_ttl_v4).
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        self.registration.io().multicast_ttl_v4()
    }

    /// How many hops a datagram to a group may take; 1, which is not beyond the local network, unless said otherwise.
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn set_multicast_hops_v6(&self, hops: u32) -> io::Result<()> {
        SockRef::from(self).set_multicast_hops_v6(hops)
    }

    /// See [`set_multicast_hops_v6`](Self::set_multicast_hops_v6).
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn multicast_hops_v6(&self) -> io::Result<u32> {
        SockRef::from(self).multicast_hops_v6()
    }

    /// Sends to groups through the interface that has the address `interface`; `0.0.0.0`: through one that the system chooses.
    ///
    /// # Errors
    ///
    /// Those of the kernel, as `AddrNotAvailable`.
    pub fn set_multicast_interface_v4(&self, interface: Ipv4Addr) -> io::Result<()> {
        SockRef::from(self).set_multicast_if_v4(&interface)
    }

    /// Sends to groups through the interface with the number `interface`; 0: through one that the system chooses.
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn set_multicast_interface_v6(&self, interface: u32) -> io::Result<()> {
        SockRef::from(self).set_multicast_if_v6(interface)
    }
}
