//! What is reported because nobody is left to see it: a panic or an error that no handle will take.

use std::any::Any;
use std::fmt;
use std::panic::Location;

use crate::runtime::data::record::{Place, TaskLabel};

/// A panic or an error that nobody awaits any more, or something that could not be done to its end: a cleanup, a call on another
/// thread, the sending of what was written to a [`StreamWriter`](crate::io::StreamWriter); see
/// [`Builder::on_unhandled`](crate::Builder::on_unhandled).
///
/// Its `Display` is one line for a log.
#[derive(Debug, Clone)]
pub struct Unhandled {
    task: Option<(String, Place)>,
    /// Of a call on another thread.
    call: Option<Place>,
    /// Of a writer that is gone.
    writer: Option<Place>,
    /// What that call does, if it is none of the user's.
    operation: Option<String>,
    what: What,
    message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    TaskFailed,
    TaskPanicked,
    CleanupFailed,
    CleanupPanicked,
    CleanupCutOff,
    CleanupSkipped,
    CallPanicked,
    CallCutOff,
    OperationFailed,
    Unsent,
}

/// Why there is no time for a cleanup.
#[derive(Clone, Copy)]
pub(crate) enum TooLate {
    /// The loop had ended.
    LoopOver,
    /// The time of its task was up.
    TaskOver,
    Hurried(&'static str),
}

impl Unhandled {
    fn new(task: Option<&TaskLabel>, what: What, message: String) -> Self {
        let task = task.map(|task| (task.name(), task.place));
        Self { task, call: None, writer: None, operation: None, what, message }
    }

    pub(crate) fn panic(task: Option<&TaskLabel>, payload: &(dyn Any + Send)) -> Self {
        Self::new(task, What::TaskPanicked, panic_message(payload).to_owned())
    }

    pub(crate) fn error(task: &TaskLabel, message: String) -> Self {
        Self::new(Some(task), What::TaskFailed, message)
    }

    pub(crate) fn cleanup_panic(owner: Option<&TaskLabel>, payload: &(dyn Any + Send)) -> Self {
        Self::new(owner, What::CleanupPanicked, panic_message(payload).to_owned())
    }

    pub(crate) fn cleanup_error(owner: Option<&TaskLabel>, message: String) -> Self {
        Self::new(owner, What::CleanupFailed, message)
    }

    /// The time for the cleanup made at `place` was up, or somebody was in a hurry.
    pub(crate) fn cut_off(
        owner: Option<&TaskLabel>,
        place: Place,
        why_hurried: Option<&'static str>,
    ) -> Self {
        let message = match why_hurried {
            Some(why) => format!("the cleanup made at {place} had not ended when {why}"),
            None => format!(
                "the cleanup made at {place} took longer than allowed: shorten it, or raise `Builder::cleanup_timeout`"
            ),
        };
        Self::new(owner, What::CleanupCutOff, message)
    }

    /// The cleanup made at `place` came when there was no time left for one.
    pub(crate) fn too_late(owner: Option<&TaskLabel>, place: Place, over: TooLate) -> Self {
        let message = match over {
            TooLate::LoopOver => format!(
                "the cleanup made at {place} did not run, because the loop had ended, and has no time for more: drop what leaves it \
                 earlier, while the loop runs"
            ),
            TooLate::TaskOver => format!(
                "the cleanup made at {place} did not run, because those that its task had left before were cut off: shorten \
                 them, or raise `Builder::cleanup_timeout`"
            ),
            TooLate::Hurried(why) => {
                format!("the cleanup made at {place} did not run, because {why}")
            }
        };
        Self::new(owner, What::CleanupSkipped, message)
    }

    /// The guard made at `place` went where its loop does not run.
    pub(crate) fn skipped(place: Place) -> Self {
        let message = format!(
            "the cleanup made at {place} did not run, because its guard was dropped on another thread than its loop's, or \
             after its loop: drop it inside the loop, or `finish` it there"
        );
        Self::new(None, What::CleanupSkipped, message)
    }

    /// The call on another thread that was made at `place` panicked.
    pub(crate) fn call_panic(place: Place, payload: &(dyn Any + Send)) -> Self {
        Self::of_call(place, What::CallPanicked, panic_message(payload).to_owned())
    }

    /// The loop has ended, and the time for the call made at `place` was up.
    pub(crate) fn call_cut_off(place: Place, why_hurried: Option<&'static str>) -> Self {
        let message = format!("its thread goes on without the loop: {}", why_cut_off(why_hurried));
        Self::of_call(place, What::CallCutOff, message)
    }

