//! The loop inside tokio's: when tokio polls it, it makes turns, and then waits with tokio's means.

use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::panic::{self, AssertUnwindSafe};
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use ::tokio::net::unix::pipe;
use ::tokio::runtime::{self, LocalOptions, LocalRuntime};
use ::tokio::task::unconstrained;
use ::tokio::time::sleep_until;

use crate::runtime::{ALARM_RINGS, Driver, Runtime, Turn, Turns, nanos, panic_message, real_now};

/// How long the loop makes turns in a row before tokio's own tasks and sockets have their turn. One
/// turn takes as long as a poll of one of its tasks, at least.
const IN_A_ROW: Duration = Duration::from_micros(100);

/// A part of tokio's panic where a runtime is started in another one.
const NESTED: &str = "from within a runtime";

/// A tokio runtime of this thread, for one loop.
pub(super) struct Inside {
    /// Taken out in the drop.
    tokio: Option<LocalRuntime>,
}

impl Inside {
    pub(super) fn make() -> io::Result<Box<dyn Driver>> {
        let tokio = runtime::Builder::new_current_thread()
            .enable_all()
            .build_local(LocalOptions::default())?;
        Ok(Box::new(Self { tokio: Some(tokio) }))
    }
}

impl Driver for Inside {
    fn drive(&self, runtime: &Runtime, turn: &mut Turns<'_>) -> io::Result<()> {
        let descriptor = runtime.reactor_fd()?.try_clone_to_owned()?;
        let Some(tokio) = &self.tokio else { unreachable!("it is taken out only in the drop") };
        let driven = AssertUnwindSafe(|| tokio.block_on(host(descriptor, turn)));
        match panic::catch_unwind(driven) {
            Ok(driven) => driven,
            // As a panic, this would come again from the end of the loop, and abort the process.
            Err(payload) if panic_message(&*payload).contains(NESTED) => Err(io::Error::other(
                "it would run inside another tokio runtime: await `oneloop::tokio::guest` there instead",
            )),
            Err(payload) => panic::resume_unwind(payload),
        }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        // A plain drop would wait for calls on tokio's other threads, and panic inside tokio.
        if let Some(tokio) = self.tokio.take() {
            tokio.shutdown_background();
        }
    }
}

/// Calls `turn` when the loop of `descriptor` has something to do, until it returns `None`.
///
/// Tokio's budget does not apply: all tasks of the loop would share that of one tokio task.
pub(super) async fn host(descriptor: OwnedFd, turn: &mut Turns<'_>) -> io::Result<()> {
    // It is no pipe, but a descriptor to wait for: tokio's own type for that is unsound to make.
    let descriptor = pipe::Receiver::from_owned_fd_unchecked(descriptor)?;
    let mut alarm = pin!(None);
    unconstrained(poll_fn(|cx| {
        let start = real_now();
        loop {
            let is_readable = take_readable(&descriptor, cx)?;
            match turn(cx, is_readable) {
                None => return Poll::Ready(Ok(())),
                Some(Turn::Busy) => {
                    if real_now().saturating_sub(start) >= nanos(IN_A_ROW) {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    continue;
                }
                Some(Turn::Park(deadline)) if !ALARM_RINGS => {
                    alarm.set(deadline.map(|deadline| sleep_until(deadline.into())));
                }
                Some(Turn::Park(_)) => {}
            }
            let is_overdue =
                alarm.as_mut().as_pin_mut().is_some_and(|alarm| alarm.poll(cx).is_ready());
            // After a look, tokio has to be asked to wait again.
            let is_readable = is_readable && descriptor.poll_read_ready(cx).is_ready();
            if !is_overdue && !is_readable {
                return Poll::Pending;
            }
        }
    }))
    .await
}

/// Whether the descriptor has become readable since the last call. If not, wakes `cx` when it does.
fn take_readable(descriptor: &pipe::Receiver, cx: &mut Context<'_>) -> io::Result<bool> {
    let Poll::Ready(ready) = descriptor.poll_read_ready(cx) else { return Ok(false) };
    ready?;
    // The loop reads all events, so what comes from now on makes it readable again.
    let _cleared = descriptor.try_io(|| Err::<(), _>(io::ErrorKind::WouldBlock.into()));
    Ok(true)
}
