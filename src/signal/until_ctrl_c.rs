//! Runs a future that Ctrl-C cancels.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind, Write as _};
use std::panic::{self, Location};

use super::asked::{run_unless_asked, unless_asked};
use super::presses::Presses;
use super::{SignalKind, default_action};
use crate::runtime::{Builder, Payload, Runtime};

/// Like [`run`](crate::run), but Ctrl-C cancels `main`, like in Python's `asyncio.run`.
///
/// `#[oneloop::main]` does the same, and then ends the process by the signal. There the program may
/// also listen for Ctrl-C itself. Here, Ctrl-C cancels `main` even if other code hears it too.
///
/// The first Ctrl-C (SIGINT) asks the program to end: `main` is dropped where it waits and its
/// [cleanups](crate::with_cleanup) run; then all other tasks are cancelled, and their cleanups run.
/// The second one insists: the remaining cleanups are dropped where they wait, which is reported,
/// and this returns at once. If `main` was ready first, its output is returned.
///
/// Afterwards Ctrl-C has the effect it had before the run; see the
/// [module](crate::signal#signals-without-a-listener). Presses that come so quickly that the
/// loop sees them together count as one. Code that does not `await` is not interrupted; Ctrl-\ ends
/// a program that is stuck in it.
///
/// SIGTERM, which service managers and containers send, still ends the program at once, as in
/// asyncio. A server that should end in order for both awaits [`shutdown`](super::shutdown) in its
/// `main` instead, as the example `graceful_shutdown` does.
///
/// # Errors
///
/// [`Interrupted`] if Ctrl-C cancelled `main`. [`Interrupted::exit`] ends the process by the
/// signal, as shells expect.
///
/// # Panics
///
/// Same as [`run`](crate::run). Also panics if there are no descriptors left to listen with.
///
/// # Examples
///
/// ```no_run
/// use std::io;
///
/// async fn serve() -> io::Result<()> {
///     std::future::pending().await
/// }
///
/// fn main() -> io::Result<()> {
///     oneloop::run_until_ctrl_c(serve()).unwrap_or_else(|interrupted| interrupted.exit())
/// }
/// ```
#[track_caller]
#[doc(alias = "KeyboardInterrupt")]
pub fn run_until_ctrl_c<F: IntoFuture>(main: F) -> Result<F::Output, Interrupted> {
    Builder::new().run_until_ctrl_c(main)
}

impl Builder {
    /// Makes the loop and runs `main` on it until Ctrl-C; see [`run_until_ctrl_c`].
    ///
    /// # Errors
    ///
    /// [`Interrupted`] if Ctrl-C cancelled `main`.
    ///
    /// # Panics
    ///
    /// Same as [`run_until_ctrl_c`].
    #[track_caller]
    pub fn run_until_ctrl_c<F: IntoFuture>(self, main: F) -> Result<F::Output, Interrupted> {
        let runtime = match self.build() {
            Ok(runtime) => runtime,
            Err(error) => panic!("cannot make an event loop: {error}"),
        };
        let mut presses = Presses::of(&runtime);
        let main = main.into_future();
        let output = run_unless_asked(runtime, main, &mut presses, Location::caller());
        result_of(output, presses)
    }
}

impl Runtime {
    /// Like [`Runtime::run`], but Ctrl-C cancels `main`.
    ///
    /// The first Ctrl-C (SIGINT) drops `main` where it waits, and its
    /// [cleanups](crate::with_cleanup) run. The second one cuts these off. The other tasks wait for
    /// the next run. Everything else is the same as in [`run_until_ctrl_c`].
    ///
    /// # Errors
    ///
    /// [`Interrupted`] if Ctrl-C cancelled `main`.
    ///
    /// # Panics
    ///
    /// Same as [`Runtime::run`]. Also panics if there are no descriptors left to listen with.
    ///
    /// # Examples
    ///
    /// ```
    /// use nix::sys::signal::{Signal, raise};
    ///
    /// let mut runtime = oneloop::Runtime::new()?;
    /// assert_eq!(runtime.run_until_ctrl_c(async { 42 }), Ok(42));
    ///
    /// let result = runtime.run_until_ctrl_c(async {
    ///     raise(Signal::SIGINT).unwrap();
    ///     std::future::pending::<()>().await;
    /// });
    /// assert_eq!(result.unwrap_err().to_string(), "interrupted by Ctrl-C");
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn run_until_ctrl_c<F: IntoFuture>(&mut self, main: F) -> Result<F::Output, Interrupted> {
        let mut presses = Presses::of(self);
        let main = unless_asked(main.into_future(), &mut presses);
        let output = self.run_caught(main, Location::caller());
        result_of(output, presses)
    }
}

/// The caller gets the result, or the panic, once the signals have their former effect again.
pub(super) fn result_of<T>(
    output: Result<Option<T>, Payload>,
    presses: Presses,
) -> Result<T, Interrupted> {
    let kind = presses.first().unwrap_or(SignalKind::SIGINT);
    drop(presses);
    let output = output.unwrap_or_else(|payload| panic::resume_unwind(payload));
    output.ok_or(Interrupted(kind))
}

/// The error of [`run_until_ctrl_c`] and its relatives: a signal cancelled the future before it was
/// ready.
#[derive(Clone, Copy, PartialEq, Eq)]
#[doc(alias = "KeyboardInterrupt")]
pub struct Interrupted(SignalKind);

impl Interrupted {
    pub(crate) fn by(kind: SignalKind) -> Self {
        Self(kind)
    }

    /// Returns the signal.
    pub fn kind(self) -> SignalKind {
        self.0
    }

    /// Ends the process by the signal, as if the program had not listened for it. A shell that runs
    /// the program in a script or a loop then stops too, which status 130 alone does not achieve.
    ///
    /// This flushes the standard output. No destructors run, as with [`std::process::exit`].
    ///
    /// # Examples
    ///
    /// ```no_run
    /// let main = async { std::future::pending::<()>().await };
    /// oneloop::run_until_ctrl_c(main).unwrap_or_else(|interrupted| interrupted.exit());
    /// ```
    pub fn exit(self) -> ! {
        // Data that cannot be written now is lost either way.
        io::stdout().flush().ok();
        default_action::end_process(self.0)
    }
}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            SignalKind::SIGINT => f.write_str("interrupted by Ctrl-C"),
            kind => write!(f, "interrupted by {kind}"),
        }
    }
}

impl fmt::Debug for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Interrupted({self})")
    }
}

impl Error for Interrupted {}

/// The error has the kind `Interrupted`.
impl From<Interrupted> for io::Error {
    fn from(error: Interrupted) -> Self {
        Self::new(ErrorKind::Interrupted, error)
    }
}
