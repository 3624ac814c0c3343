//! TCP, and the names of hosts.

mod addr;
mod lookup;
mod tcp;

pub use addr::ToSocketAddrs;
pub use tcp::{
    Incoming, OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, TcpListener,
    TcpListenerBuilder, TcpStream, WriteHalf,
};
