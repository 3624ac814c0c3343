//! What is reported because nobody is left to see it: a panic or an error that no handle will take.

use std::any::Any;
use std::fmt;
use std::panic::Location;

use super::tasks::TaskLabel;

/// A panic or an error that nobody awaits any more; see [`Builder::on_unhandled`](crate::Builder::on_unhandled).
///
/// Its `Display` is one line for a log.
#[derive(Debug, Clone)]
pub struct Unhandled {
    task: Option<(String, &'static Location<'static>)>,
    is_panic: bool,
    message: String,
}

impl Unhandled {
    pub(super) fn panic(task: Option<&TaskLabel>, payload: &(dyn Any + Send)) -> Self {
        let message = panic_message(payload).to_owned();
        Self { task: task.map(|task| (task.name(), task.place)), is_panic: true, message }
    }

    pub(super) fn error(task: &TaskLabel, message: String) -> Self {
        Self { task: Some((task.name(), task.place)), is_panic: false, message }
    }

    /// The name of the task, if it happened in one.
    pub fn task_name(&self) -> Option<&str> {
        self.task.as_ref().map(|(name, _)| name.as_str())
    }

    /// Where the task was created, if it happened in one.
    pub fn place(&self) -> Option<&'static Location<'static>> {
        self.task.as_ref().map(|(_, place)| *place)
    }

    /// Whether it is a panic; otherwise it is the error of a detached task.
    pub fn is_panic(&self) -> bool {
        self.is_panic
    }

    /// The error, or the message of the panic.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Unhandled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.task {
            Some((name, place)) => write!(f, "task `{name}`, created at {place}, ")?,
            None => f.write_str("code called by the event loop ")?,
        }
        let verb = if self.is_panic { "panicked" } else { "failed" };
        write!(f, "{verb}, and nobody awaits it: {}", self.message)
    }
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
