//! TCP: listeners and streams.

mod listener;
mod stream;

pub use listener::{TcpListener, TcpListenerBuilder};
pub use stream::TcpStream;
