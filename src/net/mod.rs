//! TCP, Unix sockets, and the names of hosts.

mod accept;
mod addr;
mod connection;
mod halves;
mod lookup;
mod streams;
mod tcp;
mod traits;
mod unix;

pub use accept::Incoming;
pub use addr::ToSocketAddrs;
pub use halves::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
pub use tcp::{TcpListener, TcpListenerBuilder, TcpStream};
pub use unix::{UnixDatagram, UnixListener, UnixListenerBuilder, UnixStream};

#[cfg(all(feature = "peer-cred", any(target_os = "linux", target_os = "android")))]
pub use unix::PeerCred;
