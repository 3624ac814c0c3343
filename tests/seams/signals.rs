//! Ctrl-C while workers, or a single loop, run servers with children and threads. Each test is a
//! separate process.

use std::env;
use std::fs::File;
use std::io::Result;
use std::iter::repeat_with;
use std::panic::catch_unwind;
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::getpid;
use oneloop::io::{StreamReader, StreamWriter};
use oneloop::process::{Child, Command, Stdio};
use oneloop::thread::to_thread;
use oneloop::time::now;
use oneloop::{Server, open_connection, run_until_ctrl_c, with_cleanup, workers};

use super::{BOUND, Belongings, alone, settled};

const IN_CHILD: &str = "ONELOOP_TEST_IN_CHILD";

/// Runs `test`, the body of the test called `name`, in a separate process, which can have few
/// descriptors.
fn in_child(name: &str, test: impl FnOnce() -> Result<()>) -> Result<()> {
    if env::var_os(IN_CHILD).is_some() {
        return test();
    }
    let mut command = process::Command::new("sh");
    command.args(["-c", r#"ulimit -n 100; exec "$0" "$@""#]).arg(env::current_exe()?);
    command.args(["--exact", name, "--nocapture"]).env(IN_CHILD, "1");
    let output = command.output()?;
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{}\n{}\n{}", output.status, said[0], said[1]);
    assert!(said[0].contains("1 passed"), "{}", said[0]);
    Ok(())
}

/// A program that runs until it is asked to end, and that has begun. It does not outlive this
/// process.
async fn program() -> Result<Child> {
    let script = "trap 'exit 0' TERM; echo begun; while kill -0 $PPID; do sleep 0.01; done";
    let mut command = Command::shell(script);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut said = StreamReader::new(child.stdout.take().expect("it is piped"));
    assert_eq!(said.readline().await?, b"begun\n");
    Ok(child)
}

static READY: AtomicUsize = AtomicUsize::new(0);
static CLEANED: AtomicUsize = AtomicUsize::new(0);
static CALLED: AtomicUsize = AtomicUsize::new(0);

/// Presses Ctrl-C when `count` handlers wait for their programs.
fn press_when_ready(count: usize) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        while READY.load(Ordering::Acquire) < count {
            thread::yield_now();
        }
        kill(getpid(), Signal::SIGINT).expect("we may");
    })
}

/// A server with one client, whose handler has a program, a thread and a cleanup. It would never
/// end.
async fn serve() -> Result<()> {
    let handler = async |mut reader: StreamReader, mut writer: StreamWriter| {
        let _cleanup = with_cleanup((), async |()| {
            to_thread(|| CALLED.fetch_add(1, Ordering::Relaxed)).await;
            CLEANED.fetch_add(1, Ordering::Relaxed);
        });
        let _child = program().await?;
        writer.write("begun\n");
        reader.read_to_end().await.map(drop)
    };
    let server = Server::builder().start(handler, "127.0.0.1:0").await?;
    let (mut reader, _writer) = open_connection(server.local_addrs()[0]).await?;
    assert_eq!(reader.readline().await?, b"begun\n");
    READY.fetch_add(1, Ordering::Release);
    server.serve_forever().await
}

#[test]
fn ctrl_c_ends_workers_with_their_children() -> Result<()> {
    let _alone = alone();
    in_child("signals::ctrl_c_ends_workers_with_their_children", || {
        let before = Belongings::now();
        let pressing = press_when_ready(2);
        let begin = now();
        let ends = workers(2).grace(Duration::ZERO).run(async |_worker| serve().await);
        // Other tests check whether the workers themselves count as interrupted.
        drop(ends);
        pressing.join().expect("no panic");
        assert!(begin.elapsed() < BOUND);
        assert_eq!(CLEANED.load(Ordering::Relaxed), 2);
        assert_eq!(CALLED.load(Ordering::Relaxed), 2);
        let belongings = |of: &Belongings| (of.children.clone(), of.threads);
        let after = settled(|now| belongings(now) == belongings(&before));
        assert_eq!(belongings(&after), belongings(&before));
        Ok(())
    })
}

#[test]
fn ctrl_c_ends_a_loop_with_its_children() -> Result<()> {
    let _alone = alone();
    in_child("signals::ctrl_c_ends_a_loop_with_its_children", || {
        let before = Belongings::now();
        let pressing = press_when_ready(1);
        let begin = now();
        assert!(run_until_ctrl_c(serve()).is_err());
        pressing.join().expect("no panic");
        assert!(begin.elapsed() < BOUND);
        assert_eq!((CLEANED.load(Ordering::Relaxed), CALLED.load(Ordering::Relaxed)), (1, 1));
        let belongings = |of: &Belongings| (of.children.clone(), of.threads);
        let after = settled(|now| belongings(now) == belongings(&before));
        assert_eq!(belongings(&after), belongings(&before));
        Ok(())
    })
}

#[test]
fn without_descriptors_ctrl_c_cannot_be_listened_for() -> Result<()> {
    let _alone = alone();
    in_child("signals::without_descriptors_ctrl_c_cannot_be_listened_for", || {
        let open = || File::open("/dev/null");
        let hoard: Vec<File> = repeat_with(open).map_while(Result::ok).collect();
        let payload = catch_unwind(|| run_until_ctrl_c(async {})).expect_err("it panics");
        let message = payload.downcast_ref::<String>().map_or("no text", String::as_str);
        assert!(message.starts_with("cannot listen for Ctrl-C: "), "{message}");
        assert!(message.contains("open files"), "{message}");
        drop(hoard);
        assert_eq!(run_until_ctrl_c(async { 7 }).ok(), Some(7));
        Ok(())
    })
}
