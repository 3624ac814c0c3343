//! Standard output and error, of every kind.

use std::env;
use std::fs::{self, File};
use std::io::{Read as _, Result};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{self, Command, Stdio};
use std::thread;

use nix::libc;

use crate::input::is_nonblocking;
use crate::program::{Program, command, run, shell};

const MUCH: usize = 1 << 20;

struct TempFile(PathBuf);

impl TempFile {
    fn new() -> Self {
        let thread = thread::current().id();
        Self(env::temp_dir().join(format!("oneloop-stdout-{}-{thread:?}", process::id())))
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        fs::remove_file(&self.0).ok();
    }
}

/// Runs it with a pipe as its output. Returns its output and its report.
fn run_with_pipe(command: &mut Command) -> Result<(String, String)> {
    let mut program = Program::start(command.stdout(Stdio::piped()))?;
    let mut stdout = program.process.stdout.take().expect("it is piped");
    let reader = thread::spawn(move || {
        let mut written = String::new();
        stdout.read_to_string(&mut written).map(|_| written)
    });
    let said = program.finish()?;
    Ok((reader.join().expect("no panic")?, said))
}

fn run_with_file(command: &mut Command) -> Result<(String, String)> {
    let path = TempFile::new();
    let file = File::create(&path.0)?;
    let said = run(command.stdout(file.try_clone()?))?;
    assert!(!is_nonblocking(file));
    Ok((fs::read_to_string(&path.0)?, said))
}

fn run_with_null(command: &mut Command) -> Result<(String, String)> {
    run(command.stdout(Stdio::null())).map(|said| (String::new(), said))
}

fn count(text: &str) -> usize {
    text.bytes().filter(|&byte| byte == b'#').count()
}

#[test]
fn all_arrives_in_a_pipe_without_threads_and_nothing_is_left() -> Result<()> {
    let (written, said) = run_with_pipe(&mut command("write much"))?;
    assert_eq!(count(&written), MUCH);
    assert_eq!(said, "threads +0, descriptors +0\n");
    Ok(())
}

#[test]
fn all_arrives_in_a_file() -> Result<()> {
    let (written, said) = run_with_file(&mut command("write much"))?;
    assert_eq!(count(&written), MUCH);
    assert!(said.contains("descriptors +0\n"), "{said}");
    Ok(())
}

#[test]
fn lines_to_a_file_wait_for_no_thread() -> Result<()> {
    let (written, said) = run_with_file(&mut command("write lines"))?;
    let expected: Vec<_> = (0..1000).map(|n| format!("line {n}\n")).collect();
    assert!(written.contains(&expected.concat()), "{written}");
    // The program's voluntary switches. Each wait would be at least one.
    let waits: u32 = said.trim().parse().expect("a number");
    assert!(waits < 500, "{waits}");
    let (_, said) = run_with_null(&mut command("write lines"))?;
    assert!(said.trim().parse::<u32>().is_ok_and(|waits| waits < 500), "{said}");
    Ok(())
}

#[test]
fn all_arrives_in_a_socket_which_keeps_its_mode() -> Result<()> {
    let (mut ours, theirs) = UnixStream::pair()?;
    let copy = theirs.try_clone()?;
    let reader = thread::spawn(move || {
        let mut all = Vec::new();
        ours.read_to_end(&mut all).map(|_| all)
    });
    let said = run(command("write much").stdout(OwnedFd::from(theirs)))?;
    assert!(!is_nonblocking(&copy));
    drop(copy);
    let written = reader.join().expect("no panic")?;
    assert_eq!(count(&String::from_utf8_lossy(&written)), MUCH);
    assert_eq!(said, "threads +0, descriptors +0\n");
    Ok(())
}

#[test]
fn a_slow_reader_gets_all_and_the_pipe_keeps_its_mode() -> Result<()> {
    let mut program = Program::start(command("write much").stdout(Stdio::piped()))?;
    let mut stdout = program.process.stdout.take().expect("it is piped");
    let mut written = 0;
    let mut buf = vec![0; 32 * 1024];
    loop {
        let len = stdout.read(&mut buf)?;
        if len == 0 {
            break;
        }
        written += count(&String::from_utf8_lossy(&buf[..len]));
        if written < MUCH / 2 {
            // It waits for room.
            assert_eq!(program.flags(1)? & libc::O_NONBLOCK, 0);
        }
    }
    assert_eq!(written, MUCH);
    program.finish()?;
    Ok(())
}

