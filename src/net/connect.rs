//! Connects to a host that may have several addresses: happy eyeballs (RFC 8305).

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::ToSocketAddrs;
use super::tcp::{TcpSocket, TcpStream};
use crate::runtime::check_loop;
use crate::sys::errors::is_host_down;
use crate::task::staggered_race;

/// The delay that RFC 8305 recommends and asyncio uses.
const DELAY: Duration = Duration::from_millis(250);

/// Options for [`TcpStream::connect`].
///
/// If a host has several addresses, they are tried one after another: the next attempt starts when
/// the previous one has failed or has not answered for 250 ms, while the earlier attempts continue.
/// The first address that answers wins, and the other sockets are closed. IPv6 and IPv4 addresses
/// alternate. A host is thus reached quickly even if some of its addresses are dead, as described
/// by RFC 8305 ("happy eyeballs") and asyncio's `happy_eyeballs_delay`.
///
/// # Examples
///
/// ```
/// use oneloop::net::{TcpListener, TcpStream};
/// use std::time::Duration;
///
/// oneloop::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let port = listener.local_addr()?.port();
///     let connector = TcpStream::connector()
///         .local_addr("127.0.0.1:0".parse().unwrap())
///         .delay(Duration::from_millis(100))
///         .configure(|socket| socket.set_keepalive(true));
///     let stream = connector.connect(("localhost", port)).await?;
///     assert!(stream.keepalive()?);
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
#[must_use = "a connector does nothing until `connect`"]
pub struct Connector {
    local: Vec<SocketAddr>,
    nodelay: bool,
    delay: Duration,
    first_family: usize,
    configure: Option<Arc<Configure>>,
}

type Configure = dyn Fn(&TcpSocket) -> io::Result<()> + Send + Sync;

impl Connector {
    fn new() -> Self {
        Self { local: Vec::new(), nodelay: true, delay: DELAY, first_family: 1, configure: None }
    }

    /// Connects from `addr`; port 0 means a free port. Call it twice to set one address for each
    /// family. Target addresses of a family without a local address are then skipped.
    pub fn local_addr(mut self, addr: SocketAddr) -> Self {
        self.local.retain(|former| former.is_ipv6() != addr.is_ipv6());
        self.local.push(addr);
        self
    }

    /// Whether small writes are sent at once (`TCP_NODELAY`). On by default, as in asyncio.
    pub fn nodelay(mut self, nodelay: bool) -> Self {
        self.nodelay = nodelay;
        self
    }

    /// How long to wait for an address before trying the next one as well. The default is 250 ms.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Tries each address only after the previous one has failed, in the given order; asyncio's
    /// default.
    pub fn sequential(self) -> Self {
        self.delay(Duration::MAX).interleave(0)
    }

    /// How many addresses of the first address's family are tried before the two families
    /// alternate. The default is 1. With 0, the order is left unchanged. Asyncio's `interleave`.
    pub fn interleave(mut self, first: usize) -> Self {
        self.first_family = first;
        self
    }

    /// Calls `configure` on each socket before it connects, to set options. If it returns an error,
    /// the attempt at that address has failed with it.
    pub fn configure(
        mut self,
        configure: impl Fn(&TcpSocket) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.configure = Some(Arc::new(configure));
        self
    }

    /// Connects to the first address that answers.
    ///
    /// The only time limit is the kernel's; use [`timeout`](crate::timeout) for another.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it closes its sockets.
    ///
    /// # Errors
    ///
    /// If no address answers, the error contains a [`ConnectError`] with the error of each address,
    /// and its message lists them too. Its kind is that of the most specific one:
    /// `ConnectionRefused` says more than `TimedOut`, which says more than `NetworkUnreachable`.
    /// Also returns the error of a failed name look-up, and fails if no loop runs here.
    pub async fn connect(&self, addr: impl ToSocketAddrs) -> io::Result<TcpStream> {
        let target = addr.target();
        let addrs = self.in_order(target.resolve().await?)?;
        check_loop("TcpStream")?;
        let connected = if let [addr] = addrs[..] {
            self.attempt(addr).await.map_err(|failure| vec![failure])
        } else {
            let attempts = addrs.into_iter().map(|addr| self.attempt(addr));
            staggered_race(attempts, self.delay).await
        };
        connected.map_err(|attempts| ConnectError { attempts }.into())
    }

    /// Orders the addresses that can be reached from the local address. Returns at least one.
    fn in_order(&self, addrs: Vec<SocketAddr>) -> io::Result<Vec<SocketAddr>> {
        let is_reachable = |addr: &SocketAddr| self.local.is_empty() || self.from(*addr).is_some();
        let (addrs, others): (Vec<_>, Vec<_>) = addrs.into_iter().partition(is_reachable);
        if addrs.is_empty() {
            return Err(io::Error::new(
                ErrorKind::AddrNotAvailable,
                format!(
                    "cannot connect from {} to {}: the one is of IPv4, the other of IPv6",
                    list(&self.local),
                    list(&others)
                ),
            ));
        }
        Ok(interleave(addrs, self.first_family))
    }

    /// Returns the local address to use for `to`.
    fn from(&self, to: SocketAddr) -> Option<SocketAddr> {
        self.local.iter().copied().find(|from| from.is_ipv6() == to.is_ipv6())
    }

