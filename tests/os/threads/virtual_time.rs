//! Virtual time does not jump while a thread works for the loop.

use std::future::pending;
use std::io::Result;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use oneloop::fs::{self, temp_dir};
use oneloop::testing::advance;
use oneloop::thread::{channel, to_thread};
use oneloop::{Builder, Handle, Turn, create_task, sleep, time, timeout, with_cleanup};

use super::{MS, gate, poll_once, reporting};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

fn real_now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "whether real time passes is what is tested")]
    Instant::now()
}

#[oneloop::test(virtual_time)]
async fn a_timeout_leaves_a_call_its_time() {
    let start = time::now();
    let result = timeout(SECOND, to_thread(|| thread::sleep(20 * MS))).await;
    assert_eq!(result, Ok(()));
    assert_eq!(time::now(), start, "it stood still");
    sleep(HOUR).await;
    assert_eq!(time::now() - start, HOUR, "and goes on");
}

#[oneloop::test(virtual_time)]
async fn many_calls_with_time_limits_have_each_their_time() -> Result<()> {
    let start = real_now();
    let (mut gate, waiting) = gate();
    let other = create_task(to_thread(move || waiting.pass()));
    for _ in 0..20 {
        let begin = real_now();
        let result = timeout(10 * MS, to_thread(|| thread::sleep(MS))).await;
        // On a busy machine the call may take that long.
        assert!(result.is_ok() || begin.elapsed() >= 10 * MS);
    }
    assert!(start.elapsed() >= 20 * MS);
    gate.open();
    other.await?;
    Ok(())
}

#[oneloop::test(virtual_time)]
async fn a_timeout_leaves_files_their_time() -> Result<()> {
    let start = time::now();
    let dir = temp_dir().await?;
    let path = dir.path().join("file");
    for _ in 0..50 {
        timeout(SECOND, fs::write(&path, "text")).await??;
        assert_eq!(timeout(SECOND, fs::read(&path)).await??, b"text");
    }
    timeout(SECOND, dir.close()).await??;
    assert_eq!(time::now(), start);
    Ok(())
}

#[oneloop::test(virtual_time)]
async fn a_call_that_takes_longer_than_it_may_really_does() {
    let (mut gate, waiting) = gate();
    let (start, real_start) = (time::now(), real_now());
    assert!(timeout(20 * MS, to_thread(move || waiting.pass())).await.is_err());
    assert_eq!(time::now() - start, 20 * MS);
    assert!(real_start.elapsed() >= 20 * MS);
    // The call is no longer awaited.
    sleep(HOUR).await;
    gate.open();
}

#[oneloop::test(virtual_time)]
async fn a_call_that_was_taken_back_or_has_ended_holds_nothing_up() {
    let mut ended = to_thread(|| ());
    assert!(poll_once(&mut ended).await.is_pending());
    let mut taken_back = to_thread(|| ());
    assert!(poll_once(&mut taken_back).await.is_pending());
    drop(taken_back);
    // No code has checked whether it has ended.
    sleep(HOUR).await;
    ended.await;
    let panics = create_task(to_thread(|| panic!("boom")));
    assert!(panics.await.is_err());
    sleep(HOUR).await;
}

#[oneloop::test(virtual_time)]
async fn advance_waits_for_no_thread() {
    let (mut gate, waiting) = gate();
    let call = create_task(to_thread(move || waiting.pass()));
    let late = create_task(async { timeout(SECOND, pending::<()>()).await });
    let start = time::now();
    advance(HOUR).await;
    assert_eq!(time::now() - start, HOUR);
    assert!(late.is_finished() && !call.is_finished());
    gate.open();
    call.await.unwrap();
}

#[test]
fn a_cleanup_at_the_end_of_the_loop_has_its_time_too() {
    let (builder, reports) = reporting();
    builder.virtual_time(true).run(async {
        create_task(async {
            let _guard = with_cleanup((), async |()| to_thread(|| thread::sleep(20 * MS)).await);
            pending::<()>().await;
        })
        .detach();
        sleep(SECOND).await;
    });
    assert!(reports.borrow().is_empty(), "{reports:?}");
}

#[test]
fn a_host_is_told_when_to_come_again() -> Result<()> {
    let mut runtime = Builder::new().virtual_time(true).build()?;
    let (mut gate, waiting) = gate();
    let task = runtime.create_task(timeout(HOUR, to_thread(move || waiting.pass())));
    let parked = loop {
        match runtime.turn() {
            Turn::Busy => {}
            Turn::Park(deadline) => break deadline,
        }
    };
    // No loop runs here, so this is the real time.
    let left = parked.expect("there is a timeout").saturating_duration_since(time::now());
    assert!(left > HOUR / 2 && left <= HOUR, "{left:?}");
    gate.open();
    runtime.run(task)?.map_err(Into::into)
}

#[oneloop::test(virtual_time)]
async fn it_stands_still_while_a_thread_is_to_send() {
    let (sender, mut receiver) = channel(1);
    let (go, may_go) = mpsc::channel();
    let (start, real_start) = (time::now(), real_now());
    let thread = thread::spawn(move || {
        may_go.recv().unwrap();
        thread::sleep(20 * MS);
        sender.send(7).unwrap();
    });
    go.send(()).unwrap();
    assert_eq!(timeout(HOUR, receiver.recv()).await, Ok(Some(7)));
    assert_eq!(time::now(), start);
    assert!(real_start.elapsed() >= 20 * MS);
    // No task waits for it any more.
    sleep(HOUR).await;
    thread.join().unwrap();
}

#[oneloop::test(virtual_time)]
async fn it_stands_still_while_a_thread_is_to_make_room() {
    let (sender, mut receiver) = channel(1);
    sender.try_send(1).unwrap();
    let start = time::now();
    let thread = thread::spawn(move || {
        thread::sleep(20 * MS);
        (receiver.recv_blocking(), receiver.recv_blocking())
    });
    assert_eq!(timeout(HOUR, sender.send_async(2)).await, Ok(Ok(())));
    assert_eq!(time::now(), start);
    sleep(HOUR).await;
    assert_eq!(thread.join().unwrap(), (Some(1), Some(2)));
}

#[oneloop::test(virtual_time)]
async fn a_wait_for_a_thread_that_was_given_up_holds_nothing_up() {
    let (_sender, mut receiver) = channel::<()>(1);
    let mut receiving = receiver.recv();
    assert!(poll_once(&mut receiving).await.is_pending());
    drop(receiving);
    sleep(HOUR).await;
}

#[oneloop::test(virtual_time)]
async fn it_stands_still_while_a_task_of_another_loop_is_awaited() {
    let (tell, told) = mpsc::channel();
    let thread = thread::spawn(move || {
        oneloop::run(async {
            let (done, is_done) = channel::<()>(1);
            tell.send((Handle::current(), done)).unwrap();
            let mut is_done = is_done;
            is_done.recv().await;
        });
    });
    let (handle, done) = told.recv().unwrap();
    let start = time::now();
    let remote = handle.create_task_threadsafe(async || sleep(20 * MS).await);
    assert!(timeout(HOUR, remote).await.unwrap().is_ok());
    assert_eq!(time::now(), start);
    sleep(HOUR).await;
    drop(done);
    thread.join().unwrap();
}
