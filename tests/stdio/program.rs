//! The tested program: this one, in another process.

use std::env;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Result};
use std::process::{Child, ChildStderr, Command, Stdio};

/// The variable that names the role of the process.
pub(crate) const ROLE: &str = "ONELOOP_TEST_ROLE";

/// This program in a role. It reports on standard error. All three descriptors remain to be chosen.
pub(crate) fn command(role: &str) -> Command {
    let mut command = Command::new(env::current_exe().expect("a test knows where it is"));
    as_role(&mut command, role);
    command
}

/// The same, started by a line of the shell in which `"$0" "$@"` is the program.
pub(crate) fn shell(line: &str, role: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", line]).arg(env::current_exe().expect("a test knows where it is"));
    as_role(&mut command, role);
    command
}

fn as_role(command: &mut Command, role: &str) {
    command.args(["--exact", "roles::play", "--nocapture", "-q"]).env(ROLE, role);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
}

/// The program while it runs, killed when dropped.
pub(crate) struct Program {
    pub(crate) process: Child,
    said: BufReader<ChildStderr>,
}

impl Program {
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let mut process = command.spawn()?;
        // Closes the command, so that no other process keeps the descriptors of this one open.
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let stderr = process.stderr.take().expect("it is piped");
        Ok(Self { process, said: BufReader::new(stderr) })
    }

    /// The next line of its report.
    pub(crate) fn says(&mut self) -> Result<String> {
        let mut line = String::new();
        self.said.read_line(&mut line)?;
        Ok(line.trim_end_matches('\n').to_owned())
    }

    /// The rest of its report. The program must succeed.
    pub(crate) fn finish(mut self) -> Result<String> {
        drop(self.process.stdin.take());
        let mut rest = String::new();
        self.said.read_to_string(&mut rest)?;
        let status = self.process.wait()?;
        assert!(status.success(), "{status}: {rest}");
        Ok(rest)
    }

    /// The flags of one of its descriptors, according to the kernel.
    pub(crate) fn flags(&self, fd: u32) -> Result<i32> {
        let mut info = String::new();
        let path = format!("/proc/{}/fdinfo/{fd}", self.process.id());
        File::open(path)?.read_to_string(&mut info)?;
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = flags.and_then(|flags| i32::from_str_radix(flags.trim(), 8).ok());
        Ok(flags.expect("a descriptor has flags"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It has already ended, unless the test failed.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// Runs it to its end. Returns its report.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    Program::start(command)?.finish()
}
