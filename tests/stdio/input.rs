//! Standard input, of every kind.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Result, Seek as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{self, Command, Stdio};
use std::thread;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::pty::openpty;

use crate::program::{Program, command, run, shell};

/// A file that is removed before it is read.
fn file_with(content: &[u8]) -> Result<File> {
    let thread = thread::current().id();
    let path = env::temp_dir().join(format!("oneloop-stdin-{}-{thread:?}", process::id()));
    fs::write(&path, content)?;
    let file = File::open(&path)?;
    fs::remove_file(path)?;
    Ok(file)
}

pub(crate) fn is_nonblocking(fd: impl AsFd) -> bool {
    let flags = fcntl(fd, FcntlArg::F_GETFL).expect("it is open");
    OFlag::from_bits_retain(flags).contains(OFlag::O_NONBLOCK)
}

/// Runs it with a pipe as its input.
fn run_with(command: &mut Command, content: &[u8]) -> Result<String> {
    let mut program = Program::start(command.stdin(Stdio::piped()))?;
    program.process.stdin.take().expect("it is piped").write_all(content)?;
    program.finish()
}

#[test]
fn a_pipe_is_read_without_threads_and_nothing_is_left() -> Result<()> {
    let said = run_with(&mut command("read"), &vec![3; 1 << 20])?;
    assert_eq!(said, "1048576 bytes, sum 3145728\nthreads +0, descriptors +0\n");
    Ok(())
}

#[test]
fn a_pipe_keeps_its_mode_while_it_is_waited_for() -> Result<()> {
    let mut program = Program::start(command("give up and read again").stdin(Stdio::piped()))?;
    assert_eq!(program.says()?, "again");
    assert_eq!(program.says()?, "again");
    for fd in 0..3 {
        assert_eq!(program.flags(fd)? & libc::O_NONBLOCK, 0);
    }
    program.process.stdin.take().expect("it is piped").write_all(b"one\n")?;
    assert!(program.finish()?.ends_with("got \"one\\n\"\n"));
    Ok(())
}

#[test]
fn tasks_that_read_at_the_same_time_share_the_lines() -> Result<()> {
    let mut program = Program::start(command("read by two tasks").stdin(Stdio::piped()))?;
    let mut stdin = program.process.stdin.take().expect("it is piped");
    assert_eq!(program.says()?, "waiting");
    stdin.write_all(b"one\n")?;
    stdin.write_all(b"two\nthree\n")?;
    drop(stdin);
    assert_eq!(program.finish()?, "3 [\"one\", \"three\", \"two\"]\n");
    Ok(())
}

#[test]
fn a_file_is_read_from_where_it_stands() -> Result<()> {
    let mut file = file_with(&vec![1; 300_000])?;
    file.seek_relative(100_000)?;
    let said = run(command("read").stdin(file.try_clone()?))?;
    assert!(said.starts_with("200000 bytes, sum 200000\n"), "{said}");
    assert_eq!(file.stream_position()?, 300_000);
    Ok(())
}

#[test]
fn a_socket_keeps_its_mode() -> Result<()> {
    let (mut ours, theirs) = UnixStream::pair()?;
    let copy = theirs.try_clone()?;
    let mut program = Program::start(command("read by two tasks").stdin(OwnedFd::from(theirs)))?;
    assert_eq!(program.says()?, "waiting");
    ours.write_all(b"one\ntwo\n")?;
    assert!(!is_nonblocking(&copy));
    drop(ours);
    assert_eq!(program.finish()?, "2 [\"one\", \"two\"]\n");
    assert!(!is_nonblocking(&copy));
    Ok(())
}

#[test]
fn a_socket_gives_all_to_its_end() -> Result<()> {
    let (mut ours, theirs) = UnixStream::pair()?;
    let writer = thread::spawn(move || ours.write_all(&vec![1; 1 << 20]));
    let said = run(command("read").stdin(OwnedFd::from(theirs)))?;
    assert_eq!(said, "1048576 bytes, sum 1048576\nthreads +0, descriptors +0\n");
    writer.join().expect("no panic")
}

#[test]
fn what_has_nothing_to_read_is_at_its_end() -> Result<()> {
    assert_eq!(run(&mut command("read"))?, "0 bytes, sum 0\n", "/dev/null");
    let line = r#"exec "$0" "$@" <&-"#;
    assert_eq!(run(&mut shell(line, "read"))?, "0 bytes, sum 0\n", "closed");
    let for_writing = OpenOptions::new().write(true).open("/dev/null")?;
    assert_eq!(run(command("read").stdin(for_writing))?, "0 bytes, sum 0\n", "to write to");
    Ok(())
}

#[test]
fn the_far_end_of_a_pipe_is_not_read_from() -> Result<()> {
    // Standard input is the end to which `echo` writes, not the one to read from.
    let line = r#"{ echo mine >&3; "$0" "$@" 0>&3 >/dev/null; } 3>&1 | cat >/dev/null"#;
    assert_eq!(run(&mut shell(line, "read"))?, "0 bytes, sum 0\n");
    Ok(())
}

#[test]
fn what_cannot_be_read_is_an_error() -> Result<()> {
    let folder = File::open(env!("CARGO_MANIFEST_DIR"))?;
    let said = run(command("read").stdin(folder))?;
    assert!(said.starts_with("IsADirectory"), "{said}");
    Ok(())
}