    /// As [`Unhandled::call_cut_off`], for an `operation` of the operating system.
    pub(crate) fn operation_cut_off(place: Option<Place>, operation: String, why: &str) -> Self {
        let message = format!("its thread goes on without the loop: {why}");
        let operation = Some(operation);
        Self { call: place, operation, ..Self::new(None, What::CallCutOff, message) }
    }

    /// What was to wait for the call made at `place` cannot, or not any longer.
    pub(crate) fn wait_cut_off(place: Place, why_hurried: Option<&'static str>) -> Self {
        let message =
            format!("it goes on, and is waited for no longer: {}", why_cut_off(why_hurried));
        Self::of_call(place, What::CallCutOff, message)
    }

    /// An operation of a file or a socket that went on when nobody awaited it.
    pub(crate) fn operation_error(message: String) -> Self {
        Self::new(None, What::OperationFailed, message)
    }

    /// Not all could be sent that was written to the `StreamWriter` made at `place`, which is gone; `message` says what became of
    /// it.
    pub(crate) fn unsent(place: Place, message: String) -> Self {
        Self { writer: Some(place), ..Self::new(None, What::Unsent, message) }
    }

    fn of_call(place: Place, what: What, message: String) -> Self {
        Self { call: Some(place), ..Self::new(None, what, message) }
    }

    /// The name of the task, if it happened in one.
    pub fn task_name(&self) -> Option<&str> {
        self.task.as_ref().map(|(name, _)| name.as_str())
    }

    /// Where the task was created, if it happened in one; or where the [call on another thread](crate::thread::to_thread) was
    /// made, which is not known of all operations of [`fs`](crate::fs); or where the [`StreamWriter`](crate::io::StreamWriter)
    /// was made that could not send all.
    pub fn place(&self) -> Option<&'static Location<'static>> {
        self.task.as_ref().map(|(_, place)| *place).or(self.call).or(self.writer)
    }

    /// Whether it is a panic; otherwise it is the error of a detached task or of a cleanup, or something that was cut off.
    pub fn is_panic(&self) -> bool {
        matches!(self.what, What::TaskPanicked | What::CleanupPanicked | What::CallPanicked)
    }

    /// Whether it happened in a [cleanup](crate::with_cleanup).
    pub fn is_cleanup(&self) -> bool {
        matches!(
            self.what,
            What::CleanupFailed
                | What::CleanupPanicked
                | What::CleanupCutOff
                | What::CleanupSkipped
        )
    }

    /// Whether it happened in a [call on another thread](crate::thread::to_thread), as the operations of [`fs`](crate::fs) are
    /// too.
    pub fn is_call(&self) -> bool {
        matches!(self.what, What::CallPanicked | What::CallCutOff)
    }

    /// The error, or the message of the panic.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Unhandled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = self.writer {
            return write!(f, "the `StreamWriter` made at {place}: {}", self.message);
        }
        if self.is_cleanup() {
            f.write_str("a cleanup ")?;
        }
        match &self.task {
            Some((name, place)) if self.is_cleanup() => {
                write!(f, "of task `{name}`, created at {place}, ")?;
            }
            Some((name, place)) => write!(f, "task `{name}`, created at {place}, ")?,
            None if self.is_cleanup() => {}
            None if self.is_call() => f.write_str("a call on another thread")?,
            None if self.what == What::OperationFailed => f.write_str("an operation ")?,
            None => f.write_str("code called by the event loop ")?,
        }
        if let Some(operation) = &self.operation {
            write!(f, ", to {operation}")?;
        }
        if let Some(place) = self.call {
            write!(f, ", made at {place}")?;
        }
        if self.is_call() {
            f.write_str(", ")?;
        }
        f.write_str(match self.what {
            What::TaskFailed | What::OperationFailed => "failed, and nobody awaits it",
            What::TaskPanicked | What::CallPanicked => "panicked, and nobody awaits it",
            What::CleanupFailed => "failed",
            What::CleanupPanicked => "panicked",
            What::CleanupCutOff | What::CallCutOff => "was cut off",
            What::CleanupSkipped => "was skipped",
            What::Unsent => "could not send all",
        })?;
        write!(f, ": {}", self.message)
    }
}

/// Why somebody did not want to wait for a call; or what to do so that its time is enough.
fn why_cut_off(why_hurried: Option<&'static str>) -> &'static str {
    why_hurried.unwrap_or(
        "have the call ask `thread::check_cancelled`, shorten it, or raise `Builder::cleanup_timeout`",
    )
}

/// The message of a panic, as far as it has one that can be shown.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> &str {
    if let Some(message) = payload.downcast_ref::<&'static str>() {
        message
    } else if let Some(message) = payload.downcast_ref::<String>() {
        message
    } else {
        "a payload that is no text"
    }
}
