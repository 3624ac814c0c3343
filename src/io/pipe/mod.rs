//! Pipes and named pipes: one-way byte streams, within a process or to another one.

mod end;
mod fifo;
mod receiver;
mod sender;

use std::io;

pub use fifo::{create_fifo, open_receiver, open_sender, try_open_sender};
pub use receiver::Receiver;
pub use sender::Sender;

use crate::sys::descriptors::pipe_ends;

/// Creates a pipe. Bytes written to the [`Sender`] are read from the [`Receiver`], which reaches
/// the end when the sender is dropped.
///
/// On Linux, a pipe holds 64 KiB; beyond that, the sender waits. Children do not inherit the pipe:
/// to pass an end to a child, use [`into_blocking_fd`](Receiver::into_blocking_fd).
///
/// # Errors
///
/// Fails if no loop runs on this thread, or if the process has no descriptors left.
///
/// # Examples
///
/// ```
/// use oneloop::io::pipe;
///
/// oneloop::run(async {
///     let (sender, receiver) = pipe::pipe()?;
///     sender.write_all(b"hello").await?;
///     drop(sender);
///     let mut text = Vec::new();
///     receiver.read_to_end(&mut text).await?;
///     assert_eq!(text, b"hello");
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub fn pipe() -> io::Result<(Sender, Receiver)> {
    let (receiver, sender) = pipe_ends()
        .map_err(|error| io::Error::new(error.kind(), format!("cannot make a pipe: {error}")))?;
    Ok((Sender::from_owned_fd(sender)?, Receiver::from_owned_fd(receiver)?))
}
