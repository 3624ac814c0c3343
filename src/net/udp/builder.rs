//! Options of a `UdpSocket` that have to be set before it has an address.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, SockRef, Socket};

use super::UdpSocket;
use crate::net::ToSocketAddrs;
use crate::net::options::{self, at_first};

/// Options for a [`UdpSocket`]; see [`UdpSocket::builder`].
#[derive(Debug, Clone, Default)]
#[must_use = "a builder does nothing until `bind` or `connect`"]
pub struct UdpSocketBuilder {
    reuse_address: bool,
    reuse_port: bool,
    broadcast: bool,
    only_v6: Option<bool>,
    recv_buffer_size: Option<usize>,
    send_buffer_size: Option<usize>,
    /// Only Linux has a method to set it.
    pub(in crate::net) device: Option<String>,
}

impl UdpSocketBuilder {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Whether several sockets may share the address (`SO_REUSEADDR`). Each of them receives the
    /// datagrams of a multicast group, but only one receives other datagrams, so another program
    /// could intercept them. Off by default; asyncio refuses it.
    pub fn reuse_address(mut self, reuse: bool) -> Self {
        self.reuse_address = reuse;
        self
    }

    /// Whether several sockets of one user may share the address (`SO_REUSEPORT`). Each of them
    /// must set this. The kernel distributes peers among them.
    pub fn reuse_port(mut self, reuse: bool) -> Self {
        self.reuse_port = reuse;
        self
    }

    /// Whether the socket may send to all hosts of a network; asyncio's `allow_broadcast`.
    pub fn broadcast(mut self, broadcast: bool) -> Self {
        self.broadcast = broadcast;
        self
    }

    /// Whether an IPv6 socket leaves IPv4 alone. The system decides by default. Has no effect on an
    /// IPv4 socket.
    pub fn only_v6(mut self, only: bool) -> Self {
        self.only_v6 = Some(only);
        self
    }

    /// Sets how many bytes of received datagrams may wait (`SO_RCVBUF`); the kernel drops datagrams
    /// beyond that. Linux doubles the number and caps it.
    pub fn recv_buffer_size(mut self, bytes: usize) -> Self {
        self.recv_buffer_size = Some(bytes);
        self
    }

    /// Sets how many bytes of datagrams may wait to be sent (`SO_SNDBUF`). Linux doubles the number
    /// and caps it.
    pub fn send_buffer_size(mut self, bytes: usize) -> Self {
        self.send_buffer_size = Some(bytes);
        self
    }

    /// Creates a socket at `addr`; if it names several addresses, at the first one that works.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it leaves no socket behind. It waits only for a name look-up.
    ///
    /// # Errors
    ///
    /// The errors of [`UdpSocket::bind`].
    pub async fn bind(self, addr: impl ToSocketAddrs) -> io::Result<UdpSocket> {
        let target = addr.target();
        let addrs = target.resolve().await?;
        at_first(addrs, "bind to", |addr| {
            let socket = self.open(addr)?;
            socket.bind(&addr.into())?;
            UdpSocket::from_std(socket.into())
        })
    }

    /// Creates a socket on a free port, connected to the peer at `addr`; asyncio's `remote_addr`.
    /// If `addr` names several addresses, the first one that works is used.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it leaves no socket behind. It waits only for a name look-up.
    ///
    /// # Errors
    ///
    /// The errors of [`UdpSocket::connect`] and of [`UdpSocket::bind`].
    pub async fn connect(self, addr: impl ToSocketAddrs) -> io::Result<UdpSocket> {
        let target = addr.target();
        let addrs = target.resolve().await?;
        at_first(addrs, "connect to", |addr| {
            // The kernel assigns the port only now, so the socket never holds another sender's
            // datagram.
            let socket = self.open(addr)?;
            socket.connect(&addr.into())?;
            UdpSocket::from_std(socket.into())
        })
    }

    /// Creates a socket for the family of `addr`.
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
        if let Some(device) = &self.device {
            options::bind_device(&SockRef::from(&socket), Some(device))?;
        }
        Ok(socket)
    }
}
