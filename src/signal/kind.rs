//! `SignalKind`: identifies a signal. This module knows nothing of listening.

use std::fmt;
use std::io::{self, ErrorKind};

use signal_hook::consts;
use signal_hook::low_level::signal_name;

/// Identifies a signal.
///
/// The constants have the names that the system uses. Use [`from_raw`](Self::from_raw) for signals
/// without a constant here.
///
/// # Examples
///
/// ```
/// use oneloop::signal::SignalKind;
///
/// assert_eq!(SignalKind::from_raw(SignalKind::SIGTERM.as_raw()), SignalKind::SIGTERM);
/// assert_eq!(SignalKind::SIGTERM.to_string(), "SIGTERM");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignalKind(i32);

impl SignalKind {
    /// `abort()`, or an assertion of C code.
    pub const SIGABRT: Self = Self(consts::SIGABRT);
    /// The timer of `alarm()`.
    #[doc(alias = "alarm")]
    pub const SIGALRM: Self = Self(consts::SIGALRM);
    /// A child has ended, stopped or continued.
    #[doc(alias = "child")]
    pub const SIGCHLD: Self = Self(consts::SIGCHLD);
    /// The process continues after it was stopped.
    pub const SIGCONT: Self = Self(consts::SIGCONT);
    /// The terminal is gone. Asks daemons to read their configuration again.
    #[doc(alias = "hangup")]
    pub const SIGHUP: Self = Self(consts::SIGHUP);
    /// Ctrl-C.
    #[doc(alias = "interrupt")]
    pub const SIGINT: Self = Self(consts::SIGINT);
    /// A descriptor in signal-driven mode is ready.
    #[doc(alias = "io")]
    pub const SIGIO: Self = Self(consts::SIGIO);
    /// Ends the process. A program cannot listen for it.
    pub const SIGKILL: Self = Self(consts::SIGKILL);
    /// Data was written that will not be read. Rust programs ignore it.
    #[doc(alias = "pipe")]
    pub const SIGPIPE: Self = Self(consts::SIGPIPE);
    /// Ctrl-\: ends the process, with a core dump.
    #[doc(alias = "quit")]
    pub const SIGQUIT: Self = Self(consts::SIGQUIT);
    /// The program has accessed memory that is not its own. A program cannot listen for it.
    pub const SIGSEGV: Self = Self(consts::SIGSEGV);
    /// Stops the process. A program cannot listen for it.
    pub const SIGSTOP: Self = Self(consts::SIGSTOP);
    /// Asks the process to end. `kill`, service managers and containers send it first.
    #[doc(alias = "terminate")]
    pub const SIGTERM: Self = Self(consts::SIGTERM);
    /// Ctrl-Z.
    pub const SIGTSTP: Self = Self(consts::SIGTSTP);
    /// A process in the background has read from the terminal.
    pub const SIGTTIN: Self = Self(consts::SIGTTIN);
    /// A process in the background has written to the terminal.
    pub const SIGTTOU: Self = Self(consts::SIGTTOU);
    /// Urgent data on a socket.
    pub const SIGURG: Self = Self(consts::SIGURG);
    /// Defined by the program.
    #[doc(alias = "user_defined1")]
    pub const SIGUSR1: Self = Self(consts::SIGUSR1);
    /// Defined by the program.
    #[doc(alias = "user_defined2")]
    pub const SIGUSR2: Self = Self(consts::SIGUSR2);
    /// The size of the terminal has changed.
    #[doc(alias = "window_change")]
    pub const SIGWINCH: Self = Self(consts::SIGWINCH);

    /// Returns the signal with this number on this system. [`signal`](super::signal()) checks
    /// whether it exists.
    ///
    /// A signal without a name, such as a real-time signal, is shown by its number: "signal 40".
    pub const fn from_raw(number: i32) -> Self {
        Self(number)
    }

    /// Returns the signal's number on this system.
    pub const fn as_raw(self) -> i32 {
        self.0
    }

    /// Checks whether a program may listen for the signal at all.
    pub(super) fn check(self) -> io::Result<()> {
        let reason = match self {
            Self::SIGKILL | Self::SIGSTOP => "the system lets no program handle it",
            // A handler returns to the instruction at fault, which raises the signal again.
            _ if self.0 == consts::SIGBUS || consts::FORBIDDEN.contains(&self.0) => {
                "it tells of a fault in the code that runs, which cannot go on"
            }
            _ => return Ok(()),
        };
        Err(io::Error::new(ErrorKind::InvalidInput, format!("cannot listen for {self}: {reason}")))
    }

    /// Adds to an error of the system, which says no more than a number.
    pub(super) fn refused(self, error: &io::Error) -> io::Error {
        io::Error::new(error.kind(), format!("cannot listen for {self}: {error}"))
    }
}

/// Shows the signal's name or, if it has none, its number.
impl fmt::Display for SignalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match signal_name(self.0) {
            Some(name) => f.write_str(name),
            None => write!(f, "signal {}", self.0),
        }
    }
}

impl fmt::Debug for SignalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignalKind({self})")
    }
}
