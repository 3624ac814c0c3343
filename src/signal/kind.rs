//! `SignalKind`: which signal. Knows nothing of listening.

use std::fmt;
use std::io::{self, ErrorKind};

use signal_hook::consts;
use signal_hook::low_level::signal_name;

/// Which signal.
///
/// The constants have the names that the system gives them; those without one here come by [`from_raw`](Self::from_raw).
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
    /// A child has ended, stopped or gone on.
    #[doc(alias = "child")]
    pub const SIGCHLD: Self = Self(consts::SIGCHLD);
    /// The process goes on after it was stopped.
    pub const SIGCONT: Self = Self(consts::SIGCONT);
    /// The terminal is gone; to daemons: read the configuration again.
    #[doc(alias = "hangup")]
    pub const SIGHUP: Self = Self(consts::SIGHUP);
    /// Ctrl-C.
    #[doc(alias = "interrupt")]
    pub const SIGINT: Self = Self(consts::SIGINT);
    /// A descriptor in signal-driven mode is ready.
    #[doc(alias = "io")]
    pub const SIGIO: Self = Self(consts::SIGIO);
    /// Ends the process. Nobody can listen for it.
    pub const SIGKILL: Self = Self(consts::SIGKILL);
    /// Something was written that nobody will read. Rust's programs ignore it.
    #[doc(alias = "pipe")]
    pub const SIGPIPE: Self = Self(consts::SIGPIPE);
    /// Ctrl-\: ends the process, with a core dump.
    #[doc(alias = "quit")]
    pub const SIGQUIT: Self = Self(consts::SIGQUIT);
    /// The program has used memory that is not its own. Nobody can listen for it.
    pub const SIGSEGV: Self = Self(consts::SIGSEGV);
    /// Stops the process. Nobody can listen for it.
    pub const SIGSTOP: Self = Self(consts::SIGSTOP);
    /// Please end: what `kill`, service managers and containers send first.
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
    /// What the program makes of it.
    #[doc(alias = "user_defined1")]
    pub const SIGUSR1: Self = Self(consts::SIGUSR1);
    /// What the program makes of it.
    #[doc(alias = "user_defined2")]
    pub const SIGUSR2: Self = Self(consts::SIGUSR2);
    /// The terminal has another size.
    #[doc(alias = "window_change")]
    pub const SIGWINCH: Self = Self(consts::SIGWINCH);

    /// The signal of this number on this system. Whether there is one, [`signal`](super::signal()) says.
    ///
    /// One without a name, such as those for real time, is shown by its number: "signal 40".
    pub const fn from_raw(number: i32) -> Self {
        Self(number)
    }

    /// Its number on this system.
    pub const fn as_raw(self) -> i32 {
        self.0
    }

    /// Whether a program may listen for it at all.
    pub(super) fn check(self) -> io::Result<()> {
        let reason = match self {
            Self::SIGKILL | Self::SIGSTOP => "the system lets no program handle it",
            // Whoever handles it goes back to the instruction at fault, which raises it again.
            _ if self.0 == consts::SIGBUS || consts::FORBIDDEN.contains(&self.0) => {
                "it tells of a fault in the code that runs, which cannot go on"
            }
            _ => return Ok(()),
        };
        Err(io::Error::new(
            ErrorKind::InvalidInput,
            format!("nobody can listen for {self}: {reason}"),
        ))
    }

    /// The error of the system, which says no more than a number.
    pub(super) fn refused(self, error: &io::Error) -> io::Error {
        io::Error::new(error.kind(), format!("cannot listen for {self}: {error}"))
    }
}

/// Its name or, if it has none, its number.
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
