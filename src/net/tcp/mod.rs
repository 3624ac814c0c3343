//! TCP: listeners, streams, and their halves.

mod halves;
mod listener;
mod stream;
mod streams;
mod traits;

pub use halves::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
pub use listener::{Incoming, TcpListener, TcpListenerBuilder};
pub use stream::TcpStream;
