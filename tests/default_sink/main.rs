//! The destination of reports in a program without a hook: lines that never block the loop, never
//! panic, and do not repeat without end. Each test is a separate process, because standard error
//! and the logger belong to the process.
#![cfg(feature = "net")]
#![expect(clippy::unwrap_used, reason = "these are tests, and their helpers")]
#![expect(clippy::print_stdout, reason = "a role says so that it has come to its end")]

mod roles;

use std::env;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd;

const ROLE: &str = "ONELOOP_TEST_ROLE";

/// More pauses than any role takes on a busy machine. A role that blocks would take for ever.
const LIMIT: u32 = 30_000;
const PAUSE: Duration = Duration::from_millis(2);

/// This program in a role.
fn command(role: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    as_role(&mut command, role);
    command
}

/// The same, started by a line of the shell in which `"$0" "$@"` is the program.
fn shell(line: &str, role: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", line]).arg(env::current_exe().unwrap());
    as_role(&mut command, role);
    command
}

fn as_role(command: &mut Command, role: &str) {
    command.args(["--exact", "roles::play", "--nocapture", "-q"]).env(ROLE, role);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
}

/// Whether the role succeeds.
fn ends(mut child: Child) -> bool {
    for _ in 0..LIMIT {
        if let Some(status) = child.try_wait().unwrap() {
            let mut said = String::new();
            child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
            return status.success() && said.contains("the end");
        }
        thread::sleep(PAUSE);
    }
    child.kill().unwrap();
    false
}

/// What the role writes to standard error.
fn lines_of(role: &str) -> Vec<String> {
    let output = command(role).stderr(Stdio::piped()).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{text}");
    text.lines().map(str::to_owned).collect()
}

fn pipe() -> (File, File) {
    let (reader, writer) = unistd::pipe2(OFlag::O_CLOEXEC).unwrap();
    (reader.into(), writer.into())
}

/// A full pipe, which makes its writers wait.
fn full_pipe() -> (File, File) {
    let (reader, mut writer) = pipe();
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    while writer.write(&[b'x'; 4096]).is_ok() {}
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::empty())).unwrap();
    (reader, writer)
}

#[test]
fn a_full_pipe_that_nobody_reads_does_not_block_the_loop() {
    for role in ["fail 30", "panicking logger"] {
        let (_reader, writer) = full_pipe();
        assert!(ends(command(role).stderr(writer).spawn().unwrap()), "{role}");
    }
}

#[test]
fn a_server_whose_standard_error_is_a_full_pipe_outlives_1200_resets() {
    let (_reader, writer) = full_pipe();
    assert!(ends(command("1200 resets").stderr(writer).spawn().unwrap()));
}

#[test]
fn a_full_pipe_keeps_its_mode_for_other_processes() {
    let (_reader, writer) = full_pipe();
    let ours = writer.try_clone().unwrap();
    assert!(ends(command("fail 3").stderr(writer).spawn().unwrap()));
    let flags = fcntl(&ours, FcntlArg::F_GETFL).unwrap();
    assert!(!OFlag::from_bits_truncate(flags).contains(OFlag::O_NONBLOCK));
}

#[test]
fn a_full_socket_does_not_block_the_loop() {
    let (_reader, mut writer) = UnixStream::pair().unwrap();
    writer.set_nonblocking(true).unwrap();
    while writer.write(&[b'x'; 4096]).is_ok() {}
    writer.set_nonblocking(false).unwrap();
    let stderr = Stdio::from(OwnedFd::from(writer));
    assert!(ends(command("fail 30").stderr(stderr).spawn().unwrap()));
}

#[test]
fn lines_that_were_lost_are_counted_when_there_is_room_again() {
    let (mut reader, writer) = full_pipe();
    let mut program = command("fail 2, wait, fail 1");
    let mut child = program.stderr(writer).stdin(Stdio::piped()).spawn().unwrap();
    // Closes the writer's last copy in this process.
    drop(program);
    let mut said = [0; 1];
    // The two lines are lost.
    while said != [b'!'] {
        child.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
    }
    let mut rest = vec![0; 1 << 16];
    reader.read_exact(&mut rest[..1 << 16]).unwrap();
    child.stdin.take().unwrap().write_all(b"!").unwrap();
    assert!(ends(child));
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].contains("2 lines are lost"), "{text}");
    assert!(lines[1].starts_with("oneloop: task `Task-"), "{text}");
}

#[test]
fn a_closed_or_broken_standard_error_stops_nothing() {
    assert!(ends(shell("exec \"$0\" \"$@\" 2>&-", "fail 30").spawn().unwrap()));
    let full = File::options().write(true).open("/dev/full").unwrap();
    assert!(ends(command("fail 30").stderr(full).spawn().unwrap()));
    let (reader, writer) = pipe();
    drop(reader);
    assert!(ends(command("fail 30").stderr(writer).spawn().unwrap()));
}

#[test]
fn repeats_are_folded_and_counted() {
    let lines = lines_of("fail 1200");
    assert!(lines.len() <= 8, "{lines:#?}");
    assert!(lines[0].starts_with("oneloop: task `Task-"), "{lines:#?}");
    assert!(lines.last().unwrap().ends_with("no such file (1200 times so far)"), "{lines:#?}");
}

#[test]
fn different_reports_are_all_written() {
    let lines = lines_of("fail differently");
    assert_eq!(lines.len(), 20, "{lines:#?}");
}

#[test]
fn peers_that_reset_write_nothing() {
    assert_eq!(lines_of("resets"), [""; 0]);
}

#[test]
fn peers_that_reset_before_a_dropped_writer_is_done_write_nothing() {
    assert_eq!(lines_of("resets of what is left"), [""; 0]);
}

#[test]
fn debug_lines_of_dropped_writers_name_the_peer() {
    let lines = lines_of("debugging logger of what is left");
    assert!(!lines.is_empty());
    assert!(
        lines.iter().all(|line| line.starts_with("DEBUG") && line.contains("127.0.0.1:")),
        "{lines:#?}"
    );
}

#[test]
fn a_logger_that_is_off_is_silence() {
    assert_eq!(lines_of("logger off"), [""; 0]);
    assert_eq!(lines_of("logger off that is never enabled"), [""; 0]);
    assert_eq!(lines_of("logger switched off"), [""; 0]);
}

#[test]
fn a_logger_that_panics_or_reports_itself_stops_nothing() {
    let lines = lines_of("panicking logger");
    assert!(lines.iter().any(|line| line.contains("no such file")), "{lines:#?}");
    let lines = lines_of("reporting logger");
    assert!(lines.len() < 10, "{lines:#?}");
}

#[test]
fn debug_lines_of_resets_go_to_a_logger_that_wants_them() {
    let lines = lines_of("debugging logger");
    assert!(!lines.is_empty());
    assert!(
        lines.iter().all(|line| line.starts_with("DEBUG") && line.contains("127.0.0.1:")),
        "{lines:#?}"
    );
}

#[test]
fn a_hook_that_panics_is_named_with_its_panic_and_the_report() {
    let lines = lines_of("panicking hook");
    assert_eq!(lines.len(), 1, "{lines:#?}");
    let parts = ["the hook of `Builder::on_unhandled` panicked (a poisoned lock)", "no such file"];
    assert!(parts.iter().all(|part| lines[0].contains(part)), "{lines:#?}");
}