    async fn attempt(&self, addr: SocketAddr) -> Result<TcpStream, (SocketAddr, io::Error)> {
        let connected = async {
            let socket = TcpSocket::for_addr(addr)?;
            if self.nodelay {
                socket.set_nodelay(true)?;
            }
            if let Some(configure) = &self.configure {
                configure(&socket)?;
            }
            if let Some(from) = self.from(addr) {
                socket.bind(from)?;
            }
            socket.connect_to(addr).await
        };
        connected.await.map_err(|error| (addr, error))
    }
}

fn list(addrs: &[SocketAddr]) -> String {
    addrs.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(", ")
}

/// Puts `first` addresses of the first address's family in front, and alternates between the
/// families from then on.
fn interleave(addrs: Vec<SocketAddr>, first: usize) -> Vec<SocketAddr> {
    let preferred = addrs.first().is_some_and(SocketAddr::is_ipv6);
    if first == 0 {
        return addrs;
    }
    let (mut ours, mut others): (VecDeque<_>, VecDeque<_>) =
        addrs.into_iter().partition(|addr| addr.is_ipv6() == preferred);
    let mut mixed: Vec<_> = ours.drain(..(first - 1).min(ours.len())).collect();
    while !(ours.is_empty() && others.is_empty()) {
        mixed.extend(ours.pop_front());
        mixed.extend(others.pop_front());
    }
    mixed
}

impl TcpStream {
    /// Connects to the first address that answers. If there are several addresses, it tries them as
    /// [happy eyeballs](Connector), alternating between IPv6 and IPv4.
    ///
    /// Like in asyncio, small writes are sent at once: `TCP_NODELAY` is on. To change this and
    /// other options, use [`connector`](Self::connector). The only time limit is the kernel's; use
    /// [`timeout`](crate::timeout) for another.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it closes its sockets.
    ///
    /// # Errors
    ///
    /// If no address answers, the error names each address and what went wrong there; see
    /// [`ConnectError`]. Also returns the error of a failed name look-up, and fails if no loop runs
    /// here.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::net::{ConnectError, TcpStream};
    /// use std::io::ErrorKind;
    /// # let unused = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let addr = unused.local_addr()?;
    /// # drop(unused);
    ///
    /// oneloop::run(async {
    ///     let error = TcpStream::connect(addr).await.unwrap_err(); // no listener there
    ///     assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    ///     let attempts = error.get_ref().unwrap().downcast_ref::<ConnectError>().unwrap().attempts();
    ///     assert_eq!(attempts[0].0, addr);
    /// });
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "create_connection")]
    #[doc(alias = "sock_connect")]
    #[doc(alias = "open_tcp_stream")]
    pub async fn connect(addr: impl ToSocketAddrs) -> io::Result<Self> {
        Self::connector().connect(addr).await
    }

    /// Returns a builder with options for connecting.
    pub fn connector() -> Connector {
        Connector::new()
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("local", &self.local)
            .field("nodelay", &self.nodelay)
            .field("delay", &self.delay)
            .field("interleave", &self.first_family)
            .finish_non_exhaustive()
    }
}

/// No address of a host has answered. This is inside the `io::Error` that [`TcpStream::connect`]
/// and [`Connector::connect`] return.
#[derive(Debug)]
pub struct ConnectError {
    attempts: Vec<(SocketAddr, io::Error)>,
}

impl ConnectError {
    /// Returns each address that was tried, in order, with its error.
    pub fn attempts(&self) -> &[(SocketAddr, io::Error)] {
        &self.attempts
    }

    /// Returns the error of the attempt that got farthest. On a tie, the first.
    fn most_specific(&self) -> Option<&io::Error> {
        let errors = self.attempts.iter().map(|(_addr, error)| error);
        errors.min_by_key(|error| distance_left(error))
    }
}

/// How far an attempt got: to the peer, to its network, out of our network, out of this host.
const FARTHEST_FIRST: [&[ErrorKind]; 4] = [
    &[ErrorKind::ConnectionRefused, ErrorKind::ConnectionReset],
    &[ErrorKind::TimedOut],
    &[ErrorKind::HostUnreachable],
    &[ErrorKind::NetworkUnreachable, ErrorKind::NetworkDown],
];

fn distance_left(error: &io::Error) -> usize {
    // The standard library has no kind for a host that is down.
    let kind = if is_host_down(error) { ErrorKind::HostUnreachable } else { error.kind() };
    let place = FARTHEST_FIRST.iter().position(|kinds| kinds.contains(&kind));
    let is_least = kind == ErrorKind::AddrNotAvailable;
    place.unwrap_or(FARTHEST_FIRST.len()) + usize::from(is_least)
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot connect to ")?;
        for (index, (addr, error)) in self.attempts.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; to " };
            write!(f, "{separator}{addr}: {error}")?;
        }
        Ok(())
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let cause: &dyn Error = self.most_specific()?;
        Some(cause)
    }
}

impl From<ConnectError> for io::Error {
    fn from(error: ConnectError) -> Self {
        let kind = error.most_specific().map_or(ErrorKind::NotFound, Self::kind);
        Self::new(kind, error)
    }
}
