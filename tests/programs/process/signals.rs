//! Signals to children.

use std::io::{ErrorKind, Result};
use std::os::unix::process::ExitStatusExt as _;
use std::rc::Rc;

use nix::libc;
use nix::sys::signal::{Signal, kill};
use oneloop::process::{Command, Stdio};
use oneloop::signal::SignalKind;
use oneloop::{create_task, sleep, timeout};

use super::{MS, PATIENCE, dead, exists, id, line, started};

#[oneloop::test]
async fn kill_and_terminate_end_a_child() -> Result<()> {
    let (child, _) = started("echo ready; exec sleep 60").await?;
    child.kill()?;
    assert_eq!(timeout(PATIENCE, child.wait()).await??.signal(), Some(libc::SIGKILL));
    let (child, _) = started("echo ready; exec sleep 60").await?;
    child.terminate()?;
    assert_eq!(timeout(PATIENCE, child.wait()).await??.signal(), Some(libc::SIGTERM));
    Ok(())
}

#[oneloop::test]
async fn a_child_that_was_just_started_can_be_killed() -> Result<()> {
    for _ in 0..20 {
        let child = Command::new("sleep").arg("60").spawn()?;
        child.kill()?;
        assert_eq!(timeout(PATIENCE, child.wait()).await??.signal(), Some(libc::SIGKILL));
    }
    Ok(())
}

#[oneloop::test]
async fn any_signal_with_a_name_can_be_sent() -> Result<()> {
    let script =
        "trap 'echo hup' HUP; trap 'exit 9' USR1; echo ready; while :; do sleep 0.01; done";
    let (mut child, _) = started(script).await?;
    let stdout = child.stdout.take().unwrap();
    child.send_signal(SignalKind::SIGHUP)?;
    assert_eq!(line(&stdout).await?, "hup");
    child.send_signal(SignalKind::SIGUSR1)?;
    assert_eq!(timeout(PATIENCE, child.wait()).await??.code(), Some(9));
    let error = child.send_signal(SignalKind::from_raw(1000)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().starts_with("cannot send signal 1000: "), "{error}");
    Ok(())
}

#[oneloop::test]
async fn after_the_end_nobody_is_signalled() -> Result<()> {
    let child = Command::new("true").spawn()?;
    assert!(child.wait().await?.success());
    child.kill()?;
    child.terminate()?;
    child.kill_tree()?;
    child.send_signal(SignalKind::SIGUSR1)?;
    assert!(child.wait().await?.success());
    Ok(())
}

#[oneloop::test]
async fn a_signal_races_the_end_and_is_no_error() -> Result<()> {
    let mut codes = [0, 0];
    for round in 0..40 {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn()?;
        let child_stdin = child.stdin.take();
        let child = Rc::new(child);
        let killer = create_task({
            let child = child.clone();
            async move {
                sleep(MS * (round % 3)).await;
                child.kill()
            }
        });
        drop(child_stdin);
        let status = timeout(PATIENCE, child.wait()).await??;
        codes[usize::from(status.success())] += 1;
        killer.await.unwrap()?;
        child.kill()?;
    }
    assert_eq!(codes[0] + codes[1], 40);
    Ok(())
}

#[oneloop::test]
async fn a_stopped_child_holds_up_only_who_waits_for_it() -> Result<()> {
    let (child, _) = started("echo ready; exec sleep 60").await?;
    child.send_signal(SignalKind::SIGSTOP)?;
    // The signal also reaches this process. The loop and other children continue.
    assert!(timeout(10 * MS, child.wait()).await.is_err());
    assert_eq!(child.try_wait()?, None);
    assert!(Command::new("true").status().await?.success());
    child.send_signal(SignalKind::SIGCONT)?;
    assert!(timeout(5 * MS, child.wait()).await.is_err());
    child.kill()?;
    assert_eq!(timeout(PATIENCE, child.wait()).await??.signal(), Some(libc::SIGKILL));
    Ok(())
}

#[oneloop::test]
async fn kill_ends_the_child_alone_and_kill_tree_its_family() -> Result<()> {
    let (child, pid) = started("sleep 60 & echo $!; wait").await?;
    child.kill()?;
    child.wait().await?;
    let pid: u32 = pid.parse().unwrap();
    assert!(exists(pid));
    kill(id(pid), Signal::SIGKILL)?;

    // A child, two grandchildren, one of them in a separate group, and the processes that these
    // have started.
    let script =
        "(sleep 60 & echo $!; wait) & setsid sh -c 'sleep 60 & echo $!; wait' & echo $!; wait";
    let (mut child, first) = started(script).await?;
    let stdout = child.stdout.take().unwrap();
    let family = [first, line(&stdout).await?, line(&stdout).await?];
    child.kill_tree()?;
    assert_eq!(timeout(PATIENCE, child.wait()).await??.signal(), Some(libc::SIGKILL));
    for pid in family {
        dead(pid.parse().unwrap()).await?;
    }
    // No process has the pipe open any more.
    assert_eq!(timeout(PATIENCE, stdout.read(&mut [0])).await??, 0);
    Ok(())
}

#[cfg(target_os = "linux")]
#[oneloop::test]
async fn kill_tree_finds_processes_whatever_their_names_are() -> Result<()> {
    let script =
        r"sh -c 'printf \\377 > /proc/$$/comm; sleep 60 & echo $!; wait'; echo not reached";
    let (child, pid) = started(script).await?;
    child.kill_tree()?;
    dead(pid.parse().unwrap()).await
}

#[oneloop::test]
async fn kill_tree_of_a_group_reaches_orphans_in_it() -> Result<()> {
    // The process in the middle ends, so the link to its grandparent is lost.
    let script = "(sleep 60 & echo $!); exec sleep 60";
    let mut command = Command::shell(script);
    let mut child = command.stdout(Stdio::piped()).process_group(0).spawn()?;
    let stdout = child.stdout.take().unwrap();
    let orphan = line(&stdout).await?;
    child.kill_tree()?;
    assert_eq!(timeout(PATIENCE, child.wait()).await??.signal(), Some(libc::SIGKILL));
    dead(orphan.parse().unwrap()).await?;
    Ok(())
}
