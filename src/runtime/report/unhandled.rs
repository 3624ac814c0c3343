//! `Unhandled`: a report of a panic or an error that no code can receive any more.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::hash::Hash;
use std::io;
use std::io::ErrorKind;
use std::iter;
use std::net::SocketAddr;
use std::panic::{self, AssertUnwindSafe, Location};
use std::rc::Rc;

use super::cleanup_error::CleanupError;
use super::kind::UnhandledKind;
use crate::runtime::context::discard;
use crate::runtime::data::failed_cleanup::{CleanupCause, FailedCleanup};
use crate::runtime::data::log::log_line::Level;
use crate::runtime::data::one_line::OneLine;
use crate::runtime::data::record::{BoxedError, Peer, Place, TaskLabel};

/// A report of a panic or an error that no code can receive any more, or of work that was cut off:
/// a cleanup, a call on another thread, or the data of a [`StreamWriter`](crate::io::StreamWriter).
/// See [`Builder::on_unhandled`](crate::Builder::on_unhandled).
///
/// Its `Display` is one line for a log. The line names the task, the places and the causes of the
/// error. Line breaks and control characters in it are escaped, so data of a peer cannot pass for
/// another line.
///
/// A report stays on its thread, because it contains the error itself. Send its text instead.
///
/// # Examples
///
/// ```
/// use std::cell::Cell;
/// use std::io::{Error, ErrorKind};
/// use std::rc::Rc;
///
/// let full = Rc::new(Cell::new(false));
/// let flag = full.clone();
/// oneloop::Builder::new()
///     .on_unhandled(move |unhandled| {
///         let error = unhandled.error().and_then(|error| error.downcast_ref::<Error>());
///         flag.set(error.is_some_and(|error| error.kind() == ErrorKind::StorageFull));
///     })
///     .run(async {
///         oneloop::create_task(async { Err::<(), _>(Error::from(ErrorKind::StorageFull)) }).detach();
///         oneloop::yield_now().await;
///     });
/// assert!(full.get());
/// ```
#[derive(Clone)]
pub struct Unhandled {
    kind: UnhandledKind,
    task: Option<Task>,
    /// The place where the cleanup's guard or the call on another thread was made.
    place: Option<Place>,
    /// The operation of a call on another thread, if it is not the user's code; or the name of a
    /// connection.
    operation: Option<String>,
    /// The address of the listener, in a report about one.
    listener: Option<String>,
    /// The report is about the handler of a connection.
    peer: Option<Peer>,
    message: String,
    error: Option<Rc<dyn Error>>,
    /// The error says that the peer has disconnected.
    is_lost_connection: bool,
}

#[derive(Clone)]
struct Task {
    name: String,
    place: Place,
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
    fn new(task: Option<&TaskLabel>, kind: UnhandledKind, message: String) -> Self {
        let peer = task.and_then(|task| task.peer);
        let task = task.map(|task| Task { name: task.name(), place: task.place });
        let (place, operation, listener, error) = (None, None, None, None);
        let is_lost_connection = false;
        Self { kind, task, place, operation, listener, peer, message, error, is_lost_connection }
    }

    fn at(self, place: Place) -> Self {
        Self { place: Some(place), ..self }
    }

    /// If displaying the error panics, that panic is reported instead.
    fn with_error(self, error: BoxedError) -> Self {
        match describe(&*error) {
            Ok(Described { text: message, is_lost_connection }) => {
                Self { message, is_lost_connection, error: Some(error.into()), ..self }
            }
            Err(message) => {
                Self { kind: self.kind.as_panic(), message, error: Some(error.into()), ..self }
            }
        }
    }

    /// A task panicked or, without a task, other code that the loop called.
    pub(crate) fn panic(task: Option<&TaskLabel>, payload: &(dyn Any + Send)) -> Self {
        let kind = match task {
            Some(_) => UnhandledKind::TaskPanicked,
            None => UnhandledKind::CallbackPanicked,
        };
        Self::new(task, kind, text_of_panic(payload))
    }

    /// The call that was asked for at `place` panicked.
    pub(crate) fn callback_panic(place: Place, payload: &(dyn Any + Send)) -> Self {
        let message = text_of_panic(payload);
        Self::new(None, UnhandledKind::CallbackPanicked, message).at(place)
    }

    pub(crate) fn task_error(task: &TaskLabel, error: BoxedError) -> Self {
        Self::new(Some(task), UnhandledKind::TaskFailed, String::new()).with_error(error)
    }

