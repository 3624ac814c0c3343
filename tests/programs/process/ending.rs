//! The end of a child that is not awaited.

use std::cell::Cell;
use std::future::pending;
use std::io::{Error, Result};
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;
use std::{env, fs, process};

use nix::sys::signal::{Signal, kill};

use oneloop::process::{Child, Command, Stdio};
use oneloop::signal::SignalKind;
use oneloop::time::now;
use oneloop::{Builder, create_task, run, select, sleep, task_group, timeout};

use super::{MS, PATIENCE, dead, exists, gone, id, line, started};

const LONG: &str = "echo $$; exec sleep 60";
/// Reports the request to end, and then ends. It does not outlive the test process.
const POLITE: &str =
    "trap 'echo asked; exit 0' TERM; echo $$; while kill -0 $PPID; do sleep 0.005; done";
/// Ignores the request to end, but ends with the test process.
const STUBBORN: &str = "trap '' TERM; echo $$; while kill -0 $PPID; do sleep 0.01; done";

async fn spawned(
    script: &str,
    set: impl FnOnce(&mut Command) -> &mut Command,
) -> Result<(Child, u32)> {
    let mut command = Command::shell(script);
    let mut child = set(command.stdout(Stdio::piped())).spawn()?;
    let stdout = child.stdout.take().unwrap();
    let pid = line(&stdout).await?.parse().unwrap();
    child.stdout = Some(stdout);
    Ok((child, pid))
}

#[oneloop::test]
async fn a_child_that_is_dropped_is_asked_to_end_and_waited_for() -> Result<()> {
    let (mut child, pid) = spawned(POLITE, |command| command).await?;
    let stdout = child.stdout.take().unwrap();
    let task = create_task(async move { drop(child) });
    timeout(PATIENCE, task).await?.unwrap();
    assert!(!exists(pid));
    assert_eq!(line(&stdout).await?, "asked");
    Ok(())
}

#[oneloop::test]
async fn a_child_that_does_not_end_is_killed_after_the_grace() -> Result<()> {
    let (child, pid) = spawned(STUBBORN, |command| command.grace(30 * MS)).await?;
    let start = now();
    let task = create_task(async move { drop(child) });
    timeout(PATIENCE, task).await?.unwrap();
    assert!(!exists(pid));
    assert!(now() - start >= 30 * MS);
    Ok(())
}

#[oneloop::test]
async fn without_grace_a_child_is_killed_at_once() -> Result<()> {
    let (child, pid) = spawned(STUBBORN, |command| command.grace(Duration::ZERO)).await?;
    let task = create_task(async move { drop(child) });
    timeout(PATIENCE, task).await?.unwrap();
    assert!(!exists(pid));
    Ok(())
}

#[oneloop::test]
async fn a_stopped_child_ends_within_its_grace() -> Result<()> {
    let (child, pid) = spawned(LONG, |command| command.grace(PATIENCE)).await?;
    child.send_signal(SignalKind::SIGSTOP)?;
    while !fs::read_to_string(format!("/proc/{pid}/stat"))?.contains(") T ") {
        sleep(MS).await;
    }
    let start = now();
    let task = create_task(async move { drop(child) });
    timeout(PATIENCE, task).await?.unwrap();
    assert!(!exists(pid) && now() - start < PATIENCE / 4);
    Ok(())
}

#[oneloop::test]
async fn a_group_is_ended_together() -> Result<()> {
    let script = "sleep 60 & echo $!; wait";
    let (child, pid) = spawned(script, |command| command.process_group(0)).await?;
    let task = create_task(async move { drop(child) });
    timeout(PATIENCE, task).await?.unwrap();
    dead(pid).await
}

#[oneloop::test]
async fn output_and_status_end_their_child_when_they_are_dropped() -> Result<()> {
    let path = env::temp_dir().join(format!("oneloop-ending-{}", process::id()));
    let script = format!("echo $$ > {0}.new; mv {0}.new {0}; exec sleep 60", path.display());
    for gives_output in [true, false] {
        let mut command = Command::shell(&script);
        let runs = async {
            if gives_output {
                command.output().await.map(drop)
            } else {
                command.status().await.map(drop)
            }
        };
        let pid = async {
            loop {
                match fs::read_to_string(&path) {
                    Ok(pid) => return pid.trim().parse().unwrap(),
                    Err(_) => sleep(MS).await,
                }
            }
        };
        let pid: u32 = select! {
            pid = pid => pid,
            ended = runs => unreachable!("{ended:?}"),
        };
        fs::remove_file(&path)?;
        // The wait is a cleanup of this task, which continues meanwhile.
        gone(pid).await?;
    }
    Ok(())
}

#[oneloop::test]
async fn who_sets_a_time_limit_gets_on_when_the_child_has_gone() -> Result<()> {
    let (child, pid) = spawned(LONG, |command| command).await?;
    let limited = timeout(MS, async move { child.wait_with_output().await });
    assert!(limited.await.is_err());
    assert!(!exists(pid));
    Ok(())
}

