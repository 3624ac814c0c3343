//! Children of several loops, and handles that move to other threads.

use std::io::{Error, Result};
use std::sync::mpsc;
use std::thread;

use oneloop::process::{Command, Stdio};
use oneloop::{Runtime, run, timeout};

use super::{MS, PATIENCE, exists, gone, started};

#[test]
fn loops_on_many_threads_reap_their_own() {
    let family = |code: i32| {
        run(async move {
            let children: Vec<_> = (0..25)
                .map(|_| Command::shell(format!("exit {code}")).spawn())
                .collect::<Result<_>>()?;
            let keeps_running = Command::new("sleep").arg("60").spawn()?;
            for child in &children {
                assert_eq!(timeout(PATIENCE, child.wait()).await??.code(), Some(code));
            }
            keeps_running.kill()?;
            timeout(PATIENCE, keeps_running.wait()).await?.map(drop)
        })
    };
    let threads: Vec<_> = (1..=3).map(|code| thread::spawn(move || family(code))).collect();
    for thread in threads {
        thread.join().unwrap().unwrap();
    }
}

#[oneloop::test]
async fn a_handle_elsewhere_says_where_it_belongs() -> Result<()> {
    let (child, _) = started("echo ready; exec sleep 60").await?;
    let child = thread::spawn(move || {
        let elsewhere = |error: Error| {
            assert!(
                error.to_string().starts_with("this Child belongs to the loop of thread"),
                "{error}"
            );
        };
        elsewhere(child.kill().unwrap_err());
        elsewhere(child.try_wait().unwrap_err());
        elsewhere(child.kill_tree().unwrap_err());
        assert_eq!(child.id(), None);
        run(async { elsewhere(child.wait().await.unwrap_err()) });
        child
    });
    let child = child.join().unwrap();
    child.kill()?;
    assert!(!child.wait().await?.success());
    Ok(())
}

#[oneloop::test]
async fn a_handle_may_be_dropped_anywhere() -> Result<()> {
    let (child, _) = started("echo ready; exec sleep 60").await?;
    let pid = child.id().unwrap();
    thread::spawn(move || drop(child)).join().unwrap();
    gone(pid).await
}

#[test]
fn a_child_lives_between_two_runs() -> Result<()> {
    let mut runtime = Runtime::new()?;
    let mut child = runtime.run(async { Command::new("cat").stdin(Stdio::piped()).spawn() })?;
    let task = runtime.create_task(async { Command::new("true").status().await });
    // Its loop is not running.
    assert!(child.kill().unwrap_err().to_string().contains("that does not run now"));
    drop(child.stdin.take());
    thread::sleep(5 * MS);
    runtime.run(async {
        assert!(timeout(PATIENCE, child.wait()).await??.success());
        assert!(timeout(PATIENCE, task).await?.unwrap()?.success());
        Result::Ok(())
    })?;
    let child = runtime.run(async { Command::new("cat").stdin(Stdio::piped()).spawn() })?;
    let pid = runtime.run(async { child.id().unwrap() });
    drop(child);
    assert!(exists(pid));
    runtime.run(gone(pid))
}

#[test]
fn a_host_turns_a_loop_with_children() -> Result<()> {
    let mut runtime = Runtime::new()?;
    let (sender, receiver) = mpsc::channel();
    let task = runtime.create_task(async move {
        let status = Command::shell("exit 6").status().await;
        sender.send(status).unwrap();
    });
    let status = loop {
        runtime.turn();
        match receiver.try_recv() {
            Ok(status) => break status?,
            Err(_) => thread::sleep(MS),
        }
    };
    assert_eq!(status.code(), Some(6));
    drop(task);
    Ok(())
}
