//! TCP, UDP, and the names of hosts.

mod addr;
mod connect;
mod lookup;
mod options;
mod resolver;
mod send_file;
mod tcp;
mod udp;

pub use addr::ToSocketAddrs;
pub use connect::{ConnectError, Connector};
pub use lookup::lookup_host;
pub use resolver::{Resolver, Resolving, SystemResolver};
pub use send_file::SendFileError;
pub use tcp::{
    Incoming, OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, TcpListener,
    TcpListenerBuilder, TcpSocket, TcpStream, WriteHalf,
};
pub use udp::{Batch, BatchIter, Datagram, Datagrams, UdpSocket, UdpSocketBuilder};