#[test]
fn a_pipe_from_another_program_and_a_named_one_work() -> Result<()> {
    assert_eq!(run(&mut shell(r#"echo hi | "$0" "$@""#, "read lines"))?, "3 \"> hi\\n\"\n");
    let line = r#"
        fifo=$(mktemp -u) && mkfifo "$fifo"
        (echo one; echo two) > "$fifo" &
        "$0" "$@" < "$fifo"
        rm "$fifo""#;
    let said = run(&mut shell(line, "read lines"))?;
    assert_eq!(said, "4 \"> one\\n\"\n4 \"> two\\n\"\n");
    Ok(())
}

#[test]
fn lines_come_one_by_one_and_the_last_may_have_no_end() -> Result<()> {
    let text = "one\n\ntwo \u{e9}\r\nrest".as_bytes();
    let lines = "4 \"> one\\n\"\n1 \"> \\n\"\n8 \"> two é\\r\\n\"\n4 \"> rest\"\n";
    assert_eq!(run_with(&mut command("read lines"), text)?, lines);
    let file = file_with(text)?;
    assert_eq!(run(command("read lines").stdin(file))?, lines);
    assert_eq!(
        run_with(&mut command("stream lines"), text)?,
        "\"one\"\n\"\"\n\"two é\"\n\"rest\"\n"
    );
    Ok(())
}

#[test]
fn a_line_that_is_no_text_is_an_error_and_the_next_one_is_there() -> Result<()> {
    let said = run_with(&mut command("read lines"), b"\xff\nnext\n")?;
    let (error, rest) = said.split_once('\n').expect("two lines");
    assert!(error.starts_with("InvalidData: a line of standard input is not UTF-8"), "{error}");
    assert_eq!(rest, "5 there\n");
    Ok(())
}

#[test]
fn a_line_without_end_is_an_error_and_can_be_read() -> Result<()> {
    let said = run_with(&mut command("read lines"), &vec![b'x'; 1 << 20])?;
    let (error, rest) = said.split_once('\n').expect("two lines");
    assert!(error.starts_with("InvalidData: a line of more than 1 MiB"), "{error}");
    assert_eq!(rest, "1048576 there\n");
    Ok(())
}

#[test]
fn what_one_handle_has_read_ahead_the_next_one_finds() -> Result<()> {
    let text = b"first line\nabcdef\nghi\n";
    let expected = "\"first line\\n\" \"abc\" \"def\\nghi\\n\"\n";
    assert_eq!(run_with(&mut command("read with many handles"), text)?, expected);
    let file = file_with(text)?;
    assert_eq!(run(command("read with many handles").stdin(file))?, expected);
    Ok(())
}

#[test]
fn a_second_loop_goes_on_where_the_first_has_stopped() -> Result<()> {
    let said = run_with(&mut command("read in two loops"), b"one\ntwo\nthree\n")?;
    assert_eq!(said, "\"one\\n\"\n\"two\\n\"\n");
    Ok(())
}

#[test]
fn reads_that_are_given_up_lose_nothing() -> Result<()> {
    let (near, far) = UnixStream::pair()?;
    let terminal = openpty(None, None)?;
    // A pipe, a socket, and an input that a thread reads.
    let inputs: [(Stdio, Option<File>); 3] = [
        (Stdio::piped(), None),
        (OwnedFd::from(far).into(), Some(File::from(OwnedFd::from(near)))),
        (terminal.master.into(), Some(File::from(terminal.slave))),
    ];
    for (stdin, to_write) in inputs {
        let mut program = Program::start(command("give up and read again").stdin(stdin))?;
        let mut to_write = match to_write {
            Some(file) => file,
            None => File::from(OwnedFd::from(program.process.stdin.take().expect("it is piped"))),
        };
        for piece in ["on", "e li", "ne\n"] {
            assert_eq!(program.says()?, "again");
            to_write.write_all(piece.as_bytes())?;
        }
        let mut said = program.says()?;
        while said == "again" {
            said = program.says()?;
        }
        assert!(said == r#"got "one line\n""# || said == r#"got "one line\r\n""#, "{said}");
        program.finish()?;
    }
    Ok(())
}

#[test]
fn the_trait_reads_all() -> Result<()> {
    let role = "read through the trait";
    assert_eq!(run_with(&mut command(role), b"one\ntwo")?, "\"one\\ntwo\"\n");
    assert_eq!(run(command(role).stdin(file_with(b"one\ntwo")?))?, "\"one\\ntwo\"\n");
    Ok(())
}

#[test]
fn a_read_that_waits_does_not_hold_up_the_end() -> Result<()> {
    let terminal = openpty(None, None)?;
    // A thread reads this one, and cannot be stopped.
    let said = run(command("abandon a read").stdin(terminal.master))?;
    assert_eq!(said, "leaving\n");
    drop(terminal.slave);
    let mut program = Program::start(command("abandon a read").stdin(Stdio::piped()))?;
    assert_eq!(program.says()?, "leaving");
    Ok(())
}

#[test]
fn without_descriptors_a_thread_reads_and_writes() -> Result<()> {
    let line = r#"ulimit -n 64 && exec "$0" "$@""#;
    let mut command = shell(line, "read without descriptors");
    let mut program = Program::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
    program.process.stdin.take().expect("it is piped").write_all(b"one\ntwo\n")?;
    let mut stdout = program.process.stdout.take().expect("it is piped");
    assert_eq!(program.finish()?, "\"one\\n\" \"two\\n\"\n");
    let mut written = String::new();
    stdout.read_to_string(&mut written)?;
    assert!(written.contains("there"), "{written}");
    Ok(())
}
