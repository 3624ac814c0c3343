//! `CleanupError`: the failure of a cleanup, for the code that awaits its task.

use std::error::Error;
use std::fmt;
use std::io;
use std::panic::Location;

use super::unhandled::{describe, panic_message};
use crate::runtime::context::discard;
use crate::runtime::data::failed_cleanup::{CleanupCause, FailedCleanup};
use crate::runtime::data::one_line::OneLine;
use crate::runtime::data::record::Place;
use crate::runtime::deferred::drop_reported;

/// The failure of a [cleanup](crate::with_cleanup), once its task had ended without an output. It
/// is in the task's [`JoinError`](crate::JoinError::cleanup_errors), or in the
/// [`TaskError`](crate::task::TaskError::cleanup_errors) of its group.
///
/// It holds the text of the error or the panic. It holds the error itself only if that is an
/// [`io::Error`], because other errors need not be `Send`. Its `Display` is one line.
///
/// # Examples
///
/// ```
/// use std::future::pending;
/// use std::io::{Error, ErrorKind};
///
/// oneloop::run(async {
///     let task = oneloop::create_task(async {
///         let _guard = oneloop::with_cleanup((), async |()| Err::<(), _>(Error::from(ErrorKind::StorageFull)));
///         pending::<()>().await;
///     });
///     oneloop::yield_now().await;
///     task.cancel();
///     let error = task.await.unwrap_err();
///     assert!(error.is_cancelled());
///     let [cleanup] = error.cleanup_errors() else { panic!("one cleanup failed") };
///     assert_eq!(cleanup.io_error().unwrap().kind(), ErrorKind::StorageFull);
/// });
/// ```
pub struct CleanupError {
    task: Option<(String, Place)>,
    place: Option<Place>,
    message: String,
    is_panic: bool,
    io_error: Option<io::Error>,
}

impl CleanupError {
    /// Makes the error. This runs user code: it displays the error, and drops it.
    pub(crate) fn of(failed: FailedCleanup) -> Self {
        let FailedCleanup { task, place, cause } = failed;
        let task = task.map(|task| (task.name(), task.place));
        match cause {
            CleanupCause::Error(error) => {
                let (message, is_panic) = match describe(&*error) {
                    Ok(described) => (described.text, false),
                    Err(message) => (message, true),
                };
                let io_error = match error.downcast::<io::Error>() {
                    Ok(error) => Some(*error),
                    Err(error) => {
                        drop_reported(error);
                        None
                    }
                };
                Self { task, place, message, is_panic, io_error }
            }
            CleanupCause::Panic(payload) => {
                let message = panic_message(&*payload).to_owned();
                discard(payload);
                Self { task, place, message, is_panic: true, io_error: None }
            }
        }
    }

    /// The error followed by its causes, or the message of the panic. It is not escaped, and may
    /// have several lines.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether the cleanup panicked. Otherwise it ended with an error.
    pub fn is_panic(&self) -> bool {
        self.is_panic
    }

    /// The error, if it is an [`io::Error`].
    pub fn io_error(&self) -> Option<&io::Error> {
        self.io_error.as_ref()
    }

    /// The name of the task that left the cleanup. If the task awaited a group, this can be a child
    /// that was dropped with it.
    pub fn task_name(&self) -> Option<&str> {
        self.task.as_ref().map(|(name, _)| name.as_str())
    }

    /// Where the cleanup's guard was made, if known.
    pub fn place(&self) -> Option<&'static Location<'static>> {
        self.place
    }

    /// Where the task that left the cleanup was created.
    pub(super) fn task_place(&self) -> Option<Place> {
        self.task.as_ref().map(|(_, place)| *place)
    }

    pub(super) fn into_io_error(self) -> Option<io::Error> {
        self.io_error
    }
}

impl fmt::Display for CleanupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a cleanup")?;
        if let Some(place) = self.place {
            write!(f, ", made at {place},")?;
        }
        let verb = if self.is_panic { "panicked" } else { "failed" };
        write!(f, " {verb}: {}", OneLine(&self.message))
    }
}

impl fmt::Debug for CleanupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CleanupError({self})")
    }
}

/// The source is the error, if it is an [`io::Error`].
impl Error for CleanupError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.io_error.as_ref()?)
    }
}
