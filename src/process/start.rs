//! Starts a child: sets up its streams, hands it to the loop, and explains failures.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind, Read as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child as Process, Command as StdCommand, Stdio as StdStdio};

use nix::errno::Errno;

use super::child::{Child, Pipes};
use super::command::Command;
use super::ending::Ending;
use super::reaper::Reaper;
use super::stdio::{Choice, INPUT, Open, Same};
use crate::io::pipe::{Receiver, Sender, pipe};
use crate::runtime::{Handle, Place};

/// The default for streams that were not chosen.
#[derive(Clone, Copy)]
pub(super) struct Defaults {
    pub(super) input: Open,
    pub(super) output: Open,
}

/// Starts a child on behalf of the code at `place`.
pub(super) fn start(command: &mut Command, defaults: Defaults, place: Place) -> io::Result<Child> {
    let started = try_start(command, defaults, place);
    // Whether the child was started, which has its own descriptors, or not: close them here.
    release_streams(command);
    started.map_err(|Failure { kind, reason }| {
        let program = Path::new(command.get_program()).display();
        io::Error::new(kind, format!("cannot start `{program}`: {reason}"))
    })
}

fn try_start(command: &mut Command, defaults: Defaults, place: Place) -> Result<Child, Failure> {
    // From here on its end is heard, however soon it comes.
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

/// Gives the streams to the standard library's command. Returns the reading end of a pipe that both
/// outputs share.
fn hand_streams(command: &mut Command, defaults: Defaults) -> io::Result<Option<Receiver>> {
    let Command { std, stdin, stdout, stderr, .. } = command;
    let Defaults { input, output } = defaults;
    let mut merged = None;
    if let Some(stdin) = stdin.take(INPUT, input)? {
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
            receiver.set_outside();
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
        self.stdin = stdin.map(Sender::of_child).transpose()?;
        self.stdout = stdout.map(Receiver::of_child).transpose()?.or(merged);
        self.stderr = stderr.map(Receiver::of_child).transpose()?;
        Ok(())
    }
}

/// Explains a failure beyond the kernel's error. It only says what can be verified, because the
/// same error has many causes.
fn failure(command: &StdCommand, error: &io::Error) -> Failure {
    let mut kind = error.kind();
    let reason = if let Some(reason) = command.get_current_dir().and_then(wrong_directory) {
        reason
    } else if kind == ErrorKind::NotFound {
        what_is_missing(command).unwrap_or_else(|| error.to_string())
    } else if error.raw_os_error() == Some(Errno::EAGAIN as i32) {
        // `WouldBlock` would suggest that there is something to poll.
        kind = ErrorKind::ResourceBusy;
        "there are as many processes already as may be (EAGAIN)".to_owned()
    } else {
        error.to_string()
    };
    Failure { kind, reason }
}

/// Returns `None` if everything that can be looked for exists.
fn what_is_missing(command: &StdCommand) -> Option<String> {
    let program = Path::new(command.get_program());
    let found = if program.components().count() < 2 {
        let found = search_path(command, program);
        found.ok_or_else(|| "there is no such program in PATH".to_owned())
    } else if program.exists() {
        Ok(program.to_owned())
    } else if let Err(error) = env::current_dir() {
        Err(format!("the working directory of this process is gone: {error}"))
    } else {
        // It may count from the child's working directory.
        let dir = command.get_current_dir().unwrap_or_else(|| Path::new("."));
        let found = dir.join(program);
        if found.exists() { Ok(found) } else { Err("there is no such file".to_owned()) }
    };
    match found {
        Ok(file) => missing_interpreter(&file),
        Err(reason) => Some(reason),
    }
}

/// Finds `program` in the directories of the child's `PATH`.
fn search_path(command: &StdCommand, program: &Path) -> Option<PathBuf> {
    let chosen = command.get_envs().find(|(name, _)| *name == "PATH");
    let path = match chosen {
        Some((_, value)) => value.map(OsStr::to_owned),
        None => env::var_os("PATH"),
    };
    // Without a `PATH`, the system uses its own.
    let path = path.unwrap_or_else(|| "/bin:/usr/bin".into());
    env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// How much of the first line of a script is read.
const FIRST_LINE_MAX: u64 = 256;

/// Explains why an existing file could not be started, if its interpreter is missing.
fn missing_interpreter(file: &Path) -> Option<String> {
    let mut start = Vec::new();
    fs::File::open(file).ok()?.take(FIRST_LINE_MAX).read_to_end(&mut start).ok()?;
    if start.starts_with(b"\x7fELF") {
        return Some("it is there, but a part of it that the system needs first is not, such as its dynamic loader".to_owned());
    }
    let line = start.strip_prefix(b"#!")?.split(|&byte| byte == b'\n').next()?;
    let interpreter = String::from_utf8_lossy(line);
    let interpreter = interpreter.split_whitespace().next()?;
    let is_missing = !Path::new(interpreter).exists();
    is_missing.then(|| {
        format!(
            "it is there, but the interpreter that its first line names is not: `{interpreter}`"
        )
    })
}

/// Describes the problem with the working directory of a program, if it can be detected.
fn wrong_directory(dir: &Path) -> Option<String> {
    let problem = match fs::metadata(dir) {
        Ok(metadata) if metadata.is_dir() => return None,
        Ok(_) => "it is not a directory".to_owned(),
        Err(error) => error.to_string(),
    };
    Some(format!("its working directory {}: {problem}", dir.display()))
}
