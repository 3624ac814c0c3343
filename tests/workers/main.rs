//! Workers: loops on several threads, the ports that they share, and their ends: by themselves, by
//! each other, by signals.
//!
//! This is a separate binary, because signals reach the whole process, and it runs one test at a
//! time for the same reason.
#![cfg(feature = "workers")]
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "this is a test, and its helpers")]
#![expect(
    unsafe_code,
    reason = "only so can a test say that a signal is to do what it does by default"
)]

mod basics;
mod ending;
mod example;
mod listening;
mod panics;

use std::any::Any;
use std::env;
use std::io::{self, Read as _};
use std::net::{self, SocketAddr};
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::signal::{SigHandler, Signal, kill, signal as set_action};
use nix::unistd::getpid;
use oneloop::{Cleanup, sleep, with_cleanup};

const MS: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(10);
/// Shorter than the grace period and than a cleanup may take; longer than a busy machine takes.
const AT_ONCE: Duration = Duration::from_secs(4);
const ANY_PORT: &str = "127.0.0.1:0";
const IN_CHILD: &str = "ONELOOP_TEST_IN_CHILD";

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `test`, the body of the test called `name`, in a separate process. Returns how the process
/// ended, in the parent only.
fn in_child(name: &str, test: impl FnOnce()) -> Option<ExitStatus> {
    if env::var_os(IN_CHILD).is_some() {
        for signal in [Signal::SIGINT, Signal::SIGTERM] {
            // SAFETY: this sets a default action, not a handler.
            unsafe { set_action(signal, SigHandler::SigDfl) }.unwrap();
        }
        test();
        return None;
    }
    // Until the child executes its program, it has descriptors that others here have closed.
    let _alone = alone();
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(IN_CHILD, "1")
        .output()
        .unwrap();
    eprintln!("{}", String::from_utf8_lossy(&child.stderr));
    Some(child.status)
}

fn send(signal: Signal) {
    kill(getpid(), signal).unwrap();
}

/// The message of a panic.
fn message(payload: &(dyn Any + Send)) -> &str {
    payload.downcast_ref::<String>().map_or("no text", String::as_str)
}

/// Counts when it is done.
fn cleanup(done: &'static AtomicUsize, takes: Duration) -> Cleanup<()> {
    with_cleanup((), async move |()| {
        sleep(takes).await;
        done.fetch_add(1, Ordering::Relaxed);
    })
}

/// The greeting for a client that connects there.
fn ask(addr: SocketAddr) -> io::Result<String> {
    let mut client = net::TcpStream::connect(addr)?;
    client.set_read_timeout(Some(LONG))?;
    let mut answer = String::new();
    client.read_to_string(&mut answer)?;
    Ok(answer)
}
