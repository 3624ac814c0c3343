//! Terminals: a pseudo terminal of ours, and one on which Python types.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Result, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::Command;
use std::thread;

use nix::pty::openpty;
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};

use crate::input::is_nonblocking;
use crate::program::{Program, ROLE, command};

/// Reads what the terminal shows until it shows `text`.
fn wait_for(screen: &mut File, text: &str) -> Result<String> {
    let mut shown = Vec::new();
    let mut buf = [0; 256];
    while !String::from_utf8_lossy(&shown).contains(text) {
        let len = screen.read(&mut buf)?;
        shown.extend_from_slice(&buf[..len]);
    }
    Ok(String::from_utf8_lossy(&shown).into_owned())
}

#[test]
fn a_conversation_on_a_terminal_that_is_left_as_it_was() -> Result<()> {
    let terminal = openpty(None, None)?;
    let shells = terminal.slave.try_clone()?;
    let settings = tcgetattr(&shells)?;
    let mut person = File::from(terminal.master);
    let mut command = command("answer");
    command.stdin(terminal.slave.try_clone()?).stdout(terminal.slave);
    let program = Program::start(&mut command)?;
    drop(command);
    wait_for(&mut person, "name? ")?;
    assert!(!is_nonblocking(&shells), "the terminal is shared");
    person.write_all(b"ada\n")?;
    wait_for(&mut person, "hello ada")?;
    // The end of the input, as a person types it.
    person.write_all(b"\x04")?;
    wait_for(&mut person, "bye")?;
    program.finish()?;
    assert!(!is_nonblocking(shells.as_fd()));
    assert_eq!(tcgetattr(&shells)?, settings);
    Ok(())
}

/// The end that cannot be reopened, so that a thread waits for it, and the other end.
fn blocking_end() -> Result<(OwnedFd, File)> {
    let terminal = openpty(None, None)?;
    let mut settings = tcgetattr(&terminal.slave)?;
    cfmakeraw(&mut settings);
    tcsetattr(&terminal.slave, SetArg::TCSANOW, &settings)?;
    Ok((terminal.master, File::from(terminal.slave)))
}

#[test]
fn virtual_time_stands_still_while_a_thread_reads() -> Result<()> {
    let (stdin, mut other) = blocking_end()?;
    let mut program = Program::start(command("read under virtual time").stdin(stdin))?;
    for _ in 0..3 {
        assert_eq!(program.says()?, "reading");
        other.write_all(b"ab")?;
        assert_eq!(program.says()?, "Some(2)");
    }
    assert_eq!(program.finish()?, "");
    Ok(())
}

#[test]
fn virtual_time_stands_still_while_a_thread_writes() -> Result<()> {
    let (stdout, mut other) = blocking_end()?;
    let mut program = Program::start(command("write under virtual time").stdout(stdout))?;
    assert_eq!(program.says()?, "writing");
    let reader = thread::spawn(move || {
        let mut buf = vec![0; 65536];
        // The harness writes to its output too, so the number of bytes does not matter.
        while other.read(&mut buf).is_ok_and(|len| len > 0) {}
    });
    assert_eq!(program.says()?, "Some(())");
    assert_eq!(program.says()?, "leaving");
    assert_eq!(program.finish()?, "");
    reader.join().expect("no panic");
    Ok(())
}

/// Types on the controlling terminal of the program, like a person at a shell.
const PYTHON: &str = r#"
import os, pty, sys
pid, screen = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
def until(text):
    shown = b""
    while text not in shown:
        shown += os.read(screen, 1000)
until(b"name? ")
os.write(screen, b"gr\x7f\x7fgrace\n")
until(b"hello grace")
os.write(screen, b"\x04")
until(b"bye")
while True:
    try:
        if not os.read(screen, 1000):
            break
    except OSError:
        break
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;

#[test]
fn a_controlling_terminal_edits_lines_and_ends() -> Result<()> {
    let program = command("answer");
    let mut python = Command::new("python3");
    python.args(["-c", PYTHON]).arg(program.get_program()).args(program.get_args());
    let output = match python.env(ROLE, "answer").output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            #[expect(clippy::print_stderr, reason = "what did not run must not look as if it had")]
            {
                eprintln!("SKIPPED: python3 is not installed");
            }
            return Ok(());
        }
        output => output?,
    };
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "0\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
