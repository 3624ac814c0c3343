//! `ToSocketAddrs`: values that name an address to connect or bind to.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use super::lookup::lookup;
use crate::runtime::poll_budget;

/// A value that names one or more addresses: a [`SocketAddr`], `(host, port)`, `"host:port"`, or a
/// list of addresses.
///
/// Like the standard library's trait, but host name look-ups do not block the loop; see
/// [`lookup_host`](super::lookup_host). Numeric addresses need no look-up. The trait is sealed: it
/// cannot be implemented outside oneloop.
///
/// # Examples
///
/// ```
/// use oneloop::net::TcpListener;
///
/// oneloop::run(async {
///     let any_free_port = TcpListener::bind(("127.0.0.1", 0)).await?;
///     let by_name = TcpListener::bind("localhost:0").await?;
///     assert_ne!(any_free_port.local_addr()?, by_name.local_addr()?);
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub trait ToSocketAddrs {
    /// Returns what the value names, before any look-up.
    #[doc(hidden)]
    fn target(&self) -> Target;
}

/// The result of [`ToSocketAddrs::target`].
#[doc(hidden)]
#[derive(Debug)]
#[expect(unnameable_types, reason = "it keeps the trait from being implemented elsewhere")]
pub struct Target(Named);

#[derive(Debug)]
enum Named {
    /// The usual case, and that of each datagram, so it does not allocate.
    Addr(SocketAddr),
    Addrs(Vec<SocketAddr>),
    Host(String, u16),
    Malformed(String),
}

impl Target {
    fn addr(addr: impl Into<SocketAddr>) -> Self {
        Self(Named::Addr(addr.into()))
    }

    fn host(host: &str, port: u16) -> Self {
        // An IPv6 address in brackets is a numeric address too.
        let digits = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        match digits.parse::<IpAddr>() {
            Ok(ip) => Self::addr((ip, port)),
            Err(_) => Self(Named::Host(host.to_owned(), port)),
        }
    }

    fn text(text: &str) -> Self {
        if let Ok(addr) = text.parse::<SocketAddr>() {
            return Self::addr(addr);
        }
        let parts = text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
        match parts {
            Some((host, port)) => Self::host(host, port),
            None => Self(Named::Malformed(text.to_owned())),
        }
    }

    /// Returns the address, if there is exactly one and it needs no look-up.
    pub(super) fn known(&self) -> Option<SocketAddr> {
        match self.0 {
            Named::Addr(addr) => Some(addr),
            Named::Addrs(_) | Named::Host(..) | Named::Malformed(_) => None,
        }
    }

    /// Like [`Target::resolve`], for a server: an empty host means all interfaces, IPv4 and IPv6.
    pub(super) async fn resolve_to_listen(self) -> io::Result<Vec<SocketAddr>> {
        if let Named::Host(host, port) = &self.0 {
            if host.is_empty() {
                let any = [IpAddr::from(Ipv4Addr::UNSPECIFIED), Ipv6Addr::UNSPECIFIED.into()];
                return Ok(any.map(|ip| (ip, *port).into()).to_vec());
            }
        }
        self.resolve().await
    }

    /// Returns the addresses, at least one.
    pub(crate) async fn resolve(self) -> io::Result<Vec<SocketAddr>> {
        // A loop over addresses that need no lookup, or that are malformed, lets others run.
        poll_fn(poll_budget).await;
        let none = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what.to_owned());
        match self.0 {
            Named::Addr(addr) => Ok(vec![addr]),
            Named::Addrs(addrs) if addrs.is_empty() => Err(none("the list of addresses is empty")),
            Named::Addrs(addrs) => Ok(addrs),
            Named::Host(host, port) if host.is_empty() => Err(malformed(&format!(":{port}"))),
            Named::Host(host, port) => lookup(host, port).await,
            Named::Malformed(text) => Err(malformed(&text)),
        }
    }
}

fn malformed(text: &str) -> io::Error {
    let parts =
        text.rsplit_once(':').filter(|(host, _)| !host.contains(':') || host.ends_with(']'));
    let what = match parts.map(|(_, port)| port).filter(|port| port.parse::<u16>().is_err()) {
        None | Some("") => format!(
            "`{text}` is no address: write `host:port`, as in `127.0.0.1:8888` or `localhost:8888`"
        ),
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("the port of `{text}` is too large: in `host:port` it is {} at most", u16::MAX)
        }
        Some(_) => {
            format!("the port of `{text}` is no number: write `host:port`, as in `localhost:8888`")
        }
    };
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

impl ToSocketAddrs for SocketAddr {
    fn target(&self) -> Target {
        Target::addr(*self)
    }
}

impl ToSocketAddrs for SocketAddrV4 {
    fn target(&self) -> Target {
        Target::addr(*self)
    }
}

impl ToSocketAddrs for SocketAddrV6 {
    fn target(&self) -> Target {
        Target::addr(*self)
    }
}

impl ToSocketAddrs for (IpAddr, u16) {
    fn target(&self) -> Target {
        Target::addr(*self)
    }
}

impl ToSocketAddrs for (Ipv4Addr, u16) {
    fn target(&self) -> Target {
        Target::addr(*self)
    }
}

impl ToSocketAddrs for (Ipv6Addr, u16) {
    fn target(&self) -> Target {
        Target::addr(*self)
    }
}

impl ToSocketAddrs for (&str, u16) {
    fn target(&self) -> Target {
        Target::host(self.0, self.1)
    }
}

impl ToSocketAddrs for (String, u16) {
    fn target(&self) -> Target {
        Target::host(&self.0, self.1)
    }
}

impl ToSocketAddrs for str {
    fn target(&self) -> Target {
        Target::text(self)
    }
}

impl ToSocketAddrs for String {
    fn target(&self) -> Target {
        Target::text(self)
    }
}

impl ToSocketAddrs for [SocketAddr] {
    fn target(&self) -> Target {
        Target(Named::Addrs(self.to_vec()))
    }
}

impl ToSocketAddrs for Vec<SocketAddr> {
    fn target(&self) -> Target {
        self.as_slice().target()
    }
}

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {
    fn target(&self) -> Target {
        (**self).target()
    }
}
