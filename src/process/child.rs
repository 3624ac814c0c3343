//! `Child`: a process that the program has started.

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

/// A process that the program has started; of [`Command::spawn`](super::Command::spawn). asyncio's `Process`.
///
/// Methods that wait or signal take `&self`, so that any number of tasks may.
///
/// A handle belongs to the loop on which the child was started. It is `Send` and may be dropped anywhere; used elsewhere,
/// each method gives an error that says so.
///
/// **Dropping it ends the child**, unless the command said [`kill_on_drop(false)`](super::Command::kill_on_drop): SIGTERM, a
/// [`grace`](super::Command::grace), SIGKILL, as [`Command`](super::Command#a-child-that-nobody-waits-for) tells. To let it
/// go on by itself: [`detach`](Self::detach).
///
/// # Signals reach the child or nobody
///
/// When a child has ended, its process id may soon be another's. It is not as long as the child was not reaped, and only the
/// loop reaps it, on this thread; afterwards [`kill`](Self::kill) and its kin do nothing, and [`id`](Self::id) is `None`. One that
/// leads a group is reaped when its handle is dropped, so that [`kill_tree`](Self::kill_tree) still reaches who is left in the group.
///
/// # Examples
///
/// A time limit, and what came out until then:
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
    /// Where to write what the child reads, if that is a pipe. Dropped, it tells the child that there is no more.
    pub stdin: Option<ChildStdin>,
    /// Where to read what the child writes, if that is a pipe. A child that writes waits when the pipe is full.
    pub stdout: Option<ChildStdout>,
    /// As `stdout`, for the child's errors.
    pub stderr: Option<ChildStderr>,
    conversation: Conversation,
    /// What is done when this is dropped.
    ending: Ending,
    pid: u32,
}

