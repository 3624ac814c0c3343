//! Starting a child: its streams, the loop's share in it, and what there is to say if it cannot be.

use std::env;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child as Process, Command as StdCommand, Stdio as StdStdio};

use nix::errno::Errno;

use super::child::{Child, Pipes};
use super::command::Command;
use super::ending::Ending;
use super::reaper::Reaper;
use super::stdio::{Choice, Open, Same};
use crate::io::pipe::{Receiver, Sender, pipe};
use crate::runtime::{Handle, Place};

/// What the streams are that were not chosen.
#[derive(Clone, Copy)]
pub(super) struct Defaults {
    pub(super) input: Open,
    pub(super) output: Open,
}

/// Starts a child; the call is at `place`.
pub(super) fn start(command: &mut Command, defaults: Defaults, place: Place) -> io::Result<Child> {
    let started = try_start(command, defaults, place);
    // Whether there is a child, which has its descriptors, or none: here they are closed.
    release_streams(command);
    started.map_err(|Failure { kind, reason }| {
        let program = Path::new(command.get_program()).display();
        io::Error::new(kind, format!("cannot start `{program}`: {reason}"))
    })
}

fn try_start(command: &mut Command, defaults: Defaults, place: Place) -> Result<Child, Failure> {
    // From here on its end is heard of, however soon it comes.
    let reaper = Reaper::listening()?;
    let home = Handle::current();
    let merged = hand_streams(command, defaults)?;
    let mut process = command.std.spawn().map_err(|error| failure(&command.std, &error))?;
    let (pipes, pid) = (take_pipes(&mut process), process.id());
    let Command { kills, target, grace, .. } = *command;
    let key = reaper.add(process, kills, target);
    let ending = Ending { home, key, kills, target, grace, place };
    // If something is wrong with a pipe, the child is dropped, and ends.
    let mut child = Child::new(ending, pid);
    child.adopt(pipes, merged)?;
    Ok(child)
}

/// Why a program could not be started.
struct Failure {
    kind: ErrorKind,
    reason: String,
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self { kind: error.kind(), reason: error.to_string() }
    }
}

/// Gives the streams to the standard library's command. Returns the end to read of a pipe for both outputs.
fn hand_streams(command: &mut Command, defaults: Defaults) -> io::Result<Option<Receiver>> {
    let Command { std, stdin, stdout, stderr, .. } = command;
    let Defaults { input, output } = defaults;
    let mut merged = None;
    if let Some(stdin) = stdin.take("stdin", input)? {
        std.stdin(stdin);
    }
    let same = if let Choice::AsOutput = stderr { Some(stdout.same(output)?) } else { None };
    if let Some(stdout) = stdout.take("stdout", output)? {
        std.stdout(stdout);
    }
    match same {
        None => {}
        Some(Same::Stdio(stderr)) => {
            std.stderr(stderr);
        }
        Some(Same::Pipe) => {
            let (sender, receiver) = pipe()?;
            let sender = sender.into_blocking_fd()?;
            std.stderr(sender.try_clone()?);
            std.stdout(sender);
            merged = Some(receiver);
        }
    }
    if let Some(stderr) = stderr.take("stderr", output)? {
        std.stderr(stderr);
    }
    Ok(merged)
}

fn release_streams(command: &mut Command) {
    let Command { std, stdin, stdout, stderr, .. } = command;
    if !matches!(stdin, Choice::InStd) {
        std.stdin(StdStdio::null());
    }
    if !matches!(stdout, Choice::InStd) {
        std.stdout(StdStdio::null());
    }
    if !matches!(stderr, Choice::InStd) {
        std.stderr(StdStdio::null());
    }
}

fn take_pipes(process: &mut Process) -> Pipes {
    Pipes {
        stdin: process.stdin.take().map(OwnedFd::from),
        stdout: process.stdout.take().map(OwnedFd::from),
        stderr: process.stderr.take().map(OwnedFd::from),
    }
}

impl Child {
    fn adopt(&mut self, pipes: Pipes, merged: Option<Receiver>) -> io::Result<()> {
        let Pipes { stdin, stdout, stderr } = pipes;
        self.stdin = stdin.map(Sender::from_owned_fd).transpose()?;
        self.stdout = stdout.map(Receiver::from_owned_fd).transpose()?.or(merged);
        self.stderr = stderr.map(Receiver::from_owned_fd).transpose()?;
        Ok(())
    }
}

/// Says what is wrong, which the kernel's word alone does not tell.
fn failure(command: &StdCommand, error: &io::Error) -> Failure {
    let program = Path::new(command.get_program());
    let is_missing = error.kind() == ErrorKind::NotFound;
    let mut kind = error.kind();
    let reason = if let Some(reason) = command.get_current_dir().and_then(wrong_directory) {
        reason
    } else if is_missing && program.components().count() < 2 {
        "there is no such program in PATH".to_owned()
    } else if is_missing && !program.exists() {
        match env::current_dir() {
            Ok(_) => "there is no such file".to_owned(),
            Err(error) => format!("the working directory of this process is gone: {error}"),
        }
    } else if is_missing {
        "it is there, but what has to run it is not, such as the interpreter that its first line names".to_owned()
    } else if error.raw_os_error() == Some(Errno::EAGAIN as i32) {
        // Whoever sees `WouldBlock` may think that there is something to be polled.
        kind = ErrorKind::ResourceBusy;
        "there are as many processes already as may be (EAGAIN)".to_owned()
    } else {
        error.to_string()
    };
    Failure { kind, reason }
}

/// What is wrong with the directory in which a program was to start, if that can be seen.
fn wrong_directory(dir: &Path) -> Option<String> {
    let problem = match fs::metadata(dir) {
        Ok(metadata) if metadata.is_dir() => return None,
        Ok(_) => "it is not a directory".to_owned(),
        Err(error) => error.to_string(),
    };
    Some(format!("its working directory {}: {problem}", dir.display()))
}
