//! TCP, UDP, Unix sockets, and the names of hosts.

mod accept;
mod addr;
mod connect;
mod connection;
mod halves;
mod lookup;
mod options;
mod resolver;
mod send_file;
mod streams;
mod tcp;
mod traits;
mod udp;
mod unix;

pub use accept::Incoming;
pub use addr::ToSocketAddrs;
pub use connect::{ConnectError, Connector};
pub use halves::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
pub use lookup::lookup_host;
pub use resolver::{Resolver, Resolving, SystemResolver};
pub use send_file::SendFileError;
pub use tcp::{TcpListener, TcpListenerBuilder, TcpSocket, TcpStream};
pub use udp::{Batch, BatchIter, Datagram, Datagrams, UdpSocket, UdpSocketBuilder};
pub use unix::{UnixDatagram, UnixListener, UnixListenerBuilder, UnixStream};

#[cfg(all(feature = "peer-cred", any(target_os = "linux", target_os = "android")))]
pub use unix::PeerCred;
