//! The default action of a signal that has no listener.

use std::io::Result;

use nix::sys::signal::{SigHandler, Signal, raise, signal as set_action};
use oneloop::run;
use oneloop::signal::{SignalKind, signal};

use crate::{USR1, ends_by, ends_well, run_alone};

#[test]
fn with_the_last_listener_the_default_action_comes_back() {
    ends_by(
        Signal::SIGUSR1,
        "default_action::with_the_last_listener_the_default_action_comes_back",
        || {
            run(async {
                let (first, mut second) = (signal(USR1)?, signal(USR1)?);
                drop(first);
                raise(Signal::SIGUSR1)?;
                second.recv().await?;
                // The listener is dropped, and another one is made.
                drop(second);
                let mut third = signal(USR1)?;
                raise(Signal::SIGUSR1)?;
                third.recv().await?;
                drop(third);
                raise(Signal::SIGUSR1)?;
                panic!("the process has not ended")
            })
        },
    );
}

#[test]
fn what_was_ignored_before_is_ignored_again() {
    ends_well("default_action::what_was_ignored_before_is_ignored_again", || {
        // SAFETY: this sets a default action, not a handler.
        unsafe { set_action(Signal::SIGUSR1, SigHandler::SigIgn) }?;
        run(async {
            let mut listener = signal(USR1)?;
            raise(Signal::SIGUSR1)?;
            listener.recv().await?;
            drop(listener);
            raise(Signal::SIGUSR1)?;
            Ok(())
        })
    });
}

#[test]
fn what_does_nothing_by_default_does_nothing_again() -> Result<()> {
    run_alone(async {
        let mut listener = signal(SignalKind::SIGWINCH)?;
        raise(Signal::SIGWINCH)?;
        listener.recv().await?;
        drop(listener);
        raise(Signal::SIGWINCH)?;
        Ok(())
    })
}
