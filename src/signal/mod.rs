//! Signals.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;

use signal_hook::consts::SIGINT;
use signal_hook::{SigId, low_level};

use crate::runtime::{Direction, Interests, Moved, Registration, SignalPipe};

/// Waits for Ctrl-C (SIGINT), counted from the first poll.
///
/// Several may wait, and other users of the signal keep working. From the first call on, Ctrl-C does not end the process
/// any more, also when nobody waits: so wait for it again, or return from `main`.
///
/// # Cancel safety
///
/// Dropped before it is ready, it changes nothing. A Ctrl-C between two waits is not seen: in a loop, make it once outside,
/// `let mut stop = pin!(ctrl_c());`, and await `&mut stop`.
///
/// # Errors
///
/// If the process has no descriptors left.
///
/// # Examples
///
/// ```no_run
/// oneloop::run(async {
///     println!("Press Ctrl-C");
///     oneloop::signal::ctrl_c().await?;
///     println!("Goodbye");
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
pub async fn ctrl_c() -> io::Result<()> {
    let (receiver, sender) = UnixStream::pair()?;
    receiver.set_nonblocking(true)?;
    let receiver = SignalPipe::from_std(receiver);
    let receiver = Registration::new(receiver, Interests::Read, "signal")?;
    let _listening = Listening(low_level::pipe::register(SIGINT, sender)?);
    let read = |mut io: &SignalPipe| {
        let value = io.read(&mut [0; 16])?;
        Ok(Moved { value, is_short: false })
    };
    receiver.when_ready(Direction::Read, read).await?;
    Ok(())
}

/// Takes the handler back when dropped.
struct Listening(SigId);

impl Drop for Listening {
    fn drop(&mut self) {
        low_level::unregister(self.0);
    }
}
