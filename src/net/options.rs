//! Sockets that no loop knows yet: creates them, and sets options that IPv4 and IPv6 spell
//! differently.

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use crate::sys::sockets::{self, new_socket};

/// Creates a socket in non-blocking mode that closes on `exec`.
pub(super) fn open(domain: Domain, protocol: Protocol) -> io::Result<Socket> {
    let kind = if protocol == Protocol::UDP { Type::DGRAM } else { Type::STREAM };
    let what = if protocol == Protocol::UDP { "a UDP socket" } else { "a TCP socket" };
    new_socket(domain, kind, protocol)
        .map_err(|error| explain(&error, format!("cannot make {what}")))
}

/// Puts the failed operation `what` in front of `error`.
pub(super) fn explain(error: &io::Error, what: impl Display) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

/// Returns the result of `attempt` for the first address at which it succeeds; otherwise its last
/// error, which names that address.
pub(super) fn at_first<T>(
    addrs: Vec<SocketAddr>,
    what: &str,
    mut attempt: impl FnMut(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let mut failure = None;
    for addr in addrs {
        match attempt(addr) {
            Ok(value) => return Ok(value),
            Err(error) => failure = Some(explain(&error, format_args!("cannot {what} {addr}"))),
        }
    }
    Err(failure.unwrap_or_else(|| unreachable!("a look-up gives an address or an error")))
}

/// Returns the socket's address. An unbound socket already has its family.
pub(super) fn local_addr(socket: &SockRef<'_>) -> io::Result<SocketAddr> {
    let addr = socket.local_addr()?;
    addr.as_socket().ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, "this is no socket of IPv4 or IPv6")
    })
}

/// Sets how many hops a unicast packet may take.
pub(super) fn set_ttl(socket: &SockRef<'_>, ttl: u32) -> io::Result<()> {
    if local_addr(socket)?.is_ipv6() {
        socket.set_unicast_hops_v6(ttl)
    } else {
        socket.set_ttl_v4(ttl)
    }
}

pub(super) fn ttl(socket: &SockRef<'_>) -> io::Result<u32> {
    if local_addr(socket)?.is_ipv6() { socket.unicast_hops_v6() } else { socket.ttl_v4() }
}

/// Sets the type of service, which IPv6 calls traffic class.
pub(super) fn set_tos(socket: &SockRef<'_>, tos: u32) -> io::Result<()> {
    if local_addr(socket)?.is_ipv6() { socket.set_tclass_v6(tos) } else { socket.set_tos_v4(tos) }
}

pub(super) fn tos(socket: &SockRef<'_>) -> io::Result<u32> {
    if local_addr(socket)?.is_ipv6() { socket.tclass_v6() } else { socket.tos_v4() }
}

/// Turns keepalive on and sets its times. The kernel counts whole seconds.
pub(super) fn set_keepalive_times(
    socket: &SockRef<'_>,
    idle: Duration,
    interval: Duration,
    retries: u32,
) -> io::Result<()> {
    if idle.is_zero() || interval.is_zero() || retries == 0 {
        let what = "a keepalive needs times above zero and 1 retry or more";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    let [idle, interval] = [idle, interval].map(whole_seconds);
    let times = TcpKeepalive::new().with_time(idle).with_interval(interval).with_retries(retries);
    socket.set_tcp_keepalive(&times)
}

/// Sets what closing does with unsent data. The kernel counts whole seconds.
pub(super) fn set_linger(socket: &SockRef<'_>, linger: Option<Duration>) -> io::Result<()> {
    socket.set_linger(linger.map(whole_seconds))
}

/// Rounds a duration up for a kernel that counts whole seconds. Rounding down could yield zero,
/// which often has a meaning of its own. The result is at most 68 years, which fits into the
/// kernel's signed 32 bits.
fn whole_seconds(duration: Duration) -> Duration {
    let seconds = duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0));
    Duration::from_secs(seconds.min(i32::MAX as u64))
}

/// Restricts the socket to this interface.
pub(super) fn bind_device(socket: &SockRef<'_>, interface: Option<&str>) -> io::Result<()> {
    let bound = sockets::bind_device(socket, interface.map(str::as_bytes));
    let name = interface.unwrap_or_default();
    bound.map_err(|error| explain(&error, format_args!("cannot bind to the interface `{name}`")))
}
