//! Real signals, sent to this process or, if they may end it, to a process that is started for
//! them.
//!
//! This is a separate binary, because signals reach the whole process, and it runs one test at a
//! time for the same reason.
#![cfg(all(feature = "process", feature = "workers"))]
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "this is a test, and its helpers")]
#![expect(
    unsafe_code,
    reason = "only so can a test say that a signal is to do what it does by default"
)]

mod ctrl_c;
mod default_action;
mod launcher;
mod listening;
mod until_ctrl_c;

use std::env;
use std::future::Future;
use std::io::Result;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use nix::sys::signal::{SigHandler, Signal, kill, signal as set_action};
use nix::unistd::getpid;
use oneloop::signal::{SignalKind, Signals};
use oneloop::{run, timeout};

const USR1: SignalKind = SignalKind::SIGUSR1;
const USR2: SignalKind = SignalKind::SIGUSR2;
/// Longer than any test here takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const IN_CHILD: &str = "ONELOOP_TEST_IN_CHILD";

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a test while no other test sends signals.
fn run_alone<T>(test: impl Future<Output = Result<T>>) -> Result<T> {
    let _alone = alone();
    run(async { timeout(PATIENCE, test).await? })
}

/// Runs `test`, the body of the test called `name`, in a separate process, in which signals have
/// their default effect. Returns how the process ended, in the parent only.
fn in_child(name: &str, test: impl FnOnce() -> Result<()>) -> Option<ExitStatus> {
    if env::var_os(IN_CHILD).is_some() {
        // A shell that starts the tests in the background makes them ignore Ctrl-C.
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGUSR1] {
            // SAFETY: this sets a default action, not a handler.
            unsafe { set_action(signal, SigHandler::SigDfl) }.unwrap();
        }
        test().unwrap();
        return None;
    }
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(IN_CHILD, "1")
        .output()
        .unwrap();
    eprintln!(
        "{}{}",
        String::from_utf8_lossy(&child.stdout),
        String::from_utf8_lossy(&child.stderr)
    );
    Some(child.status)
}

/// Like `in_child`, for a test that ends by the signal.
fn ends_by(signal: Signal, name: &str, test: impl FnOnce() -> Result<()>) {
    if let Some(status) = in_child(name, test) {
        assert_eq!(status.signal(), Some(signal as i32), "{status}");
    }
}

/// Like `in_child`, for a test that succeeds.
fn ends_well(name: &str, test: impl FnOnce() -> Result<()>) {
    if let Some(status) = in_child(name, test) {
        assert!(status.success(), "{status}");
    }
}

/// Sent to the process, as if from outside: any thread may handle it.
fn send(signal: Signal) -> Result<()> {
    Ok(kill(getpid(), signal)?)
}

fn is_waiting(signals: &mut Signals) -> bool {
    signals.poll_recv(&mut Context::from_waker(Waker::noop())).is_pending()
}