#[test]
fn what_was_printed_and_what_is_written_keep_their_order() -> Result<()> {
    let expected = "<one,two,three,four\nfive,six>";
    let (to_pipe, _) = run_with_pipe(&mut command("print and write"))?;
    assert!(to_pipe.contains(expected), "{to_pipe}");
    let (to_file, _) = run_with_file(&mut command("print and write"))?;
    assert!(to_file.contains(expected), "{to_file}");
    Ok(())
}

#[test]
fn what_nobody_has_waited_for_is_in_the_file_when_the_loop_has_ended() -> Result<()> {
    let (written, said) = run_with_file(&mut command("write and leave"))?;
    assert_eq!(count(&written), MUCH);
    assert_eq!(said, format!("at least {MUCH}: true\n"));
    Ok(())
}

#[test]
fn programs_that_write_to_one_file_do_not_overwrite_each_other() -> Result<()> {
    let path = TempFile::new();
    let line = r#"(echo before; "$0" "$@"; echo after) > "$FILE""#;
    run(shell(line, "write by two tasks").env("FILE", &path.0))?;
    let written = fs::read_to_string(&path.0)?;
    assert!(written.starts_with("before\n") && written.ends_with("after\n"), "{written}");
    assert_eq!(written.matches("<aaa>").count() + written.matches("<bbb>").count(), 40);
    Ok(())
}

#[test]
fn a_reader_that_goes_breaks_the_pipe() -> Result<()> {
    let mut program = Program::start(command("write to nobody").stdout(Stdio::piped()))?;
    let stdout = program.process.stdout.take();
    assert_eq!(program.says()?, "ready");
    drop(stdout);
    assert!(program.finish()?.starts_with("BrokenPipe"));

    let (ours, theirs) = UnixStream::pair()?;
    let mut program = Program::start(command("write to nobody").stdout(OwnedFd::from(theirs)))?;
    assert_eq!(program.says()?, "ready");
    drop(ours);
    assert!(program.finish()?.starts_with("BrokenPipe"));
    Ok(())
}

#[test]
fn a_full_disk_is_an_error_that_somebody_sees() -> Result<()> {
    let said = run(&mut command("write to a full disk"))?;
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[..2], ["Some(StorageFull)"; 2], "{said}");
    assert!(lines[2].contains("what was written to Stdout is lost: No space left"), "{said}");
    Ok(())
}

#[test]
fn what_is_closed_swallows_all() -> Result<()> {
    let said = run(&mut shell(r#"exec "$0" "$@" >&-"#, "write much"))?;
    assert!(said.contains("descriptors"), "{said}");
    Ok(())
}

#[test]
fn a_stream_writer_writes_to_it() -> Result<()> {
    for (written, _) in [
        run_with_pipe(&mut command("write through a stream"))?,
        run_with_file(&mut command("write through a stream"))?,
    ] {
        let expected: Vec<_> = (0..1000).map(|number| format!("<{number}>")).collect();
        assert!(written.contains(&expected.concat()), "{written}");
    }
    Ok(())
}

#[test]
fn standard_error_works_as_well() -> Result<()> {
    assert_eq!(run(&mut command("write to error"))?, "one,two,three\n");
    let path = TempFile::new();
    let file = File::create(&path.0)?;
    let status = command("write to error").stderr(file).status()?;
    assert!(status.success());
    assert_eq!(fs::read_to_string(&path.0)?, "one,two,three\n");
    Ok(())
}

#[test]
fn without_a_loop_there_is_an_error() -> Result<()> {
    let needs = "a Stdout needs a running event loop: use it inside `oneloop::run`\n";
    let (_, said) = run_with_pipe(&mut command("write without a loop"))?;
    assert_eq!(said, format!("{needs}Other: {needs}"));
    let (_, said) = run_with_file(&mut command("write without a loop"))?;
    assert_eq!(said, format!("{needs}Other: {needs}"));
    Ok(())
}