/// The ends of the pipes to a child that are to be the loop's.
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

    /// The child's output as a [`StreamReader`], for lines and records; asyncio's `process.stdout`. Takes it out of
    /// [`stdout`](Self#structfield.stdout).
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the output is not a pipe ([`Stdio::piped`](super::Stdio::piped)), or was taken out before.
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

    /// The child's errors as a [`StreamReader`]; asyncio's `process.stderr`. Takes them out of
    /// [`stderr`](Self#structfield.stderr).
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the errors do not go to a pipe, or were taken out before.
    pub fn stderr_reader(&mut self) -> io::Result<StreamReader> {
        self.stderr.take().map(StreamReader::new).ok_or_else(|| no_pipe("stderr"))
    }

    /// What the child reads, as a [`StreamWriter`]; asyncio's `process.stdin`. Takes it out of
    /// [`stdin`](Self#structfield.stdin). Closing or dropping the writer tells the child that there is no more.
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

    /// Waits until the child has ended, and says how. Ready at once, every time, when it has.
    ///
    /// Whoever else has inherited the child's streams, such as children of its own that go on, does not hold it up.
    ///
    /// A child that writes into a pipe which nobody reads may never end: [`communicate`](Self::communicate) reads. Nor may
    /// one that reads all from a pipe before that is dropped.
    ///
    /// For a time limit, [`timeout`](crate::timeout): the child goes on then.
    ///
    /// # Cancel safety
    ///
    /// It changes nothing.
    ///
    /// # Errors
    ///
    /// If other code of the program has reaped the child, as a `wait` for all children does: its status is lost then. On
    /// another thread than the loop's, and in a forked process.
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

    /// How the child has ended; `None` if it has not. asyncio's `returncode`.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    #[doc(alias = "returncode")]
    #[doc(alias = "poll")]
    pub fn try_wait(&self) -> io::Result<Option<ExitStatus>> {
        let exit = self.reaper()?.tell(self.ending.key);
        exit.map(|exit| exit.into_result(self.pid)).transpose()
    }

    /// Writes `input` to the child and closes that pipe, reads all that it writes meanwhile, and waits for its end.
    ///
    /// Streams that are no pipes, or were taken out, are left alone. That the child does not read all of the input is no
    /// error. What it writes is kept in memory, however much it is. The pipes end when all have closed them who have
    /// inherited them: a child of the child that goes on holds this up, unlike [`wait`](Self::wait).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: called again, with the same input, it goes on where it was. What it had read is part of what it
    /// returns then. Dropping it does not end the child; dropping the child does.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if there is input, and no pipe for it. Those of the pipes, but for `BrokenPipe` and `ConnectionReset`
    /// of stdin; and as [`wait`](Self::wait).
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
        // What it says may take its time, as its end may.
        let _hold = ClockHold::new();
        conversation.hold(input.as_ref(), stdin, stdout, stderr).await?;
        let status = self.wait().await?;
        let (stdout, stderr) = self.conversation.take();
        Ok(Output { status, stdout, stderr })
    }

    /// Reads all that the child writes, and waits for its end: [`communicate`](Self::communicate) without input, on a child
    /// that nobody else needs any more.
    ///
    /// # Cancel safety
    ///
    /// None: dropped before it is ready, it drops the child, which [ends](super::Command#a-child-that-nobody-waits-for) it.
    ///
    /// # Errors
    ///
    /// As [`communicate`](Self::communicate).
    pub async fn wait_with_output(mut self) -> io::Result<Output> {
        self.communicate("").await
    }

    // Signals.

    /// The process id; `None` when the child has ended, and where its loop does not run.
    #[doc(alias = "pid")]
    pub fn id(&self) -> Option<u32> {
        self.reaper().ok()?.pid(self.ending.key).map(|_| self.pid)
    }

    /// Ends the child at once: SIGKILL, which it cannot refuse. Does not wait for it. Does nothing if the child has ended.
    ///
    /// # Errors
    ///
    /// `PermissionDenied` if the child runs as somebody else now. On another thread than the loop's, and in a forked process.
    #[doc(alias = "start_kill")]
    pub fn kill(&self) -> io::Result<()> {
        self.signal(Signal::SIGKILL)
    }

    /// Asks the child to end: SIGTERM. Does not wait for it. Does nothing if the child has ended.
    ///
    /// # Errors
    ///
    /// As [`kill`](Self::kill).
    pub fn terminate(&self) -> io::Result<()> {
        self.signal(Signal::SIGTERM)
    }

    /// Sends a signal to the child. Does nothing if the child has ended.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a signal without a name, such as those for real time. As [`kill`](Self::kill).
    pub fn send_signal(&self, signal: SignalKind) -> io::Result<()> {
        let named = Signal::try_from(signal.as_raw()).map_err(|_| {
            let message = format!("cannot send {signal}: only signals with a name can be sent");
            io::Error::new(ErrorKind::InvalidInput, message)
        })?;
        self.signal(named)
    }

    /// Ends the child and all that it has started, at once: SIGKILL to its children, their children and so on. If it leads a
    /// group ([`process_group(0)`](super::Command::process_group)), also to all in that and their children, whether the child has
    /// ended or not. Does not wait for them. If the child has ended and led no group, it does nothing.
    ///
    /// They are found in `/proc`, and stopped as they are found, so that they start no more. Not found, but for those in the
    /// group, are those whose parent has ended before, as daemons do; and nobody outside of Linux, nor in a container whose `/proc` is
    /// that of another PID namespace. It blocks the loop while
    /// it reads about all processes of the system, about two milliseconds for a hundred.
    ///
    /// # Errors
    ///
    /// As [`kill`](Self::kill). Those that run as somebody else, and may not be signalled, are left alone. If the child led a group
    /// and was reaped, by other code or because the system cannot show its end otherwise: the number of the group may be another's
    /// then.
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
    ///     let output = child.communicate("").await?; // nobody holds the pipe any more
    ///     assert!(output.stdout.is_empty());
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "killpg")]
    pub fn kill_tree(&self) -> io::Result<()> {
        self.signal_tree(Signal::SIGKILL)
    }

    /// Asks the child and all that it has started to end: SIGTERM to those whom [`kill_tree`](Self::kill_tree) would kill, on the
    /// same terms. Those that are stopped go on.
    ///
    /// # Errors
    ///
    /// As [`kill_tree`](Self::kill_tree).
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

    /// Lets the child go on by itself. It is reaped when it ends, also after its loop.
    ///
    /// Its pipes are closed, if they were not taken out.
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
