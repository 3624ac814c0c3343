//! An alarm that ends the reactor's wait at a deadline, to tens of microseconds.
//!
//! The poll's own time limit counts whole milliseconds. On Linux a timer descriptor, registered
//! like any other source, is exact. It also stays set from one wait to the next, so a wait whose
//! deadline is not earlier than the alarm needs no system call. Elsewhere there is only the poll's
//! limit.

pub(super) use kind::Alarm;
#[cfg(feature = "tokio")]
pub(crate) use kind::RINGS;

#[cfg(target_os = "linux")]
mod kind {
    use std::io;
    use std::os::fd::{AsFd, AsRawFd};
    use std::time::Duration;

    use mio::unix::SourceFd;
    use mio::{Interest, Registry, Token};
    use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

    use crate::runtime::data::clock::Nanos;

    /// Whether the reactor's descriptor becomes readable at a deadline.
    #[cfg(feature = "tokio")]
    pub(crate) const RINGS: bool = true;

    pub(in super::super) struct Alarm {
        timer: TimerFd,
        /// When it will ring, if it is set and has not rung.
        set_to: Option<Nanos>,
    }

    impl Alarm {
        pub(in super::super) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
            let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
            let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
            let descriptor = timer.as_fd().as_raw_fd();
            registry.register(&mut SourceFd(&descriptor), token, Interest::READABLE)?;
            Ok(Self { timer, set_to: None })
        }

        /// Makes sure that the alarm rings at `deadline` at the latest. It may ring earlier, for a
        /// timer that was cancelled meanwhile. That wakes the loop once in vain, but saves setting
        /// the alarm at each park.
        pub(in super::super) fn set(&mut self, deadline: Nanos, now: Nanos) -> io::Result<()> {
            if self.set_to.is_some_and(|time| now < time && time <= deadline) {
                return Ok(());
            }
            // Zero would switch the timer off; setting it anew also clears that it has rung.
            let left = Duration::from_nanos(deadline.saturating_sub(now).max(1));
            self.timer.set(Expiration::OneShot(left.into()), TimerSetTimeFlags::empty())?;
            self.set_to = Some(deadline);
            Ok(())
        }

        pub(in super::super) fn rang(&mut self) {
            self.set_to = None;
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod kind {
    use std::io;

    use mio::{Registry, Token};

    use crate::runtime::data::clock::Nanos;

    #[cfg(feature = "tokio")]
    pub(crate) const RINGS: bool = false;

    /// Never made.
    pub(in super::super) enum Alarm {}

    impl Alarm {
        pub(in super::super) fn new(_registry: &Registry, _token: Token) -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub(in super::super) fn set(&mut self, _deadline: Nanos, _now: Nanos) -> io::Result<()> {
            match *self {}
        }

        pub(in super::super) fn rang(&mut self) {
            match *self {}
        }
    }
}