    /// The cleanup made at `place`, if that is known, panicked.
    pub(crate) fn cleanup_panic(
        owner: Option<&TaskLabel>,
        place: Option<Place>,
        payload: &(dyn Any + Send),
    ) -> Self {
        let message = text_of_panic(payload);
        Self { place, ..Self::new(owner, UnhandledKind::CleanupPanicked, message) }
    }

    /// A cleanup failed, and no code that awaits its task sees the failure.
    pub(crate) fn failed_cleanup(failed: FailedCleanup) -> Self {
        let FailedCleanup { task, place, cause } = failed;
        match cause {
            CleanupCause::Error(error) => {
                let unhandled =
                    Self::new(task.as_ref(), UnhandledKind::CleanupFailed, String::new());
                Self { place, ..unhandled }.with_error(error)
            }
            CleanupCause::Panic(payload) => {
                let unhandled = Self::cleanup_panic(task.as_ref(), place, &*payload);
                discard(payload);
                unhandled
            }
        }
    }

    /// A cleanup failed, and the code that its failure was meant for has gone.
    pub(crate) fn unseen_cleanup(error: CleanupError) -> Self {
        let kind = if error.is_panic() {
            UnhandledKind::CleanupPanicked
        } else {
            UnhandledKind::CleanupFailed
        };
        let name = error.task_name().map(ToOwned::to_owned);
        let task = name.zip(error.task_place()).map(|(name, place)| Task { name, place });
        let place = error.place();
        let message = error.message().to_owned();
        let is_panic = error.is_panic();
        let error = match error.into_io_error() {
            _ if is_panic => None,
            Some(error) => Some(BoxedError::from(error)),
            None => Some(BoxedError::from(message.clone())),
        };
        Self { task, place, error: error.map(Rc::from), ..Self::new(None, kind, message) }
    }

