//! TCP, and the names of hosts.

mod accept;
mod addr;
mod connection;
mod halves;
mod lookup;
mod tcp;
mod traits;

pub use accept::Incoming;
pub use addr::ToSocketAddrs;
pub use halves::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
pub use tcp::{TcpListener, TcpListenerBuilder, TcpStream};
