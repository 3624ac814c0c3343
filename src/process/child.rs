//! `Child`: a process that this program has started.

use std::fmt;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::process::{ExitStatus, Output};
use std::rc::Rc;

use nix::sys::signal::Signal;

use super::communicate::Conversation;
use super::ending::Ending;
use super::reaper::{Exited, Reaper, Target};
use super::{ChildStderr, ChildStdin, ChildStdout, tree};
use crate::io::{StreamReader, StreamWriter};
use crate::runtime::ClockHold;
use crate::signal::SignalKind;

/// A process that this program has started; made by [`Command::spawn`](super::Command::spawn). It
/// is asyncio's `Process`.
///
/// Methods that wait or signal take `&self`, so any number of tasks may use them.
///
/// A handle belongs to the loop on which the child was started. It is `Send` and may be dropped
/// anywhere. Used elsewhere, each method returns an error that says so.
///
/// **Dropping it ends the child**, unless the command set
/// [`kill_on_drop(false)`](super::Command::kill_on_drop): SIGTERM, a
/// [`grace`](super::Command::grace) period, SIGKILL, as
/// [`Command`](super::Command#a-child-that-is-not-awaited) describes. Use
/// [`detach`](Self::detach) to let the child go on by itself.
///
/// # Signals reach only the child
///
/// After a child has ended, its process id may soon belong to another process. That cannot happen
/// until the child is reaped, and only the loop reaps it, on this thread. After that
/// [`kill`](Self::kill) and its relatives do nothing, and [`id`](Self::id) is `None`. A child that
/// leads a group is reaped when its handle is dropped, so that [`kill_tree`](Self::kill_tree) still
/// reaches the processes left in the group.
///
/// # Examples
///
/// Set a time limit, and read the output up to then:
///
/// ```
/// use oneloop::process::{Command, Stdio};
/// use oneloop::timeout;
/// use std::time::Duration;
///
/// oneloop::run(async {
///     let mut command = Command::shell("echo so far; exec sleep 60");
///     let mut child = command.stdout(Stdio::piped()).spawn()?;
///     let limit = Duration::from_millis(20);
///     let output = match timeout(limit, child.communicate("")).await {
///         Ok(output) => output?,
///         Err(_) => {
///             child.kill()?;
///             child.communicate("").await?
///         }
///     };
///     assert!(!output.status.success());
/// #   assert!(output.stdout.is_empty() || output.stdout == b"so far\n");
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[must_use = "dropped, it ends the child"]
pub struct Child {
    /// The pipe to the child's input, if that is a pipe. Dropping it tells the child that no more
    /// input comes.
    pub stdin: Option<ChildStdin>,
    /// The pipe from the child's output, if that is a pipe. A child that writes waits while the
    /// pipe is full.
    pub stdout: Option<ChildStdout>,
    /// Like `stdout`, for the child's errors.
    pub stderr: Option<ChildStderr>,
    conversation: Conversation,
    /// What happens when this is dropped.
    ending: Ending,
    pid: u32,
}

/// The loop's ends of the pipes to a child.
pub(super) struct Pipes {
    pub(super) stdin: Option<OwnedFd>,
    pub(super) stdout: Option<OwnedFd>,
    pub(super) stderr: Option<OwnedFd>,
}

impl Child {
    pub(super) fn new(ending: Ending, pid: u32) -> Self {
        let (stdin, stdout, stderr) = (None, None, None);
        Self { stdin, stdout, stderr, conversation: Conversation::default(), ending, pid }
    }

    // Streams.

    /// Takes the child's output out of [`stdout`](Self#structfield.stdout) as a [`StreamReader`],
    /// for lines and records. This is asyncio's `process.stdout`.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the output is not a pipe ([`Stdio::piped`](super::Stdio::piped)), or was
    /// taken out before.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::process::{Command, Stdio};
    ///
    /// oneloop::run(async {
    ///     let mut child = Command::shell("echo one; echo two").stdout(Stdio::piped()).spawn()?;
    ///     let mut stdout = child.stdout_reader()?;
    ///     assert_eq!(stdout.readline().await?, b"one\n");
    ///     assert_eq!(stdout.readline().await?, b"two\n");
    ///     assert!(child.wait().await?.success());
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn stdout_reader(&mut self) -> io::Result<StreamReader> {
        self.stdout.take().map(StreamReader::new).ok_or_else(|| no_pipe("stdout"))
    }

    /// Takes the child's errors out of [`stderr`](Self#structfield.stderr) as a [`StreamReader`].
    /// This is asyncio's `process.stderr`.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the errors do not go to a pipe, or were taken out before.
    pub fn stderr_reader(&mut self) -> io::Result<StreamReader> {
        self.stderr.take().map(StreamReader::new).ok_or_else(|| no_pipe("stderr"))
    }

