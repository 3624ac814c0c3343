//! `UnhandledKind`: the kind of a report.

use crate::runtime::data::log::log_line::Level;

/// The kind of a report, for a hook that treats some reports differently from others; see
/// [`Unhandled::kind`].
///
/// [`Unhandled::kind`]: crate::Unhandled::kind
///
/// # Examples
///
/// ```
/// use oneloop::UnhandledKind;
///
/// oneloop::Builder::new()
///     .on_unhandled(|unhandled| match unhandled.kind() {
///         UnhandledKind::AcceptPaused => {} // it goes on by itself
///         _ => eprintln!("{unhandled}"),
///     })
///     .run(async {});
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UnhandledKind {
    /// A task that cannot be awaited ended with an `Err`: it was detached, or it is the handler of
    /// a server.
    TaskFailed,
    /// A task that can no longer be awaited panicked.
    TaskPanicked,
    /// Code that the loop called panicked: a function passed to [`call_soon`](crate::call_soon),
    /// the waker of another executor, or the drop of a task's output.
    CallbackPanicked,
    /// A [cleanup](crate::with_cleanup) ended with an `Err`, and no code that awaits its task
    /// [sees](crate::JoinError::cleanup_errors) it.
    CleanupFailed,
    /// A cleanup panicked.
    CleanupPanicked,
    /// A cleanup took longer than [`Builder::cleanup_timeout`](crate::Builder::cleanup_timeout),
    /// and was dropped.
    CleanupCutOff,
    /// A cleanup could not start: its loop or the time of its task was over.
    CleanupSkipped,
    /// A [call on another thread](crate::thread::to_thread) that is no longer awaited panicked.
    CallPanicked,
    /// A call on another thread outlasts the loop.
    CallCutOff,
    /// An operation of a file or a socket failed when it was no longer awaited.
    OperationFailed,
    /// A dropped [`StreamWriter`](crate::io::StreamWriter) could not send all of its data.
    Unsent,
    /// A listener cannot accept connections for now, because descriptors or memory have run out. It
    /// tries again by itself.
    AcceptPaused,
    /// A server has closed a listener, because it can no longer accept connections.
    AcceptFailed,
    /// A server has closed an accepted connection, because the loop could not register it.
    ConnectionGivenUp,
}

impl UnhandledKind {
    pub(crate) fn is_panic(self) -> bool {
        use UnhandledKind::{CallPanicked, CallbackPanicked, CleanupPanicked, TaskPanicked};

        matches!(self, TaskPanicked | CallbackPanicked | CleanupPanicked | CallPanicked)
    }

    pub(crate) fn is_cleanup(self) -> bool {
        use UnhandledKind::{CleanupCutOff, CleanupFailed, CleanupPanicked, CleanupSkipped};

        matches!(self, CleanupFailed | CleanupPanicked | CleanupCutOff | CleanupSkipped)
    }

    pub(crate) fn is_call(self) -> bool {
        matches!(self, Self::CallPanicked | Self::CallCutOff)
    }

    /// The kind of the report if displaying the error panics.
    pub(super) fn as_panic(self) -> Self {
        if self == Self::TaskFailed {
            Self::TaskPanicked
        } else if self == Self::CleanupFailed {
            Self::CleanupPanicked
        } else {
            self
        }
    }

    /// The level of the report's line in the log.
    pub(super) fn level(self) -> Level {
        let is_warning = matches!(self, Self::AcceptPaused | Self::ConnectionGivenUp);
        if is_warning { Level::Warn } else { Level::Error }
    }

    /// The verb of the report's line.
    pub(super) fn verb(self) -> &'static str {
        match self {
            Self::TaskFailed | Self::OperationFailed => "failed, and nobody awaits it",
            Self::TaskPanicked | Self::CallPanicked | Self::CallbackPanicked => {
                "panicked, and nobody awaits it"
            }
            Self::CleanupFailed => "failed",
            Self::CleanupPanicked => "panicked",
            Self::CleanupCutOff | Self::CallCutOff => "was cut off",
            Self::CleanupSkipped => "was skipped",
            Self::AcceptPaused => "accepts no connections for now; they wait in the backlog",
            Self::AcceptFailed => "accepts no more connections",
            Self::ConnectionGivenUp => "was given up",
            Self::Unsent => "could not send all",
        }
    }
}