    /// The time for the cleanup made at `place` was up, or the loop had to end quickly.
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
        Self::new(owner, UnhandledKind::CleanupCutOff, message).at(place)
    }

    /// The cleanup made at `place` was left when there was no time for it any more.
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
        Self::new(owner, UnhandledKind::CleanupSkipped, message).at(place)
    }

    /// The guard made at `place` was dropped where its loop does not run.
    pub(crate) fn skipped(place: Place) -> Self {
        let message = format!(
            "the cleanup made at {place} did not run, because its guard was dropped on another thread than its loop's, or \
             after its loop: drop it inside the loop, or `finish` it there"
        );
        Self::new(None, UnhandledKind::CleanupSkipped, message).at(place)
    }

    /// The call on another thread that was made at `place` panicked.
    pub(crate) fn call_panic(place: Place, payload: &(dyn Any + Send)) -> Self {
        let message = text_of_panic(payload);
        Self::new(None, UnhandledKind::CallPanicked, message).at(place)
    }

    /// The loop has ended, and the time for the call made at `place` was up.
    pub(crate) fn call_cut_off(place: Place, why_hurried: Option<&'static str>) -> Self {
        let message = format!("its thread goes on without the loop: {}", why_cut_off(why_hurried));
        Self::new(None, UnhandledKind::CallCutOff, message).at(place)
    }

    /// Like [`Unhandled::call_cut_off`], for an `operation` of the operating system.
    pub(crate) fn operation_cut_off(place: Option<Place>, operation: String, why: &str) -> Self {
        let message = format!("its thread goes on without the loop: {why}");
        let operation = Some(operation);
        Self { place, operation, ..Self::new(None, UnhandledKind::CallCutOff, message) }
    }

    /// The code that should wait for the call made at `place` may not wait, or not any longer.
    pub(crate) fn wait_cut_off(place: Place, why_hurried: Option<&'static str>) -> Self {
        let message =
            format!("it goes on, and is waited for no longer: {}", why_cut_off(why_hurried));
        Self::new(None, UnhandledKind::CallCutOff, message).at(place)
    }

    /// An operation of a file or a socket that continued when it was no longer awaited.
    pub(crate) fn operation_error(error: BoxedError) -> Self {
        Self::new(None, UnhandledKind::OperationFailed, String::new()).with_error(error)
    }

    /// The dropped `StreamWriter` made at `place` could not send all of its data; `message` says
    /// why. `served` is the peer whose connection a server gave to a handler, and the error of that
    /// connection.
    pub(crate) fn unsent(place: Place, message: String, served: Option<(Peer, io::Error)>) -> Self {
        let unhandled = Self::new(None, UnhandledKind::Unsent, message).at(place);
        match served {
            Some((peer, error)) => {
                let described = describe(&error);
                let is_lost_connection = described.is_ok_and(|error| error.is_lost_connection);
                let (peer, error): (_, Rc<dyn Error>) = (Some(peer), Rc::new(error));
                Self { peer, error: Some(error), is_lost_connection, ..unhandled }
            }
            None => unhandled,
        }
    }

    /// Accepting connections at `listener` has failed, for now or for good.
    pub(crate) fn accept(kind: UnhandledKind, listener: String, error: io::Error) -> Self {
        let unhandled = Self::new(None, kind, String::new()).with_error(error.into());
        Self { listener: Some(listener), ..unhandled }
    }

    /// A server cannot serve the connection that is called `name`.
    pub(crate) fn connection_given_up(peer: Peer, name: String, error: io::Error) -> Self {
        let unhandled = Self::new(None, UnhandledKind::ConnectionGivenUp, String::new());
        Self { operation: Some(name), peer: Some(peer), ..unhandled }.with_error(error.into())
    }

    /// The kind of the report, for a hook that treats some reports differently from others.
    pub fn kind(&self) -> UnhandledKind {
        self.kind
    }

    /// The error, with its own type and [sources](Error::source). `None` for a panic, and for work
    /// that was cut off.
    ///
    /// An error that is only a text, such as a `String`, is an error that displays the text.
    pub fn error(&self) -> Option<&(dyn Error + 'static)> {
        self.error.as_deref()
    }

    /// The name of the task, if the report is about one.
    pub fn task_name(&self) -> Option<&str> {
        self.task.as_ref().map(|task| task.name.as_str())
    }

    /// The place where the task was created, if the report is about one.
    pub fn task_place(&self) -> Option<&'static Location<'static>> {
        self.task.as_ref().map(|task| task.place)
    }

    /// The place in the program to look at: where the guard of the [cleanup](crate::with_cleanup),
    /// the [call on another thread](crate::thread::to_thread), the [later call](crate::call_soon)
    /// or the [`StreamWriter`](crate::io::StreamWriter) was made; otherwise where the task was
    /// created. It is not known for all operations of [`fs`](crate::fs).
    pub fn place(&self) -> Option<&'static Location<'static>> {
        self.place.or_else(|| self.task_place())
    }

    /// The address of the peer, if it happened to the handler of a [server](crate::Server) for a
    /// TCP connection.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer?.addr
    }

    /// The address of the listener, or the path of its Unix socket, if accepting connections
    /// failed.
    pub fn listener(&self) -> Option<&str> {
        self.listener.as_deref()
    }

    /// Whether the report is about a panic. Otherwise it is about an error, or about work that was
    /// cut off.
    pub fn is_panic(&self) -> bool {
        self.kind.is_panic()
    }

    /// Whether the report is about a [cleanup](crate::with_cleanup).
    pub fn is_cleanup(&self) -> bool {
        self.kind.is_cleanup()
    }

    /// Whether the report is about a [call on another thread](crate::thread::to_thread). The
    /// operations of [`fs`](crate::fs) are such calls too.
    pub fn is_call(&self) -> bool {
        self.kind.is_call()
    }

    /// The error followed by its causes, or the message of the panic. It is not escaped, and may
    /// have several lines.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether a handler, or the writer that it left, failed only because its peer disconnected.
    /// Peers of a server do that every day.
    pub(super) fn is_lost_peer(&self) -> bool {
        use UnhandledKind::{CleanupFailed, TaskFailed, Unsent};

        let is_failure = matches!(self.kind, TaskFailed | CleanupFailed | Unsent);
        self.peer.is_some() && is_failure && self.is_lost_connection
    }

    /// Whether it counts as a failure for `Builder::fail_on_unhandled`.
    pub(super) fn is_failure(&self) -> bool {
        self.kind != UnhandledKind::AcceptPaused && !self.is_lost_peer()
    }

    /// The part that repeats have in common. Their tasks and peers differ.
    pub(super) fn about(&self) -> impl Hash + '_ {
        (self.kind, self.place(), &self.operation, &self.listener, &self.message)
    }

    pub(super) fn level(&self) -> Level {
        if self.is_lost_peer() { Level::Debug } else { self.kind.level() }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (UnhandledKind::Unsent, Some(place)) = (self.kind, self.place) {
            return write!(f, "the `StreamWriter` made at {place}: {}", self.message);
        }
        if let (UnhandledKind::ConnectionGivenUp, Some(name)) = (self.kind, &self.operation) {
            return write!(f, "a {name} {}: {}", self.kind.verb(), self.message);
        }
        if self.is_cleanup() {
            f.write_str("a cleanup ")?;
        }
        match &self.task {
            Some(Task { name, place, .. }) => {
                let of = if self.is_cleanup() { "of " } else { "" };
                write!(f, "{of}task `{name}`, created at {place}, ")?;
            }
            None if self.is_cleanup() => {}
            None if self.is_call() => f.write_str("a call on another thread")?,
            None if self.listener.is_some() => {}
            None if self.kind == UnhandledKind::OperationFailed => f.write_str("an operation ")?,
            None => match self.place {
                Some(place) => write!(f, "the call asked for at {place} ")?,
                None => f.write_str("code called by the event loop ")?,
            },
        }
        if let Some(listener) = &self.listener {
            write!(f, "the listener at {listener} ")?;
        }
        if let Some(operation) = &self.operation {
            write!(f, ", to {operation}")?;
        }
        match (self.kind, self.place) {
            (UnhandledKind::CleanupFailed | UnhandledKind::CleanupPanicked, Some(place)) => {
                write!(f, "made at {place}, ")?;
            }
            (_, Some(place)) if self.is_call() => write!(f, ", made at {place}, ")?,
            (_, None) if self.is_call() => f.write_str(", ")?,
            _ => {}
        }
        write!(f, "{}: {}", self.kind.verb(), self.message)
    }
}

