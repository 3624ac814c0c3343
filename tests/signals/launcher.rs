//! Changes to signals by the program that started this one.

use std::env;
use std::future::pending;
use std::io::Result;
use std::os::unix::process::CommandExt;
use std::process;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, pthread_sigmask};
use nix::unistd::Pid;
use oneloop::process::Command;
use oneloop::signal::{SignalKind, ctrl_c, shutdown, signal};
use oneloop::{run, run_until_ctrl_c, timeout, workers};

use super::{IN_CHILD, PATIENCE, send};

/// Runs `test`, the body of the test called `name`, in a process in which all threads block
/// `signals` from the start.
fn launched(name: &str, signals: &'static [Signal], test: impl FnOnce() -> Result<()>) {
    if env::var_os(IN_CHILD).is_some() {
        return test().unwrap();
    }
    let mut command = process::Command::new(env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture"]).env(IN_CHILD, "1");
    let block = || {
        let set: SigSet = signals.iter().copied().collect();
        Ok(pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&set), None)?)
    };
    // SAFETY: it makes one system call, in a child with one thread.
    unsafe { command.pre_exec(block) };
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
}

fn is_blocked(signal: Signal) -> bool {
    SigSet::thread_get_mask().unwrap().contains(signal)
}

async fn in_time<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(PATIENCE, future).await?
}

#[test]
fn a_child_is_waited_for_where_its_signal_is_blocked() {
    let name = "launcher::a_child_is_waited_for_where_its_signal_is_blocked";
    launched(name, &[Signal::SIGCHLD], || {
        run(async {
            assert!(is_blocked(Signal::SIGCHLD));
            assert!(in_time(Command::new("true").status()).await?.success());
            assert_eq!(in_time(Command::new("echo").arg("x").output()).await?.stdout, b"x\n");
            // Other code may do the same later.
            let child = Command::shell("sleep 0.02").spawn()?;
            SigSet::from(Signal::SIGCHLD).thread_block()?;
            assert!(in_time(child.wait()).await?.success());
            Result::Ok(())
        })?;
        assert!(is_blocked(Signal::SIGCHLD), "as it was before the run");
        Ok(())
    });
}

#[test]
fn a_signal_that_was_blocked_is_heard() {
    let name = "launcher::a_signal_that_was_blocked_is_heard";
    launched(name, &[Signal::SIGINT, Signal::SIGTERM, Signal::SIGUSR1], || {
        run(async {
            let mut listener = signal(SignalKind::SIGUSR1)?;
            send(Signal::SIGUSR1)?;
            in_time(listener.recv()).await?;
            // The signal comes before any listener, and remains pending until then.
            send(Signal::SIGTERM)?;
            assert_eq!(in_time(shutdown()).await?, SignalKind::SIGTERM);
            send(Signal::SIGINT)?;
            in_time(ctrl_c()).await
        })?;
        assert!(is_blocked(Signal::SIGTERM) && is_blocked(Signal::SIGUSR1), "as before the run");
        Ok(())
    });
}

#[test]
fn what_signals_end_ends_where_they_were_blocked() {
    let name = "launcher::what_signals_end_ends_where_they_were_blocked";
    launched(name, &[Signal::SIGINT, Signal::SIGTERM], || {
        let interrupted = run_until_ctrl_c(async {
            send(Signal::SIGINT)?;
            in_time(pending::<Result<()>>()).await
        });
        assert!(interrupted.is_err());
        let grace = Duration::from_secs(60);
        let stopped = workers(1).grace(grace).run(async |worker| {
            send(Signal::SIGTERM).unwrap();
            timeout(PATIENCE, worker.stopping()).await
        })?;
        assert!(stopped[0].is_ok(), "the worker was asked to stop");
        Ok(())
    });
}

#[test]
fn a_loop_leaves_signals_unblocked_for_the_other_one_of_its_thread() {
    let name = "launcher::a_loop_leaves_signals_unblocked_for_the_other_one_of_its_thread";
    launched(name, &[Signal::SIGUSR1], || {
        let (mut first, mut second) = (oneloop::Runtime::new()?, oneloop::Runtime::new()?);
        let of_first = first.run(async { signal(SignalKind::SIGUSR1) })?;
        let mut of_second = second.run(async { signal(SignalKind::SIGUSR1) })?;
        drop(of_first);
        drop(first);
        second.run(async {
            send(Signal::SIGUSR1)?;
            in_time(of_second.recv()).await
        })?;
        drop(of_second);
        assert!(is_blocked(Signal::SIGUSR1));
        Ok(())
    });
}

#[test]
fn a_child_that_inherits_a_blocked_signal_is_killed_after_the_grace() {
    let name = "launcher::a_child_that_inherits_a_blocked_signal_is_killed_after_the_grace";
    launched(name, &[Signal::SIGTERM], || {
        run(in_time(async {
            let grace = Duration::from_millis(20);
            let child = Command::new("sleep").arg("60").grace(grace).spawn()?;
            let pid = Pid::from_raw(child.id().unwrap().try_into().unwrap());
            let waiting = async move { child.wait().await };
            assert!(timeout(Duration::from_millis(1), waiting).await.is_err());
            assert_eq!(kill(pid, None), Err(Errno::ESRCH), "it has ended, and was reaped");
            Ok(())
        }))
    });
}
