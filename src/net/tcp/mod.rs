//! TCP: listeners and streams.

mod listener;
mod stream;
mod streams;

pub use listener::{TcpListener, TcpListenerBuilder};
pub use stream::TcpStream;
