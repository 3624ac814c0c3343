//! Waiting for the end of children.

use std::future::pending;
use std::io::Result;
use std::panic;
use std::pin::pin;
use std::process;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};

use futures::FutureExt as _;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid, waitpid};
use oneloop::process::{Command, Stdio};
use oneloop::{Builder, create_task, sleep, time, timeout, yield_now};

use super::{MS, PATIENCE, exists, id, started};

#[oneloop::test]
async fn any_number_may_wait_and_all_are_told() -> Result<()> {
    let mut child = Command::shell("read line; exit 5").stdin(Stdio::piped()).spawn()?;
    let stdin = child.stdin.take();
    let child = Rc::new(child);
    let waiters: Vec<_> = (0..100)
        .map(|_| {
            let child = child.clone();
            create_task(async move { child.wait().await })
        })
        .collect();
    yield_now().await;
    // Some waiters give up earlier.
    for waiter in waiters.iter().step_by(7) {
        waiter.cancel();
    }
    sleep(MS).await;
    assert_eq!(child.try_wait()?, None);
    drop(stdin);
    for (index, waiter) in waiters.into_iter().enumerate() {
        match timeout(PATIENCE, waiter).await? {
            Ok(status) => assert_eq!(status?.code(), Some(5)),
            Err(error) => assert!(error.is_cancelled() && index % 7 == 0),
        }
    }
    // Later waiters are ready at once too.
    assert_eq!(child.wait().now_or_never().unwrap()?.code(), Some(5));
    assert_eq!(child.try_wait()?.unwrap().code(), Some(5));
    assert_eq!(child.id(), None);
    Ok(())
}

#[oneloop::test]
async fn a_grandchild_that_holds_the_pipes_does_not_hold_up_wait() -> Result<()> {
    let (mut child, pid) = started("sleep 60 & echo $!").await?;
    assert!(timeout(PATIENCE, child.wait()).await??.success());
    // But the output has not ended.
    assert!(timeout(5 * MS, child.communicate("")).await.is_err());
    let pid: u32 = pid.parse().unwrap();
    assert!(exists(pid));
    kill(id(pid), Signal::SIGKILL)?;
    assert!(timeout(PATIENCE, child.communicate("")).await??.status.success());
    Ok(())
}

#[oneloop::test]
async fn a_child_that_has_ended_before_anybody_asks_is_known() -> Result<()> {
    let child = Command::shell("exit 3").spawn()?;
    let pid = id(child.id().unwrap());
    // Blocks the loop until the child has ended, and does not reap it.
    let ended = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
    waitid(Id::Pid(pid), ended)?;
    assert_eq!(child.wait().now_or_never().unwrap()?.code(), Some(3));
    let child = Command::shell("exit 4").spawn()?;
    let pid = id(child.id().unwrap());
    waitid(Id::Pid(pid), ended)?;
    assert_eq!(child.try_wait()?.unwrap().code(), Some(4));
    assert!(!exists(pid.as_raw().try_into().unwrap()));
    Ok(())
}

#[oneloop::test]
async fn a_child_is_reaped_while_nobody_waits() -> Result<()> {
    let child = Command::new("true").spawn()?;
    let pid = child.id().unwrap();
    while exists(pid) {
        sleep(MS).await;
    }
    assert!(child.wait().await?.success());
    Ok(())
}

#[oneloop::test]
async fn a_child_that_other_code_has_reaped_is_an_error_and_no_hang() -> Result<()> {
    // With few children the loop checks each one; with many it asks the kernel.
    for others in [0, 10] {
        let mut sleep = Command::new("sleep");
        let others: Vec<_> = (0..others).map(|_| sleep.arg("60").spawn()).collect::<Result<_>>()?;
        let child = Command::shell("exit 3").spawn()?;
        let pid = child.id().unwrap();
        let waiter = child.wait();
        waitpid(id(pid), None)?;
        let error = timeout(PATIENCE, waiter).await?.unwrap_err();
        let message = format!("process {pid} was reaped by other code of this program");
        assert!(error.to_string().starts_with(&message), "{error}");
        assert_eq!(child.wait().await.unwrap_err().to_string(), error.to_string());
        assert!(child.try_wait().is_err());
        assert_eq!(child.id(), None);
        child.kill()?;
        // This holds even before anything has asked. The process id may belong to another process.
        let child = Command::new("true").spawn()?;
        waitpid(id(child.id().unwrap()), None)?;
        child.kill()?;
        assert_eq!(child.id(), None);
        drop(others);
    }
    Ok(())
}