impl fmt::Display for Unhandled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Line<'a>(&'a Unhandled);

        impl fmt::Display for Line<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.write(f)
            }
        }

        OneLine(Line(self)).fmt(f)
    }
}

impl fmt::Debug for Unhandled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unhandled")
            .field("kind", &self.kind)
            .field("task_name", &self.task_name())
            .field("place", &self.place().map(ToString::to_string))
            .field("peer_addr", &self.peer_addr())
            .field("listener", &self.listener)
            .field("message", &self.message)
            .finish_non_exhaustive()
    }
}

/// The reason not to wait for a call, or advice on how to give it enough time.
fn why_cut_off(why_hurried: Option<&'static str>) -> &'static str {
    why_hurried.unwrap_or(
        "have the call ask `thread::check_cancelled`, shorten it, or raise `Builder::cleanup_timeout`",
    )
}

/// The text of an error, and facts about it.
pub(super) struct Described {
    pub(super) text: String,
    is_lost_connection: bool,
}

/// Asks an error for its text and its causes, which is user code. If that panics, gives the message
/// of the panic.
pub(super) fn describe(error: &(dyn Error + 'static)) -> Result<Described, String> {
    let describe =
        || Described { text: with_causes(error), is_lost_connection: is_lost_connection(error) };
    panic::catch_unwind(AssertUnwindSafe(describe)).map_err(|payload| {
        let message = panic_message(&*payload).to_owned();
        discard(payload);
        message
    })
}

/// An error with more causes than this is taken to be its own cause.
const CAUSES_MAX: usize = 32;

/// The error and its sources, from the outside in, as in "cannot read `x`: connection reset".
///
/// Many errors display their source. A source whose text is already in the text above is left out.
fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    for cause in causes(error).skip(1) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

/// The error, its source, the source of that, and so on.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
    .take(CAUSES_MAX)
}

/// Whether the error or one of its causes says that the peer has disconnected.
fn is_lost_connection(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|cause| {
        let Some(mut error) = cause.downcast_ref::<io::Error>() else { return false };
        // `source` of an `io::Error` skips the error inside it.
        for _ in 0..CAUSES_MAX {
            if is_lost(error.kind()) {
                return true;
            }
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<io::Error>());
            let Some(inner) = inner else { break };
            error = inner;
        }
        false
    })
}

fn is_lost(kind: ErrorKind) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};

    matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset)
}

/// The message of a panic, for a report. If tokio misses its runtime, this adds the remedy.
fn text_of_panic(payload: &(dyn Any + Send)) -> String {
    let message = panic_message(payload);
    if message.contains("Tokio 1.x runtime") {
        format!(
            "{message}: let the loop run inside tokio, with the feature `tokio` and `Builder::tokio`"
        )
    } else {
        message.to_owned()
    }
}

/// The message of a panic, if its payload is a text.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> &str {
    if let Some(message) = payload.downcast_ref::<&'static str>() {
        message
    } else if let Some(message) = payload.downcast_ref::<String>() {
        message
    } else {
        "a payload that is no text"
    }
}
