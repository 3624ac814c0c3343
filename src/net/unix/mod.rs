//! Unix sockets: listeners, streams and datagrams, at paths and at abstract names.

mod datagram;
mod descriptors;
#[cfg(feature = "fd-passing")]
mod fds;
mod file;
mod listener;
#[cfg(all(feature = "peer-cred", any(target_os = "linux", target_os = "android")))]
pub(super) mod peer_cred;
mod send_file;
mod server;
mod stream;
mod streams;
mod traits;

pub use datagram::UnixDatagram;
pub use listener::{UnixListener, UnixListenerBuilder};
pub use server::start_unix_server;
pub use stream::UnixStream;
pub use streams::open_unix_connection;
