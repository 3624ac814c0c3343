//! Connecting to a host that may have several addresses: happy eyeballs (RFC 8305).

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use nix::libc::EHOSTDOWN;

use super::ToSocketAddrs;
use super::tcp::{TcpSocket, TcpStream};
use crate::runtime::check_loop;
use crate::task::staggered_race;

/// What RFC 8305 recommends, and asyncio.
const DELAY: Duration = Duration::from_millis(250);

/// How to connect: the options of a [`TcpStream::connect`].
///
/// A host that has several addresses is tried at one after another: at the next one when the one before it has failed, or
/// has not answered for 250 ms; the others go on meanwhile. The first that answers wins, and the other sockets are closed. The addresses of
/// IPv6 and IPv4 take turns. So a host is reached soon although some of its addresses are dead, as RFC 8305 ("happy eyeballs")
/// and asyncio's `happy_eyeballs_delay` have it.
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

    /// Connects from `addr`; port 0 takes a free one. Called twice, it names one address for each family. Addresses of a family
    /// for which there is none are passed over.
    pub fn local_addr(mut self, addr: SocketAddr) -> Self {
        self.local.retain(|former| former.is_ipv6() != addr.is_ipv6());
        self.local.push(addr);
        self
    }

    /// Whether small writes are sent at once (`TCP_NODELAY`); on unless said otherwise, as in asyncio.
    pub fn nodelay(mut self, nodelay: bool) -> Self {
        self.nodelay = nodelay;
        self
    }

    /// How long an address has before the next one is tried as well; 250 ms unless said otherwise.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Tries an address only after the one before it has failed, in the order in which they were given; asyncio's default.
    pub fn sequential(self) -> Self {
        self.delay(Duration::MAX).interleave(0)
    }

    /// How many addresses of the family that comes first are tried before those of the other take turns with them; 1 unless said otherwise.
    /// 0 leaves the order as it is. Asyncio's `interleave`.
    pub fn interleave(mut self, first: usize) -> Self {
        self.first_family = first;
        self
    }

    /// Calls `configure` for each socket before it connects, to set options on it. An error of its counts as that of the address.
    pub fn configure(
        mut self,
        configure: impl Fn(&TcpSocket) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.configure = Some(Arc::new(configure));
        self
    }

    /// Connects to the first address that answers.
    ///
    /// There is no time limit but the kernel's: use [`timeout`](crate::timeout).
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it closes its sockets.
    ///
    /// # Errors
    ///
    /// If no address answers: a [`ConnectError`] inside, which has what was wrong with each, and a message that has it too. The kind is the
    /// most specific one: `ConnectionRefused` says more than `TimedOut`, and that more than `NetworkUnreachable`. What the look-up of the
    /// name gave. If no loop runs here.
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

    /// Those that can be connected to from here, at least one.
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

    /// The local address for `to`.
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

/// The family of the first address goes first, with so many of them; then the families take turns.
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
    /// Connects to the first address that answers: if there are several, as [happy eyeballs](Connector), and the addresses
    /// of IPv6 and IPv4 by turns.
    ///
    /// Small writes are sent at once, as in asyncio: `TCP_NODELAY` is on. For this and other options, [`connector`](Self::connector).
    /// There is no time limit but the kernel's: use [`timeout`](crate::timeout).
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it closes its sockets.
    ///
    /// # Errors
    ///
    /// If no address answers: names each address and what was wrong with it, see [`ConnectError`]. What the look-up of the
    /// name gave. If no loop runs here.
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
    ///     let error = TcpStream::connect(addr).await.unwrap_err(); // nobody listens there
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

    /// Options for connecting.
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

/// No address of a host has answered. It is inside the `io::Error` that [`TcpStream::connect`] and [`Connector::connect`] give.
#[derive(Debug)]
pub struct ConnectError {
    attempts: Vec<(SocketAddr, io::Error)>,
}

impl ConnectError {
    /// Each address that was tried, in their order, and what was wrong with it.
    pub fn attempts(&self) -> &[(SocketAddr, io::Error)] {
        &self.attempts
    }

    /// The error of the attempt that came farthest; of those, the first.
    fn most_specific(&self) -> Option<&io::Error> {
        let errors = self.attempts.iter().map(|(_addr, error)| error);
        errors.min_by_key(|error| distance_left(error))
    }
}

/// How far an attempt has come: to the peer, to its network, out of ours, out of this host.
const FARTHEST_FIRST: [&[ErrorKind]; 4] = [
    &[ErrorKind::ConnectionRefused, ErrorKind::ConnectionReset],
    &[ErrorKind::TimedOut],
    &[ErrorKind::HostUnreachable],
    &[ErrorKind::NetworkUnreachable, ErrorKind::NetworkDown],
];

fn distance_left(error: &io::Error) -> usize {
    let kind = match error.raw_os_error() {
        // The standard library has no kind for it.
        Some(EHOSTDOWN) => ErrorKind::HostUnreachable,
        _ => error.kind(),
    };
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
