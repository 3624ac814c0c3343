//! `Command`: which program to start, and how.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::unix::process::CommandExt;
use std::panic::Location;
use std::path::Path;
use std::process::{Command as StdCommand, CommandArgs, CommandEnvs, ExitStatus, Output};
use std::time::Duration;

use super::reaper::Target;
use super::start::{Defaults, start};
use super::stdio::{Choice, Open};
use super::{Child, Stdio};

/// A program to start, and how. This corresponds to [`std::process::Command`], and to asyncio's
/// `create_subprocess_exec`.
///
/// [`output`](Self::output) runs the program and returns what it wrote, [`status`](Self::status)
/// runs it and returns its exit status, and [`spawn`](Self::spawn) starts it and returns a handle.
///
/// Starting a program blocks the loop for as long as the system takes for it, mostly less than a
/// millisecond.
///
/// # A child that is not awaited
///
/// A child ends when its [`Child`] is dropped, or when the future of [`output`](Self::output) or
/// [`status`](Self::status) is dropped before it is ready: by a cancel, a timeout, an error
/// elsewhere. It gets SIGTERM and, if it still runs after the [`grace`](Self::grace) period,
/// SIGKILL. So do all processes in the [group](Self::process_group) that it leads. The grace period
/// counts from the drop. The wait is a [cleanup](crate::with_cleanup) of the current task: an await
/// of the task, or of a timeout around it, resumes when the child has ended and was reaped. If the
/// cleanup is cut off, the child is killed at once. So is a child whose handle outlives the loop.
///
/// With [`kill_on_drop(false)`](Self::kill_on_drop), or after [`Child::detach`], the child goes on,
/// and is reaped when it ends: by its loop or, if that has ended, by the next loop in the process
/// that has children.
///
/// asyncio, too, kills a child whose transport is closed; `std` and tokio let it go on.
///
/// # Examples
///
/// ```
/// use oneloop::process::Command;
///
/// oneloop::run(async {
///     let output = Command::new("echo").args(["hello", "world"]).output().await?;
///     assert!(output.status.success());
///     assert_eq!(output.stdout, b"hello world\n");
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[doc(alias = "create_subprocess_exec")]
#[doc(alias = "subprocess")]
#[doc(alias = "subprocess_exec")]
#[doc(alias = "open_process")]
pub struct Command {
    pub(super) std: StdCommand,
    pub(super) stdin: Choice,
    pub(super) stdout: Choice,
    pub(super) stderr: Choice,
    pub(super) kills: bool,
    pub(super) grace: Duration,
    pub(super) target: Target,
}

/// How much time a child has to end by itself.
const GRACE: Duration = Duration::from_secs(2);

const SPAWN: Defaults = Defaults { input: Open::Inherit, output: Open::Inherit };
const OUTPUT: Defaults = Defaults { input: Open::Null, output: Open::Piped };

