//! TCP: listeners and streams.

mod listener;
mod socket;
mod stream;

pub use listener::{TcpListener, TcpListenerBuilder};
pub use socket::TcpSocket;
pub use stream::TcpStream;
