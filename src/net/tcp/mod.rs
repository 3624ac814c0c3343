//! TCP: listeners, streams, and their halves.

mod halves;
mod listener;
mod socket;
mod stream;
mod traits;

pub use halves::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
pub use listener::{Incoming, TcpListener, TcpListenerBuilder};
pub use socket::TcpSocket;
pub use stream::TcpStream;