    /// Takes the child's input out of [`stdin`](Self#structfield.stdin) as a [`StreamWriter`]. This
    /// is asyncio's `process.stdin`. Closing or dropping the writer tells the child that no more
    /// input comes.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the child does not read from a pipe, or the pipe was taken out before.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::process::{Command, Stdio};
    ///
    /// oneloop::run(async {
    ///     let mut sort = Command::new("sort");
    ///     let mut child = sort.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    ///     let (mut stdin, mut stdout) = (child.stdin_writer()?, child.stdout_reader()?);
    ///     stdin.write("pear\napple\n");
    ///     stdin.drain().await?;
    ///     stdin.close();
    ///     assert_eq!(stdout.readline().await?, b"apple\n");
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn stdin_writer(&mut self) -> io::Result<StreamWriter> {
        match self.stdin.take() {
            Some(stdin) => Ok(StreamWriter::new(stdin)),
            None => Err(no_pipe("stdin")),
        }
    }

    // Waiting.

    /// Waits until the child has ended, and returns its exit status. Once it has ended, every call
    /// is ready at once.
    ///
    /// Other processes that inherited the child's streams, such as its own children that go on, do
    /// not delay this.
    ///
    /// A child that writes into a pipe that is not read may never end;
    /// [`communicate`](Self::communicate) reads it. Neither may a child that reads a pipe to its
    /// end before that pipe is dropped.
    ///
    /// Use [`timeout`](crate::timeout) for a time limit: the child goes on after it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    ///
    /// # Errors
    ///
    /// An error if other code of the program has reaped the child, for example by a `wait` for all
    /// children: its status is then lost. An error on any thread other than the loop's, and in a
    /// forked process.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::process::Command;
    ///
    /// oneloop::run(async {
    ///     let child = Command::shell("exit 7").spawn()?;
    ///     let (first, second) = oneloop::try_gather!(child.wait(), child.wait()).await?;
    ///     assert_eq!(first.code(), Some(7));
    ///     assert_eq!(first, second);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn wait(&self) -> io::Result<ExitStatus> {
        let exit = Exited::new(self.ending.home, self.ending.key).await?;
        exit.into_result(self.pid)
    }

    /// Returns how the child has ended, or `None` if it has not. This is asyncio's `returncode`.
    ///
    /// # Errors
    ///
    /// Same as [`wait`](Self::wait).
    #[doc(alias = "returncode")]
    #[doc(alias = "poll")]
    pub fn try_wait(&self) -> io::Result<Option<ExitStatus>> {
        let exit = self.reaper()?.tell(self.ending.key);
        exit.map(|exit| exit.into_result(self.pid)).transpose()
    }

    /// Writes `input` to the child and closes that pipe, meanwhile reads everything the child
    /// writes, and waits for its end.
    ///
    /// Streams that are not pipes, or were taken out, are left alone. It is not an error if the
    /// child does not read all of the input. Its output is kept in memory, however large it is. A
    /// pipe ends when every process that inherited it has closed it: unlike [`wait`](Self::wait),
    /// this is delayed by a child of the child that goes on.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: called again with the same input, it continues where it was, and returns
    /// the output read before as well. Dropping the future does not end the child; dropping the
    /// child does.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if there is input, but no pipe for it. Any error of the pipes, except
    /// `BrokenPipe` and `ConnectionReset` of stdin. Otherwise the same as [`wait`](Self::wait).
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::process::{Command, Stdio};
    ///
    /// oneloop::run(async {
    ///     let mut sort = Command::new("sort");
    ///     let mut child = sort.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    ///     let output = child.communicate("pear\napple\n").await?;
    ///     assert_eq!(output.stdout, b"apple\npear\n");
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn communicate(&mut self, input: impl AsRef<[u8]>) -> io::Result<Output> {
        let Self { stdin, stdout, stderr, conversation, .. } = self;
        // Both its output and its end may take time.
        let _hold = ClockHold::new();
        conversation.hold(input.as_ref(), stdin, stdout, stderr).await?;
        let status = self.wait().await?;
        let (stdout, stderr) = self.conversation.take();
        Ok(Output { status, stdout, stderr })
    }

    /// Reads everything the child writes, and waits for its end. This is
    /// [`communicate`](Self::communicate) without input, for a child that is not needed afterwards.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: dropping the future drops the child, which
    /// [ends](super::Command#a-child-that-is-not-awaited) it.
    ///
    /// # Errors
    ///
    /// Same as [`communicate`](Self::communicate).
    pub async fn wait_with_output(mut self) -> io::Result<Output> {
        self.communicate("").await
    }

    // Signals.

    /// Returns the process id, or `None` when the child has ended, and where its loop does not run.
    #[doc(alias = "pid")]
    pub fn id(&self) -> Option<u32> {
        self.reaper().ok()?.pid(self.ending.key).map(|_| self.pid)
    }

    /// Ends the child at once with SIGKILL, which it cannot refuse. Does not wait for it. Does
    /// nothing if the child has ended.
    ///
    /// # Errors
    ///
    /// `PermissionDenied` if the child now runs as another user. An error on any thread other than
    /// the loop's, and in a forked process.
    #[doc(alias = "start_kill")]
    pub fn kill(&self) -> io::Result<()> {
        self.signal(Signal::SIGKILL)
    }

    /// Asks the child to end with SIGTERM. Does not wait for it. Does nothing if the child has
    /// ended.
    ///
    /// # Errors
    ///
    /// Same as [`kill`](Self::kill).
    pub fn terminate(&self) -> io::Result<()> {
        self.signal(Signal::SIGTERM)
    }

    /// Sends a signal to the child. Does nothing if the child has ended.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a signal without a name, such as a real-time signal. Otherwise the same
    /// as [`kill`](Self::kill).
    pub fn send_signal(&self, signal: SignalKind) -> io::Result<()> {
        let named = Signal::try_from(signal.as_raw()).map_err(|_| {
            let message = format!("cannot send {signal}: only signals with a name can be sent");
            io::Error::new(ErrorKind::InvalidInput, message)
        })?;
        self.signal(named)
    }

    /// Ends the child and everything it has started, at once: sends SIGKILL to its children, their
    /// children and so on. If the child leads a group
    /// ([`process_group(0)`](super::Command::process_group)), this includes all processes in the
    /// group and their children, whether the child has ended or not. Does not wait for them. Does
    /// nothing if the child has ended and led no group.
    ///
    /// The processes are found in `/proc`, and stopped as they are found, so they start no more.
    /// Outside the group, a process whose parent has ended before is not found, which is how
    /// daemons work. None are found on systems other than Linux, or in a container whose `/proc`
    /// belongs to another PID namespace. The call blocks the loop while it reads about all
    /// processes of the system, about two milliseconds for a hundred.
    ///
    /// # Errors
    ///
    /// Same as [`kill`](Self::kill). Processes that run as another user, and may not be signalled,
    /// are left alone. An error if the child led a group and was reaped, by other code or because
    /// the system has no other way to show its end: the number of the group may then belong to
    /// another.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::process::{Command, Stdio};
    ///
    /// oneloop::run(async {
    ///     let mut command = Command::shell("sleep 60 &"); // the shell itself ends at once
    ///     let mut child = command.stdout(Stdio::piped()).process_group(0).spawn()?;
    ///     assert!(child.wait().await?.success());
    ///     child.kill_tree()?;
    ///     let output = child.communicate("").await?; // no process holds the pipe any more
    ///     assert!(output.stdout.is_empty());
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "killpg")]
    pub fn kill_tree(&self) -> io::Result<()> {
        self.signal_tree(Signal::SIGKILL)
    }

    /// Asks the child and everything it has started to end: sends SIGTERM to the processes that
    /// [`kill_tree`](Self::kill_tree) would kill, under the same conditions. Stopped processes
    /// continue.
    ///
    /// # Errors
    ///
    /// Same as [`kill_tree`](Self::kill_tree).
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::process::{Command, Stdio};
    ///
    /// oneloop::run(async {
    ///     let mut command = Command::shell("sleep 60 | cat");
    ///     let child = command.stdin(Stdio::null()).process_group(0).spawn()?;
    ///     child.terminate_tree()?;
    ///     assert!(!child.wait().await?.success());
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "killpg")]
    pub fn terminate_tree(&self) -> io::Result<()> {
        self.signal_tree(Signal::SIGTERM)
    }

    /// Lets the child go on by itself. It is reaped when it ends, even if its loop ends first.
    ///
    /// Its pipes are closed, unless they were taken out.
    pub fn detach(mut self) {
        self.ending.kills = false;
    }

    fn signal_tree(&self, signal: Signal) -> io::Result<()> {
        let Ending { key, target, .. } = self.ending;
        let reaper = self.reaper()?;
        let group = reaper.group(key);
        match reaper.running_pid(key).or(group) {
            Some(root) => tree::signal_below(root, group.is_some(), signal),
            None if target == Target::Process => return Ok(()),
            None => {
                return Err(io::Error::other(format!(
                    "process {pid} has ended and was reaped: who is left in its group cannot be signalled, since {pid} may be another's now",
                    pid = self.pid
                )));
            }
        }
        let sent = reaper.signal(key, target, signal);
        // They were stopped.
        reaper.signal(key, target, Signal::SIGCONT).and(sent)
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        self.reaper()?.signal(self.ending.key, Target::Process, signal)
    }

    fn reaper(&self) -> io::Result<Rc<Reaper>> {
        Reaper::of(self.ending.home)
    }
}

fn no_pipe(name: &str) -> io::Error {
    let message = format!(
        "the child has no {name} here: make it a pipe, with `{name}(Stdio::piped())`, and take it once"
    );
    io::Error::new(ErrorKind::InvalidInput, message)
}

impl Drop for Child {
    fn drop(&mut self) {
        self.ending.begin();
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child").field("pid", &self.pid).finish_non_exhaustive()
    }
}
