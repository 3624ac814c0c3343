//! TCP: listeners, streams, and sockets that are neither yet.

mod listener;
mod socket;
mod stream;

pub use listener::{TcpListener, TcpListenerBuilder};
pub use socket::TcpSocket;
pub use stream::TcpStream;
