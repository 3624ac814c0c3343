//! Several modules together: servers whose handlers use files, threads and children, the end of a
//! loop while all of these are at work, and foreign peers such as netcat, socat and shell
//! pipelines.
//!
//! This is a binary of its own and runs one test at a time, because each test counts the
//! descriptors and threads of the process before and after.
#![cfg(all(feature = "fs", feature = "process", feature = "workers", target_os = "linux"))]
#![expect(clippy::print_stderr, reason = "a test that did not run must not look as if it had")]

mod ending;
mod peers;
mod proxy;
mod signals;

use std::cell::RefCell;
use std::env;
use std::fs;
use std::io::{self, Result};
use std::net;
use std::path::PathBuf;
use std::process;
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use oneloop::process::Command;
use oneloop::thread::to_thread;
use oneloop::time::now;
use oneloop::{Builder, Server, all_tasks, timeout, yield_now};

/// Much longer than any test here takes.
const LIMIT: Duration = Duration::from_secs(60);
/// Shorter than the waits that are cut off, and longer than a busy machine takes.
const BOUND: Duration = Duration::from_secs(10);
const ANY_PORT: &str = "127.0.0.1:0";

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Resources of a process, which must not remain.
#[derive(Debug, PartialEq)]
struct Belongings {
    descriptors: usize,
    threads: usize,
    children: Vec<String>,
}

impl Belongings {
    fn now() -> Self {
        let entries = |path: &str| fs::read_dir(path).expect("this is Linux").flatten();
        let own = process::id().to_string();
        let is_ours = |stat: &String| {
            let after_name = stat.rsplit_once(") ").map(|(_, after)| after);
            after_name.and_then(|after| after.split(' ').nth(1)) == Some(&own)
        };
        let stats =
            entries("/proc").filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
        // The others belong to the tests themselves.
        let is_of_a_loop = |entry: &fs::DirEntry| {
            let name = fs::read_to_string(entry.path().join("comm"));
            name.is_ok_and(|name| name.starts_with("oneloop"))
        };
        Self {
            descriptors: entries("/proc/self/fd").count(),
            threads: entries("/proc/self/task").filter(is_of_a_loop).count(),
            children: stats.filter(is_ours).collect(),
        }
    }
}

/// Runs `test` on a new loop, and asserts that nothing of it remains: no descriptor, no thread, no
/// child, no file of the test's. Returns the unhandled reports.
fn leaves_nothing_with<T>(
    builder: Builder,
    test: impl Future<Output = Result<T>>,
) -> Result<(T, Vec<String>)> {
    // Things that a process makes once, with its first child and its first thread.
    oneloop::run(async {
        to_thread(|| ()).await;
        Command::new("true").status().await.map(drop)
    })?;
    let before = settled(|now| now.threads == 0 && now.children.is_empty());
    let reports = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&reports);
    let builder = builder.on_unhandled(move |report| log.borrow_mut().push(report.to_string()));
    let output = builder.run(timeout(LIMIT, test))??;
    let after = settled(|now| *now == before);
    assert_eq!(after, before, "the reports are {:?}", reports.borrow());
    Ok((output, reports.take()))
}

/// Like [`leaves_nothing_with`], with the usual options. Nothing may be reported.
fn leaves_nothing<T>(test: impl Future<Output = Result<T>>) -> Result<T> {
    let (output, reports) = leaves_nothing_with(Builder::new(), test)?;
    assert!(reports.is_empty(), "{reports:?}");
    Ok(output)
}

/// The kernel takes a moment to remove a thread from its list after it was joined or has ended by
/// itself.
fn settled(is_settled: impl Fn(&Belongings) -> bool) -> Belongings {
    let begin = now();
    loop {
        let now = Belongings::now();
        if is_settled(&now) || begin.elapsed() > LIMIT {
            return now;
        }
        thread::yield_now();
    }
}

fn is_installed(tool: &str) -> bool {
    let paths = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&paths).any(|dir| dir.join(tool).exists());
    if !found {
        eprintln!("SKIPPED: {tool} is not installed");
    }
    found
}

/// Next to the directory of the test itself. `cargo test` builds the examples.
fn example(name: &str) -> Result<PathBuf> {
    let test = env::current_exe()?;
    let target = test.parent().and_then(|deps| deps.parent()).expect("it is in target/*/deps");
    let path = target.join("examples").join(name);
    assert!(path.exists(), "{} is missing: run `cargo build --examples` first", path.display());
    Ok(path)
}

/// The output of a shell script, which must succeed.
async fn said_by(script: &str) -> Result<String> {
    let output = Command::shell(script).output().await?;
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`{script}`: {}: {complained}", output.status);
    String::from_utf8(output.stdout).map_err(io::Error::other)
}

fn port_of(server: &Server) -> u16 {
    server.local_addrs()[0].port()
}

/// A client in blocking mode.
fn connect(server: &Server) -> Result<net::TcpStream> {
    let client = net::TcpStream::connect(server.local_addrs()[0])?;
    client.set_read_timeout(Some(LIMIT))?;
    Ok(client)
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        yield_now().await;
    }
}

fn tasks_named(part: &str) -> usize {
    all_tasks().iter().filter(|task| task.name().contains(part)).count()
}