impl Command {
    /// Makes a command that runs `program`, without arguments, with the environment, the working
    /// directory and the streams of this process. The program is searched for in `PATH` unless it
    /// contains a slash.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self::of(StdCommand::new(program))
    }

    /// Makes a command that has the shell run `script`: `sh -c script`. This is asyncio's
    /// `create_subprocess_shell`.
    ///
    /// Never build a script from untrusted input, which could then run anything. Pass such input as
    /// arguments, which the shell knows as `"$0"`, `"$1"` and so on.
    ///
    /// The processes that the shell starts are its children, not children of this program: when the
    /// shell is [ended](Self#a-child-that-is-not-awaited), by a timeout for example, they go on.
    /// With [`process_group(0)`](Self::process_group) they are ended together with it.
    ///
    /// # Examples
    ///
    /// All three processes are gone when the timeout is over:
    ///
    /// ```
    /// use oneloop::process::Command;
    /// use oneloop::timeout;
    /// use std::time::Duration;
    ///
    /// oneloop::run(async {
    ///     let mut shell = Command::shell("sleep 60 | cat");
    ///     let limited = timeout(Duration::from_millis(20), shell.process_group(0).output()).await;
    ///     assert!(limited.is_err());
    /// });
    /// ```
    ///
    /// Pass untrusted input as an argument:
    ///
    /// ```
    /// use oneloop::process::Command;
    ///
    /// oneloop::run(async {
    ///     let mut shell = Command::shell(r#"printf %s "$1" | wc -c"#);
    ///     let output = shell.args(["sh", "; rm -rf /"]).output().await?;
    ///     assert_eq!(output.stdout.trim_ascii(), b"10");
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "create_subprocess_shell")]
    #[doc(alias = "subprocess_shell")]
    pub fn shell(script: impl AsRef<OsStr>) -> Self {
        let mut command = Self::new("/bin/sh");
        command.arg("-c").arg(script);
        command
    }

    fn of(std: StdCommand) -> Self {
        let (stdin, stdout, stderr) = Default::default();
        Self { std, stdin, stdout, stderr, kills: true, grace: GRACE, target: Target::Process }
    }

    // Running.

    /// Starts the program. Streams that were not chosen are inherited from this process.
    ///
    /// # Errors
    ///
    /// An error if the program cannot be started, which names the program and the reason.
    /// `NotFound` if the program or its working directory does not exist, `ResourceBusy` if the
    /// limit of processes is reached. Also an error if the process has no descriptors left for the
    /// pipes, or if no loop runs here.
    #[track_caller]
    pub fn spawn(&mut self) -> io::Result<Child> {
        start(self, SPAWN, Location::caller())
    }

    /// Runs the program to its end, and returns everything it writes. Unless chosen otherwise, the
    /// program has no input, and its output and errors are pipes. This is asyncio's `communicate`
    /// without input; use [`Child::communicate`] to give input.
    ///
    /// The call starts the program. The future waits for it, and borrows nothing from the command,
    /// so the command may be a temporary value, or start another program meanwhile.
    ///
    /// The output is kept in memory, however large it is.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: dropping the future before it is ready
    /// [ends](Self#a-child-that-is-not-awaited) the program, and its output is lost.
    ///
    /// # Errors
    ///
    /// Any error from [`spawn`](Self::spawn) and [`Child::communicate`]. It is not an error if the
    /// program fails: check its `status`.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::process::Command;
    ///
    /// oneloop::run(async {
    ///     let first = Command::new("echo").arg("one").output();
    ///     let second = Command::new("echo").arg("two").output();
    ///     let (first, second) = oneloop::try_gather!(first, second).await?;
    ///     assert_eq!((first.stdout, second.stdout), (b"one\n".to_vec(), b"two\n".to_vec()));
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    #[doc(alias = "run_process")]
    pub fn output(&mut self) -> impl Future<Output = io::Result<Output>> + use<> {
        let child = start(self, OUTPUT, Location::caller());
        async { child?.communicate("").await }
    }

    /// Runs the program to its end, and returns its exit status. Streams that were not chosen are
    /// inherited from this process. A pipe is closed at once.
    ///
    /// The call starts the program. The future waits for it, and borrows nothing from the command.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before it is ready [ends](Self#a-child-that-is-not-awaited) the
    /// program.
    ///
    /// # Errors
    ///
    /// Any error from [`spawn`](Self::spawn) and [`Child::wait`].
    #[track_caller]
    pub fn status(&mut self) -> impl Future<Output = io::Result<ExitStatus>> + use<> {
        let child = start(self, SPAWN, Location::caller());
        async {
            let mut child = child?;
            (child.stdin, child.stdout, child.stderr) = (None, None, None);
            child.wait().await
        }
    }

    // What the program is given.

    /// Adds an argument.
    pub fn arg(&mut self, arg: impl AsRef<OsStr>) -> &mut Self {
        self.std.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args(&mut self, args: impl IntoIterator<Item: AsRef<OsStr>>) -> &mut Self {
        self.std.args(args);
        self
    }

    /// Sets the name that the program is given as its own (`argv[0]`), if it differs from the one
    /// under which it is started.
    pub fn arg0(&mut self, name: impl AsRef<OsStr>) -> &mut Self {
        self.std.arg0(name);
        self
    }

    /// Sets an environment variable.
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        self.std.env(name, value);
        self
    }

    /// Sets environment variables.
    pub fn envs<K: AsRef<OsStr>, V: AsRef<OsStr>>(
        &mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> &mut Self {
        self.std.envs(variables);
        self
    }

    /// Removes an environment variable, even one inherited from this process.
    pub fn env_remove(&mut self, name: impl AsRef<OsStr>) -> &mut Self {
        self.std.env_remove(name);
        self
    }

    /// Removes all environment variables: those set before, and those inherited from this process.
    pub fn env_clear(&mut self) -> &mut Self {
        self.std.env_clear();
        self
    }

    /// Sets the directory in which the program starts. The system decides whether a relative
    /// `program` path counts from there, so make it absolute.
    #[doc(alias = "cwd")]
    pub fn current_dir(&mut self, dir: impl AsRef<Path>) -> &mut Self {
        self.std.current_dir(dir);
        self
    }

    /// Sets what the program reads from.
    pub fn stdin(&mut self, stdin: impl Into<Stdio>) -> &mut Self {
        self.stdin = Choice::Made(stdin.into());
        self
    }

    /// Sets where the program's output goes.
    pub fn stdout(&mut self, stdout: impl Into<Stdio>) -> &mut Self {
        self.stdout = Choice::Made(stdout.into());
        self
    }

    /// Sets where the program's errors go.
    pub fn stderr(&mut self, stderr: impl Into<Stdio>) -> &mut Self {
        self.stderr = Choice::Made(stderr.into());
        self
    }

    /// Sends the program's errors where its output goes, in the order in which it writes them, like
    /// `2>&1` in a shell. This is asyncio's `stderr=STDOUT`.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::process::Command;
    ///
    /// oneloop::run(async {
    ///     let mut command = Command::shell("echo out; echo err >&2; echo out again");
    ///     let output = command.stderr_to_stdout().output().await?;
    ///     assert_eq!(output.stdout, b"out\nerr\nout again\n");
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn stderr_to_stdout(&mut self) -> &mut Self {
        self.stderr = Choice::AsOutput;
        self
    }

    // Identity: user and groups.

    /// Sets the user as whom the program runs. When used by the superuser, this also drops the
    /// supplementary groups, as in the standard library.
    pub fn uid(&mut self, id: u32) -> &mut Self {
        self.std.uid(id);
        self
    }

    /// Sets the group as which the program runs.
    pub fn gid(&mut self, id: u32) -> &mut Self {
        self.std.gid(id);
        self
    }

    /// Sets the process group of the program. 0 makes a new group, which the program leads and its
    /// own children join.
    ///
    /// A child that leads a group is [ended](Self#a-child-that-is-not-awaited) together with it.
    /// All members get SIGTERM, and have the [`grace`](Self::grace) period to end, even members
    /// that take longer than the child; SIGKILL ends the rest. But if the program was told earlier
    /// that the child has ended, by [`Child::wait`] for example, the others go on, unless
    /// [`Child::terminate_tree`] or [`Child::kill_tree`] ends them. Ctrl-C in a terminal does not
    /// reach the group.
    ///
    /// To make this possible, the child is reaped only when its handle is dropped; its end is
    /// reported at once. Until then it is a zombie, which takes up hardly more than its process id,
    /// and keeps the number of its group from being reused. On systems other than Linux, Android
    /// and FreeBSD the child is reaped when it ends, and from then on the group gets no signals. On
    /// FreeBSD, the remaining members get SIGKILL as soon as the child has ended.
    ///
    /// There is no method to give the child a session of its own, without the terminal of this one
    /// (asyncio's `start_new_session`). The child would have to call `setsid(2)` before it becomes
    /// the program, which the standard library offers only to `unsafe` code (`pre_exec`, and then
    /// [`Command::from`]). Alternatively, the program `setsid` does it, where it is installed:
    /// `Command::new("setsid").arg(program)`. It becomes the program, under the same process id,
    /// unless it already leads a process group, so do not ask for both. To end the whole session,
    /// signal its group, whose number is the process id.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::process::{Command, Stdio};
    ///
    /// oneloop::run(async {
    ///     // The shell and what it starts end together.
    ///     let mut shell = Command::shell("sleep 60 & sleep 60");
    ///     let child = shell.process_group(0).stdin(Stdio::null()).spawn()?;
    ///     child.kill_tree()?;
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "start_new_session")]
    #[doc(alias = "setsid")]
    pub fn process_group(&mut self, group: i32) -> &mut Self {
        self.std.process_group(group);
        self.target = if group == 0 { Target::Group } else { Target::Process };
        self
    }

    // What becomes of it.

    /// Sets whether the child ends when its handle is dropped. The default is on; see
    /// [above](Self#a-child-that-is-not-awaited).
    pub fn kill_on_drop(&mut self, on: bool) -> &mut Self {
        self.kills = on;
        self
    }

    /// Sets how long a child has to end by itself, from SIGTERM to SIGKILL. The default is 2
    /// seconds. With `Duration::ZERO` it gets no SIGTERM.
    ///
    /// The child ends within the time that a cleanup may take
    /// ([`Builder::cleanup_timeout`](crate::Builder::cleanup_timeout), 5 seconds by default). For a
    /// longer grace period, raise that as well.
    pub fn grace(&mut self, grace: Duration) -> &mut Self {
        self.grace = grace;
        self
    }

    // Looking.

    /// Returns the program.
    pub fn get_program(&self) -> &OsStr {
        self.std.get_program()
    }

    /// Returns the arguments that were added.
    pub fn get_args(&self) -> CommandArgs<'_> {
        self.std.get_args()
    }

    /// Returns the environment variables that were set, and those that were removed, whose value is
    /// `None`.
    pub fn get_envs(&self) -> CommandEnvs<'_> {
        self.std.get_envs()
    }

    /// Returns the directory in which the program starts, if it differs from that of this process.
    pub fn get_current_dir(&self) -> Option<&Path> {
        self.std.get_current_dir()
    }
}

/// Converts a command of the standard library, for options that only that type has, such as
/// `pre_exec`. The streams stay as they were chosen there. A process group that was chosen there is
/// not seen here.
impl From<StdCommand> for Command {
    fn from(std: StdCommand) -> Self {
        let (stdin, stdout, stderr) = (Choice::InStd, Choice::InStd, Choice::InStd);
        Self { stdin, stdout, stderr, ..Self::of(std) }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.std.fmt(f)
    }
}
