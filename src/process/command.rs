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

/// A program to start, and how; what [`std::process::Command`] is, and asyncio's `create_subprocess_exec`.
///
/// [`output`](Self::output) runs it and gives what it wrote, [`status`](Self::status) runs it and says how it ended,
/// [`spawn`](Self::spawn) starts it and gives a handle to it.
///
/// To start a program blocks the loop for as long as the system takes for it, mostly less than a millisecond.
///
/// # A child that nobody waits for
///
/// It ends: when its [`Child`] is dropped, or the future of [`output`](Self::output) or [`status`](Self::status) before it is
/// ready, by a cancel, a timeout, an error elsewhere. It gets SIGTERM and, if it is still there after the
/// [`grace`](Self::grace), SIGKILL; and so do all in the [group](Self::process_group) that it leads. The grace counts from the drop. That is a
/// [cleanup](crate::with_cleanup) of the current task: who awaits the task, and who has set the timeout, gets on when the child
/// has ended and was reaped. If the cleanup is cut off, the child is killed at once. So is one whose handle outlives the loop.
///
/// With [`kill_on_drop(false)`](Self::kill_on_drop), or after [`Child::detach`], it goes on, and is reaped when it ends: by
/// its loop or, if that has ended, by the next loop in the process that has children.
///
/// asyncio kills a child whose transport is closed, too; `std` and tokio let it go on.
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

/// So much time has a child to end by itself.
const GRACE: Duration = Duration::from_secs(2);

const SPAWN: Defaults = Defaults { input: Open::Inherit, output: Open::Inherit };
const OUTPUT: Defaults = Defaults { input: Open::Null, output: Open::Piped };

