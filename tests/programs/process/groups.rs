//! Children that lead a group, and the fate of its other members.

use std::io::Result;
use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use oneloop::process::{Child, ChildStdout, Command, Stdio};
use oneloop::time::now;
use oneloop::{Builder, create_task, run, select, timeout};

use super::{MS, PATIENCE, dead, exists, gone, id, is_alive, line};

/// The child ends when asked to. A member of its group does not, but does not outlive the test
/// process.
const STUBBORN: &str =
    r#"sh -c "trap '' TERM; echo \$\$; while kill -0 $PPID; do sleep 0.01; done" & sleep 60; true"#;
/// The same, with a member that takes its time after the request.
const POLITE: &str = r#"
    sh -c "trap 'echo asked; sleep 0.02; echo done; exit' TERM; echo \$\$; while kill -0 $PPID; do sleep 0.005; done" &
    sleep 60; true"#;
/// The child ends at once, and leaves a member of its group.
const LEFT: &str = "sleep 60 & echo $!";

/// A child that leads a group, and the member whose process id it prints.
async fn leader(script: &str, grace: Duration) -> Result<(Child, ChildStdout, u32)> {
    let mut command = Command::shell(script);
    // The shell reports ended jobs there.
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.process_group(0).grace(grace).spawn()?;
    let stdout = child.stdout.take().unwrap();
    let member = line(&stdout).await?.parse().unwrap();
    Ok((child, stdout, member))
}

async fn dropped(child: Child) -> Result<()> {
    let task = create_task(async move { drop(child) });
    timeout(PATIENCE, task).await?.unwrap();
    Ok(())
}

#[oneloop::test]
async fn what_is_left_of_a_group_is_killed_after_the_grace() -> Result<()> {
    let (child, _, member) = leader(STUBBORN, 30 * MS).await?;
    let (pid, start) = (child.id().unwrap(), now());
    dropped(child).await?;
    assert!(now() - start >= 30 * MS);
    assert!(!exists(pid));
    dead(member).await
}

#[oneloop::test(virtual_time)]
async fn virtual_time_leaves_a_group_its_grace() -> Result<()> {
    let mut command = Command::shell(POLITE);
    let mut child = command.stdout(Stdio::piped()).process_group(0).grace(PATIENCE).spawn()?;
    let stdout = child.stdout.take().unwrap();
    // The clock does not jump while a child is waited for.
    let member: u32 = select! {
        member = line(&stdout) => member?.parse().unwrap(),
        ended = child.wait() => unreachable!("{ended:?}"),
    };
    dropped(child).await?;
    assert!(!is_alive(member));
    assert_eq!([line(&stdout).await?, line(&stdout).await?], ["asked", "done"]);
    Ok(())
}

#[oneloop::test]
async fn members_that_end_by_themselves_are_waited_for() -> Result<()> {
    let (child, stdout, member) = leader(POLITE, PATIENCE).await?;
    let start = now();
    dropped(child).await?;
    assert!(!is_alive(member));
    assert!(now() - start < PATIENCE / 4);
    assert_eq!([line(&stdout).await?, line(&stdout).await?], ["asked", "done"]);
    Ok(())
}

#[oneloop::test]
async fn without_grace_a_group_is_killed_at_once() -> Result<()> {
    let (child, _, member) = leader(STUBBORN, Duration::ZERO).await?;
    dropped(child).await?;
    dead(member).await
}

#[test]
fn a_cleanup_that_is_cut_off_kills_what_is_left_of_the_group() -> Result<()> {
    let mut runtime = Builder::new().cleanup_timeout(5 * MS).on_unhandled(|_| {}).build()?;
    runtime.run(async {
        let (child, _, member) = leader(STUBBORN, PATIENCE).await?;
        let start = now();
        create_task(async move { drop(child) }).await.unwrap();
        dead(member).await?;
        assert!(now() - start < PATIENCE / 4);
        Ok(())
    })
}

#[oneloop::test]
async fn a_group_is_ended_whose_leader_has_ended_unheard() -> Result<()> {
    let (child, _, member) = leader(LEFT, PATIENCE).await?;
    let pid = child.id().unwrap();
    dead(pid).await?;
    dropped(child).await?;
    assert!(!exists(pid) && !is_alive(member));
    // For example a child whose output another process holds open.
    let mut command = Command::shell("sleep 60 & echo $! >&2; echo $!");
    let output = command.stderr(Stdio::piped()).process_group(0).output();
    assert!(timeout(20 * MS, output).await.is_err());
    Ok(())
}

#[oneloop::test]
async fn who_was_told_of_the_end_of_a_leader_leaves_the_others() -> Result<()> {
    for asks in [false, true] {
        let (child, _, member) = leader(LEFT, PATIENCE).await?;
        let pid = child.id().unwrap();
        if asks {
            dead(pid).await?;
            assert!(child.try_wait()?.unwrap().success());
        } else {
            assert!(timeout(PATIENCE, child.wait()).await??.success());
        }
        dropped(child).await?;
        assert!(!exists(pid) && is_alive(member));
        kill(id(member), Signal::SIGKILL)?;
    }
    Ok(())
}

