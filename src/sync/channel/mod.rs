//! `channel`: a queue with two ends that closes when the last sender or the last receiver is gone.
//! Trio's memory channel.

mod ends;
mod flow;
mod futures;
mod rendezvous;

pub use ends::{Receiver, Sender, Statistics, channel, unbounded_channel};
pub use futures::{Recv, Sending};

pub use super::error::{SendError, TryRecvError, TrySendError};
