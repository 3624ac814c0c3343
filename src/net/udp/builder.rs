//! Options of a `UdpSocket` that have to be set before it has an address.

use std::io;
use std::net::SocketAddr;

#[cfg(any(target_os = "android", target_os = "linux"))]
use socket2::SockRef;
use socket2::{Domain, Protocol, Socket};

use super::UdpSocket;
use crate::net::ToSocketAddrs;
use crate::net::options::{self, at_first};

/// Options of a [`UdpSocket`]; see [`UdpSocket::builder`].
#[derive(Debug, Clone, Default)]
#[must_use = "a builder does nothing until `bind` or `connect`"]
pub struct UdpSocketBuilder {
    reuse_address: bool,
    reuse_port: bool,
    broadcast: bool,
    only_v6: Option<bool>,
    recv_buffer_size: Option<usize>,
    send_buffer_size: Option<usize>,
    #[cfg(any(target_os = "android", target_os = "linux"))]
    device: Option<String>,
}

impl UdpSocketBuilder {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Whether several sockets may have the address (`SO_REUSEADDR`): each gets the datagrams of a multicast group, and only one of
    /// them the others, so that anybody could take them. Off unless said otherwise; asyncio refuses it.
    pub fn reuse_address(mut self, reuse: bool) -> Self {
        self.reuse_address = reuse;
        self
    }

    /// Whether several sockets of one user may have the address, each of which has said so (`SO_REUSEPORT`). The kernel spreads peers over them.
    pub fn reuse_port(mut self, reuse: bool) -> Self {
        self.reuse_port = reuse;
        self
    }

    /// Whether it may send to all hosts of a network; asyncio's `allow_broadcast`.
    pub fn broadcast(mut self, broadcast: bool) -> Self {
        self.broadcast = broadcast;
        self
    }

    /// Whether a socket of IPv6 leaves IPv4 alone; the system decides unless said. Does nothing to one of IPv4.
    pub fn only_v6(mut self, only: bool) -> Self {
        self.only_v6 = Some(only);
        self
    }

    /// How many bytes of datagrams may wait to be received (`SO_RCVBUF`); the kernel throws away what comes then. Linux doubles
    /// it, and has a limit.
    pub fn recv_buffer_size(mut self, bytes: usize) -> Self {
        self.recv_buffer_size = Some(bytes);
        self
    }

    /// How many bytes of datagrams may wait to be sent (`SO_SNDBUF`). Linux doubles it, and has a limit.
    pub fn send_buffer_size(mut self, bytes: usize) -> Self {
        self.send_buffer_size = Some(bytes);
        self
    }

    /// Sends and receives through this network interface only, such as `eth0` (`SO_BINDTODEVICE`).
    #[cfg(any(target_os = "android", target_os = "linux"))]
    pub fn device(mut self, interface: impl Into<String>) -> Self {
        self.device = Some(interface.into());
        self
    }

    /// A socket at `addr`; at the first one that works, if it names several.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it leaves no socket behind. It waits only for the look-up of a name.
    ///
    /// # Errors
    ///
    /// As [`UdpSocket::bind`].
    pub async fn bind(self, addr: impl ToSocketAddrs) -> io::Result<UdpSocket> {
        let target = addr.target();
        let addrs = target.resolve().await?;
        at_first(addrs, "bind to", |addr| {
            let socket = self.open(addr)?;
            socket.bind(&addr.into())?;
            UdpSocket::from_std(socket.into())
        })
    }

    /// A socket whose peer is at `addr`, and which itself is at any free port; asyncio's `remote_addr`. With the first
    /// address that works, if `addr` names several.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it leaves no socket behind. It waits only for the look-up of a name.
    ///
    /// # Errors
    ///
    /// As [`UdpSocket::connect`], and as [`UdpSocket::bind`].
    pub async fn connect(self, addr: impl ToSocketAddrs) -> io::Result<UdpSocket> {
        let target = addr.target();
        let addrs = target.resolve().await?;
        at_first(addrs, "connect to", |addr| {
            // The kernel gives it a port only now: so nobody else's datagram is ever in it.
            let socket = self.open(addr)?;
            socket.connect(&addr.into())?;
            UdpSocket::from_std(socket.into())
        })
    }

    /// A socket for the family of `addr`.
    fn open(&self, addr: SocketAddr) -> io::Result<Socket> {
        let socket = options::open(Domain::for_address(addr), Protocol::UDP)?;
        if self.reuse_address {
            socket.set_reuse_address(true)?;
        }
        if self.reuse_port {
            socket.set_reuse_port(true)?;
        }
        if self.broadcast {
            socket.set_broadcast(true)?;
        }
        if let Some(only) = self.only_v6.filter(|_| addr.is_ipv6()) {
            socket.set_only_v6(only)?;
        }
        if let Some(bytes) = self.recv_buffer_size {
            socket.set_recv_buffer_size(bytes)?;
        }
        if let Some(bytes) = self.send_buffer_size {
            socket.set_send_buffer_size(bytes)?;
        }
        #[cfg(any(target_os = "android", target_os = "linux"))]
        if let Some(device) = &self.device {
            options::bind_device(&SockRef::from(&socket), Some(device))?;
        }
        Ok(socket)
    }
}
