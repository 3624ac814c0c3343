//! TCP, UDP, Unix sockets, servers, and host name look-up.
//!
//! # Examples
//!
//! ```
//! use oneloop::net::{TcpListener, TcpStream};
//!
//! oneloop::run(async {
//!     let listener = TcpListener::bind("127.0.0.1:0").await?;
//!     let addr = listener.local_addr()?;
//!     let (client, (server, _addr)) =
//!         oneloop::try_gather!(TcpStream::connect(addr), listener.accept()).await?;
//!     client.write_all(b"hello").await?;
//!     let mut buf = [0; 5];
//!     server.read_exact(&mut buf).await?;
//!     assert_eq!(&buf, b"hello");
//!     std::io::Result::Ok(())
//! })?;
//! # std::io::Result::Ok(())
//! ```

mod accept;
mod addr;
mod connect;
mod connection;
#[cfg(any(target_os = "android", target_os = "linux"))]
mod device;
mod halves;
mod lookup;
mod open;
mod options;
mod resolver;
mod send_file;
mod server;
mod streams;
mod tcp;
mod traits;
mod udp;
mod unix;

pub use accept::{Incoming, IntoIncoming};
pub use addr::ToSocketAddrs;
pub use connect::{ConnectError, Connector};
pub use halves::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
pub use lookup::lookup_host;
pub use open::open_connection;
pub use resolver::{Resolver, Resolving, SystemResolver};
pub use server::{Server, ServerBuilder, server_closing, start_server};
pub use tcp::{TcpListener, TcpListenerBuilder, TcpSocket, TcpStream};
pub use udp::{Batch, BatchIter, Datagram, Datagrams, UdpSocket, UdpSocketBuilder};
pub use unix::{UnixDatagram, UnixListener, UnixListenerBuilder, UnixStream};
pub use unix::{open_unix_connection, start_unix_server};

pub use crate::io::SendFileError;

#[cfg(all(feature = "peer-cred", any(target_os = "linux", target_os = "android")))]
pub use unix::peer_cred::PeerCred;
