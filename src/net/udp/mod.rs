//! UDP: sockets, their options, and datagrams in batches.

mod batch;
mod builder;
mod datagrams;
#[cfg(all(feature = "udp-batch", target_os = "linux"))]
mod mmsg;
#[cfg(not(all(feature = "udp-batch", target_os = "linux")))]
mod mmsg {
    pub(super) use super::one_by_one::{receive, send};
}
mod one_by_one;
mod options;
mod poll;
mod socket;

pub use batch::{Batch, BatchIter, Datagram};
pub use builder::UdpSocketBuilder;
pub use datagrams::Datagrams;
pub use socket::UdpSocket;