impl Command {
    /// A command that runs `program`, which is looked for in `PATH` unless it contains a slash, without arguments, with the
    /// environment, the working directory and the streams of this process.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self::of(StdCommand::new(program))
    }

    /// A command that has the shell run `script`: `sh -c script`; asyncio's `create_subprocess_shell`.
    ///
    /// Never put together a script of what others have written: they could have anything run. Give it as arguments, which the
    /// shell knows as `"$0"`, `"$1"` and so on.
    ///
    /// What the shell starts are its children, not ours: when the shell is [ended](Self#a-child-that-nobody-waits-for), by a timeout
    /// for example, they go on. With [`process_group(0)`](Self::process_group) they are ended together with it.
    ///
    /// # Examples
    ///
    /// All three of them have gone when the timeout is over:
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
    /// What others have written, as an argument:
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

    /// Starts the program. The streams that were not chosen are those of this process.
    ///
    /// # Errors
    ///
    /// If the program cannot be started: names it, and says what is wrong. `NotFound` if it or its working directory is not there,
    /// `ResourceBusy` if there are as many processes as may be. If the process has no descriptors left for the pipes. If no
    /// loop runs here.
    #[track_caller]
    pub fn spawn(&mut self) -> io::Result<Child> {
        start(self, SPAWN, Location::caller())
    }

    /// Runs the program to its end, and gives all that it writes. What was not chosen: it has nothing to read, and its
    /// output and errors are pipes. asyncio's `communicate` without input; for some, there is
    /// [`Child::communicate`].
    ///
    /// The call starts the program; the future, which keeps nothing of the command, waits for it. So the command may be a
    /// temporary value, or start another program meanwhile.
    ///
    /// The output is kept in memory, however much it is.
    ///
    /// # Cancel safety
    ///
    /// None: dropped before it is ready, it [ends](Self#a-child-that-nobody-waits-for) the program, and what that wrote is lost.
    ///
    /// # Errors
    ///
    /// Those of [`spawn`](Self::spawn) and [`Child::communicate`]. A program that failed is no error: see its `status`.
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

    /// Runs the program to its end, and says how that was. The streams that were not chosen are those of this process. A pipe
    /// is closed at once.
    ///
    /// The call starts the program; the future, which keeps nothing of the command, waits for it.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it [ends](Self#a-child-that-nobody-waits-for) the program.
    ///
    /// # Errors
    ///
    /// Those of [`spawn`](Self::spawn) and [`Child::wait`].
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

    /// What the program is told as its own name (`argv[0]`), if it is not to be the one under which it is started.
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

    /// Takes an environment variable away, also one of this process.
    pub fn env_remove(&mut self, name: impl AsRef<OsStr>) -> &mut Self {
        self.std.env_remove(name);
        self
    }

    /// Takes all environment variables away: those set before, and those of this process.
    pub fn env_clear(&mut self) -> &mut Self {
        self.std.env_clear();
        self
    }

    /// The directory in which the program starts. Whether a `program` that is a relative path counts from there, the system
    /// decides: make it an absolute one.
    #[doc(alias = "cwd")]
    pub fn current_dir(&mut self, dir: impl AsRef<Path>) -> &mut Self {
        self.std.current_dir(dir);
        self
    }

    /// What the program reads from.
    pub fn stdin(&mut self, stdin: impl Into<Stdio>) -> &mut Self {
        self.stdin = Choice::Made(stdin.into());
        self
    }

    /// Where the program's output goes.
    pub fn stdout(&mut self, stdout: impl Into<Stdio>) -> &mut Self {
        self.stdout = Choice::Made(stdout.into());
        self
    }

    /// Where the program's errors go.
    pub fn stderr(&mut self, stderr: impl Into<Stdio>) -> &mut Self {
        self.stderr = Choice::Made(stderr.into());
        self
    }

    /// Has the program's errors go where its output goes, in the order in which it writes them, as `2>&1` in a shell;
    /// asyncio's `stderr=STDOUT`.
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

    // As whom.

    /// The user as whom the program runs. For the superuser, it gives up the supplementary groups too, as in the standard library.
    pub fn uid(&mut self, id: u32) -> &mut Self {
        self.std.uid(id);
        self
    }

    /// The group as which the program runs.
    pub fn gid(&mut self, id: u32) -> &mut Self {
        self.std.gid(id);
        self
    }

    /// The process group of the program; 0 makes a new one, which it leads, and to which its own children belong then.
    ///
    /// A child that leads a group is [ended](Self#a-child-that-nobody-waits-for) together with it: all who are in it get SIGTERM, and
    /// have the [`grace`](Self::grace) to end, also those who take longer than the child; SIGKILL ends who is left. But when somebody
    /// was told before that the child has ended, by [`Child::wait`] for example, the others go on, unless
    /// [`Child::terminate_tree`] or [`Child::kill_tree`] ends them. Ctrl-C in a terminal does not reach the group.
    ///
    /// For this the child is reaped only when its handle goes; that it has ended is told at once. Until then it is a zombie, which
    /// takes up hardly more than its process id, and keeps the number of its group from becoming another's. On systems other than
    /// Linux, Android and FreeBSD it is reaped when it ends, and from then on the group gets no signals; on FreeBSD, who is left gets
    /// SIGKILL as soon as the child has ended.
    ///
    /// For a session of its own, without the terminal of this one, asyncio's `start_new_session`, there is no method: the child would have
    /// to call `setsid(2)` before it becomes the program, which the standard library offers to `unsafe` code alone (`pre_exec`, and
    /// then [`Command::from`]). Without that, the program `setsid` does it, where there is one: `Command::new("setsid").arg(program)`.
    /// It becomes the program, under the same process id, unless it leads a process group already: don't ask for both. To end the whole
    /// session, signal its group, whose number is the process id.
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

    /// Whether the child ends when its handle is dropped; it does by default, see
    /// [above](Self#a-child-that-nobody-waits-for).
    pub fn kill_on_drop(&mut self, on: bool) -> &mut Self {
        self.kills = on;
        self
    }

    /// How long a child that is to end has time to do so by itself, from SIGTERM to SIGKILL; 2 seconds by default. With
    /// `Duration::ZERO` it gets no SIGTERM.
    ///
    /// It ends within the time that a cleanup may take ([`Builder::cleanup_timeout`](crate::Builder::cleanup_timeout), 5
    /// seconds by default): for a longer grace, make that longer too.
    pub fn grace(&mut self, grace: Duration) -> &mut Self {
        self.grace = grace;
        self
    }

    // Looking.

    /// The program.
    pub fn get_program(&self) -> &OsStr {
        self.std.get_program()
    }

    /// The arguments that were added.
    pub fn get_args(&self) -> CommandArgs<'_> {
        self.std.get_args()
    }

    /// The environment variables that were set, and those that were taken away, whose value is `None`.
    pub fn get_envs(&self) -> CommandEnvs<'_> {
        self.std.get_envs()
    }

    /// The directory in which the program starts, if it is not that of this process.
    pub fn get_current_dir(&self) -> Option<&Path> {
        self.std.get_current_dir()
    }
}

/// For what only the standard library's type can do, such as `pre_exec`. The streams are chosen as they were there; a process group
/// that was chosen there is not seen here.
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