#[oneloop::test]
async fn a_group_and_a_cancelled_task_wait_for_their_children() -> Result<()> {
    let (child, pid) = spawned(LONG, |command| command).await?;
    let failed = task_group(async |group| -> Result<()> {
        group.create_task(async move { child.wait().await });
        sleep(MS).await;
        Err(Error::other("stop"))
    });
    assert_eq!(failed.await.unwrap_err().into_first().to_string(), "stop");
    assert!(!exists(pid));

    let (child, pid) = spawned(LONG, |command| command).await?;
    let task = create_task(async move { child.wait().await });
    sleep(MS).await;
    task.cancel();
    assert!(task.await.unwrap_err().is_cancelled());
    assert!(!exists(pid));
    Ok(())
}

#[oneloop::test]
async fn a_cancel_is_safe_in_each_phase() -> Result<()> {
    for rounds in 0..12 {
        let task = create_task(async {
            let mut child = Command::new("cat").stdin(Stdio::piped()).spawn()?;
            let pid = child.id().unwrap();
            fs::metadata(format!("/proc/{pid}"))?;
            let stdin = child.stdin.take().unwrap();
            oneloop::yield_now().await;
            stdin.write_all(b"x").await?;
            oneloop::yield_now().await;
            drop(stdin);
            child.wait().await
        });
        for _ in 0..rounds {
            oneloop::yield_now().await;
        }
        task.cancel();
        match timeout(PATIENCE, task).await? {
            Ok(status) => assert!(status?.success()),
            Err(error) => assert!(error.is_cancelled()),
        }
    }
    Ok(())
}

#[test]
fn the_end_of_the_loop_waits_for_the_children_of_its_tasks() -> Result<()> {
    let (sender, receiver) = mpsc::channel();
    run(async move {
        let (child, pid) = spawned(POLITE, |command| command).await?;
        sender.send(pid).unwrap();
        let waits = async move {
            let _child = child;
            pending::<()>().await;
        };
        create_task(waits).detach();
        let (in_main, pid) = spawned(LONG, |command| command).await?;
        sender.send(pid).unwrap();
        drop(in_main);
        Result::Ok(())
    })?;
    for pid in receiver {
        assert!(!exists(pid));
    }
    Ok(())
}

#[test]
fn a_cleanup_that_is_cut_off_kills_its_child() -> Result<()> {
    let reported = Rc::new(Cell::new(0));
    let count = reported.clone();
    let mut runtime = Builder::new()
        .cleanup_timeout(5 * MS)
        .on_unhandled(move |unhandled| {
            assert!(unhandled.is_cleanup());
            count.set(count.get() + 1);
        })
        .build()?;
    let pid = runtime.run(async {
        let (child, pid) = spawned(STUBBORN, |command| command.grace(PATIENCE)).await?;
        drop(child);
        Result::Ok(pid)
    })?;
    // The loop keeps reaping.
    runtime.run(gone(pid))?;
    assert_eq!(reported.get(), 1);
    Ok(())
}

#[test]
fn a_child_whose_handle_outlives_the_loop_is_killed() -> Result<()> {
    let (child, pid) = run(spawned(STUBBORN, |command| command))?;
    // The next loop with children reaps it.
    run(async {
        assert!(Command::new("true").status().await?.success());
        gone(pid).await
    })?;
    let error = run(async { child.try_wait() }).unwrap_err();
    assert!(error.to_string().starts_with("the event loop of this Child has ended"), "{error}");
    assert_eq!(child.id(), None);
    drop(child);
    Ok(())
}

#[oneloop::test]
async fn a_child_goes_on_if_it_is_to() -> Result<()> {
    let (child, first) = spawned(LONG, |command| command.kill_on_drop(false)).await?;
    drop(child);
    let (child, second) = spawned(LONG, |command| command).await?;
    child.detach();
    sleep(5 * MS).await;
    for pid in [first, second] {
        assert!(exists(pid));
        kill(id(pid), Signal::SIGKILL)?;
        // The child is reaped, too.
        gone(pid).await?;
    }
    Ok(())
}

#[test]
fn a_child_that_goes_on_after_its_loop_is_reaped_by_another() -> Result<()> {
    let pid = run(async {
        let (child, pid) = spawned("echo $$; sleep 0.01", |command| command).await?;
        child.detach();
        Result::Ok(pid)
    })?;
    run(async {
        Command::new("true").status().await?;
        gone(pid).await
    })
}

#[oneloop::test]
async fn a_child_that_has_ended_is_not_waited_for() -> Result<()> {
    let (child, _) = started("echo ready").await?;
    child.wait().await?;
    let start = now();
    timeout(PATIENCE, async move { drop(child) }).await?;
    assert!(now() - start < PATIENCE);
    Ok(())
}
