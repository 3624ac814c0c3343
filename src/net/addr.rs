//! `ToSocketAddrs`: what can be connected or bound to.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use super::lookup::lookup;

/// What names one or several addresses: a [`SocketAddr`], `(host, port)`, `"host:port"`, or a list of addresses.
///
/// As the trait of the standard library, except that looking up a host's name does not block the loop: it is done on a
/// thread of its own. An address in digits needs no look-up. The trait cannot be implemented outside oneloop.
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
    /// What the value says, before anything is looked up.
    #[doc(hidden)]
    fn target(&self) -> Target;
}

/// What a [`ToSocketAddrs`] names.
#[doc(hidden)]
#[derive(Debug)]
#[expect(unnameable_types, reason = "it keeps the trait from being implemented elsewhere")]
pub struct Target(Named);

#[derive(Debug)]
enum Named {
    Addrs(Vec<SocketAddr>),
    Host(String, u16),
    Malformed(String),
}

impl Target {
    fn addr(addr: impl Into<SocketAddr>) -> Self {
        Self(Named::Addrs(vec![addr.into()]))
    }

    fn host(host: &str, port: u16) -> Self {
        // An IPv6 address in brackets is one in digits too.
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
            Some((host, port)) if !host.is_empty() => Self::host(host, port),
            _ => Self(Named::Malformed(text.to_owned())),
        }
    }

    /// The addresses, at least one.
    pub(crate) async fn resolve(self) -> io::Result<Vec<SocketAddr>> {
        let none = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what.to_owned());
        match self.0 {
            Named::Addrs(addrs) if addrs.is_empty() => Err(none("the list of addresses is empty")),
            Named::Addrs(addrs) => Ok(addrs),
            Named::Host(host, port) => lookup(host, port).await,
            Named::Malformed(text) => Err(none(&format!(
                "`{text}` is no address: write `host:port`, as in `127.0.0.1:8888` or `localhost:8888`"
            ))),
        }
    }
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