#[oneloop::test]
async fn a_group_goes_on_if_it_is_to() -> Result<()> {
    let (child, _, member) = leader(LEFT, PATIENCE).await?;
    let pid = child.id().unwrap();
    child.detach();
    gone(pid).await?;
    assert!(is_alive(member));
    Ok(kill(id(member), Signal::SIGKILL)?)
}

#[test]
fn a_group_whose_handle_outlives_the_loop_is_killed() -> Result<()> {
    let (running, _, member) = run(leader(STUBBORN, PATIENCE))?;
    let (ended, _, left) = run(async {
        let led = leader(LEFT, PATIENCE).await?;
        dead(led.0.id().unwrap()).await?;
        Result::Ok(led)
    })?;
    run(async { timeout(PATIENCE, async { dead(member).await.and(dead(left).await) }).await? })?;
    drop((running, ended));
    Ok(())
}

#[oneloop::test]
async fn a_tree_is_killed_after_the_end_of_its_leader() -> Result<()> {
    // The member has a child in a separate session.
    let script = "(setsid sleep 60 & echo $!; wait) & echo $!";
    let (child, stdout, first) = leader(script, PATIENCE).await?;
    let second = line(&stdout).await?.parse().unwrap();
    assert!(timeout(PATIENCE, child.wait()).await??.success());
    assert_eq!(child.id(), None);
    assert!(is_alive(first) && is_alive(second));
    child.kill_tree()?;
    dead(first).await?;
    dead(second).await?;
    // No process remains.
    child.kill_tree()?;
    child.terminate_tree()?;
    assert!(timeout(PATIENCE, child.wait()).await??.success());
    Ok(())
}

#[oneloop::test]
async fn a_tree_is_asked_to_end() -> Result<()> {
    let member = r#"sh -c "trap 'echo asked; exit' TERM; echo \$\$; while kill -0 $PPID; do sleep 0.005; done""#;
    for leads in [false, true] {
        let script = format!("setsid {member} & wait");
        let mut command = Command::shell(&script);
        if leads {
            command.process_group(0);
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let stdout = child.stdout.take().unwrap();
        let member = line(&stdout).await?.parse().unwrap();
        child.terminate_tree()?;
        assert!(!timeout(PATIENCE, child.wait()).await??.success());
        assert_eq!(line(&stdout).await?, "asked");
        dead(member).await?;
    }
    Ok(())
}

#[oneloop::test]
async fn a_group_without_its_leader_is_asked_to_end() -> Result<()> {
    let (child, _, member) = leader(LEFT, PATIENCE).await?;
    child.wait().await?;
    child.terminate_tree()?;
    dead(member).await
}

#[oneloop::test]
async fn a_group_whose_number_may_be_anothers_is_an_error() -> Result<()> {
    let (child, _, member) = leader(LEFT, PATIENCE).await?;
    let pid = child.id().unwrap();
    assert!(timeout(PATIENCE, child.wait()).await??.success());
    waitpid(id(pid), None)?;
    let error = child.kill_tree().unwrap_err();
    let message = format!("process {pid} has ended and was reaped: ");
    assert!(error.to_string().starts_with(&message), "{error}");
    assert!(child.terminate_tree().is_err());
    assert!(child.wait().await?.success());
    dropped(child).await?;
    assert!(is_alive(member));
    Ok(kill(id(member), Signal::SIGKILL)?)
}

#[oneloop::test]
async fn leaders_that_have_ended_hide_no_other_child() -> Result<()> {
    let mut sleep = Command::new("sleep");
    let _others: Vec<_> = (0..8).map(|_| sleep.arg("60").spawn()).collect::<Result<_>>()?;
    let mut command = Command::new("true");
    let leads = command.process_group(0);
    let leaders: Vec<_> = (0..3).map(|_| leads.spawn()).collect::<Result<_>>()?;
    for leader in &leaders {
        assert!(timeout(PATIENCE, leader.wait()).await??.success());
    }
    for _ in 0..3 {
        assert!(timeout(PATIENCE, Command::new("true").status()).await??.success());
    }
    Ok(())
}

#[oneloop::test]
async fn how_a_leader_ended_is_told_as_for_any_child() -> Result<()> {
    // The last of these signals has no name.
    for (code, signal) in [(Some(7), None), (None, Some(libc::SIGTERM)), (None, Some(40))] {
        let script = match signal {
            Some(signal) => format!("kill -{signal} $$"),
            None => "exit 7".to_owned(),
        };
        let status = timeout(PATIENCE, Command::shell(script).process_group(0).status()).await??;
        assert_eq!((status.code(), status.signal()), (code, signal));
    }
    Ok(())
}
