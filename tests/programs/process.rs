//! Processes: real programs, started, fed, read, waited for and ended.

mod command;
mod ending;
mod groups;
mod loops;
mod signals;
mod streams;
mod waiting;

use std::fs;
use std::io::Result;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use oneloop::process::{Child, ChildStdout, Command, Stdio};
use oneloop::{sleep, timeout};

use super::{Directory, PATIENCE};

const MS: Duration = Duration::from_millis(1);

fn id(pid: u32) -> Pid {
    Pid::from_raw(pid.try_into().unwrap())
}

/// Whether the process exists, running or not yet reaped.
fn exists(pid: u32) -> bool {
    kill(id(pid), None) != Err(Errno::ESRCH)
}

/// Waits until a process that the loop does not reap has gone.
async fn gone(pid: u32) -> Result<()> {
    let is_gone = async {
        while exists(pid) {
            sleep(MS).await;
        }
    };
    Ok(timeout(PATIENCE, is_gone).await?)
}

/// Whether the process exists and has not ended.
fn is_alive(pid: u32) -> bool {
    // The name may contain anything.
    let stat = fs::read(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| {
        let stat = String::from_utf8_lossy(&stat);
        !stat.rsplit(") ").next().unwrap().starts_with('Z')
    })
}

/// Like `gone`, for a process that is not a child of this one: its parent may reap it later.
async fn dead(pid: u32) -> Result<()> {
    let is_dead = async {
        while is_alive(pid) {
            sleep(MS).await;
        }
    };
    Ok(timeout(PATIENCE, is_dead).await?)
}

/// Starts `script`, and waits for its first line, which this returns too.
async fn started(script: &str) -> Result<(Child, String)> {
    let mut child = Command::shell(script).stdout(Stdio::piped()).spawn()?;
    let stdout = child.stdout.take().unwrap();
    let line = line(&stdout).await?;
    child.stdout = Some(stdout);
    Ok((child, line))
}

async fn line(stdout: &ChildStdout) -> Result<String> {
    let mut line = Vec::new();
    let read = async {
        let mut byte = [0];
        while stdout.read(&mut byte).await? == 1 && byte[0] != b'\n' {
            line.push(byte[0]);
        }
        Result::Ok(())
    };
    timeout(PATIENCE, read).await??;
    Ok(String::from_utf8(line).unwrap())
}