#[oneloop::test]
async fn children_of_others_are_left_to_them() -> Result<()> {
    let theirs: Vec<_> =
        (0..20).map(|_| process::Command::new("true").spawn()).collect::<Result<_>>()?;
    for count in [1, 20] {
        let ours: Vec<_> =
            (0..count).map(|_| Command::new("true").spawn()).collect::<Result<_>>()?;
        for child in &ours {
            assert!(timeout(PATIENCE, child.wait()).await??.success());
        }
    }
    for mut child in theirs {
        assert!(child.wait()?.success());
    }
    Ok(())
}

#[oneloop::test]
async fn who_waits_no_longer_is_forgotten() -> Result<()> {
    let child = Command::new("cat").stdin(Stdio::piped()).spawn()?;
    let woken = Arc::new(Count::default());
    let waker = Waker::from(woken.clone());
    let mut first = pin!(child.wait());
    {
        let second = pin!(child.wait());
        for waits in [first.as_mut(), second] {
            assert!(waits.poll(&mut Context::from_waker(&waker)).is_pending());
        }
        assert_eq!(Arc::strong_count(&woken), 4);
    }
    assert_eq!(Arc::strong_count(&woken), 3);
    child.kill()?;
    assert!(!timeout(PATIENCE, child.wait()).await??.success());
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    assert!(first.poll(&mut Context::from_waker(&waker)).is_ready());
    drop(waker);
    assert_eq!(Arc::strong_count(&woken), 1);
    Ok(())
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[oneloop::test]
async fn a_time_limit_leaves_the_child_alone() -> Result<()> {
    let (child, _) = started("echo ready; exec sleep 60").await?;
    assert!(timeout(MS, child.wait()).await.is_err());
    assert_eq!(child.try_wait()?, None);
    child.kill()?;
    assert!(!timeout(PATIENCE, child.wait()).await??.success());
    Ok(())
}

#[oneloop::test(virtual_time)]
async fn virtual_time_leaves_a_child_its_time() -> Result<()> {
    let start = time::now();
    let mut sleeps = Command::new("sleep");
    assert!(timeout(PATIENCE, sleeps.arg("0.02").status()).await??.success());
    let output = timeout(PATIENCE, Command::shell("sleep 0.02; echo said").output()).await??;
    assert_eq!(output.stdout, b"said\n");
    assert_eq!(time::now(), start);
    Ok(())
}

#[oneloop::test(virtual_time)]
async fn virtual_time_stands_still_while_the_pipe_of_a_child_is_read() -> Result<()> {
    let mut command = Command::new("sh");
    command.args(["-c", "sleep 0.02; echo done; cat"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let start = time::now();
    let mut buf = [0; 5];
    timeout(PATIENCE, stdout.read_exact(&mut buf)).await??;
    assert_eq!((&buf, time::now()), (b"done\n", start));
    // No task waits for it any more.
    sleep(PATIENCE).await;
    drop(stdin);
    assert!(child.wait().await?.success());
    Ok(())
}

#[oneloop::test(virtual_time)]
async fn virtual_time_stands_still_while_the_shared_pipe_of_a_child_is_read() -> Result<()> {
    let mut command = Command::new("sh");
    command.args(["-c", "sleep 0.02; echo done >&2"]).stdout(Stdio::piped());
    let mut child = command.stderr_to_stdout().spawn()?;
    let (stdout, start) = (child.stdout.take().unwrap(), time::now());
    let mut buf = [0; 5];
    timeout(PATIENCE, stdout.read_exact(&mut buf)).await??;
    assert_eq!((&buf, time::now()), (b"done\n", start));
    assert!(child.wait().await?.success());
    Ok(())
}

#[test]
fn a_main_that_hangs_after_its_children_have_ended_fails() {
    let hang = || {
        Builder::new().virtual_time(true).run(async {
            assert!(Command::new("true").status().await.unwrap().success());
            pending::<()>().await;
        });
    };
    let payload = panic::catch_unwind(hang).unwrap_err();
    assert!(payload.downcast::<String>().unwrap().contains("every task waits"));
}
