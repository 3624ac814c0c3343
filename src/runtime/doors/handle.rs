//! `Handle`: a loop from outside, from any thread.

use std::error::Error;
use std::fmt;
use std::io;
use std::thread;

use futures_task::{FutureObj, LocalFutureObj, LocalSpawn, Spawn, SpawnError};

use crate::runtime::context::{no_loop, with, with_loop};
use crate::runtime::data::key::RunNumber;
use crate::runtime::handles::task;
use crate::runtime::threads::registry;

/// A reference to an event loop, for other threads, and for code before or between its turns.
///
/// A handle keeps nothing alive. After its loop has ended, each use returns an error.
///
/// # Examples
///
/// ```
/// let (sender, receiver) = std::sync::mpsc::channel();
/// let mut runtime = oneloop::Runtime::new()?;
/// let handle = runtime.handle();
/// let thread = std::thread::spawn(move || {
///     handle.call_soon_threadsafe(move || sender.send("on the loop's thread").unwrap()).unwrap();
/// });
/// thread.join().unwrap();
/// runtime.run(oneloop::yield_now());
/// assert_eq!(receiver.recv().unwrap(), "on the loop's thread");
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Handle {
    run: RunNumber,
}

/// The event loop has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Closed(());

impl Handle {
    pub(crate) fn new(run: RunNumber) -> Self {
        Self { run }
    }

    /// Returns the handle of the loop that runs on this thread.
    ///
    /// # Panics
    ///
    /// Panics if no loop runs on this thread.
    #[track_caller]
    #[doc(alias = "get_running_loop")]
    #[doc(alias = "get_event_loop")]
    pub fn current() -> Self {
        match with(|state| state.run_number()) {
            Some(run) => Self { run },
            None => no_loop("`Handle::current`"),
        }
    }

    /// Fails if this loop does not run here. The error says what `what` is, and what to do.
    pub(crate) fn check_here(self, what: &str, remedy: &str) -> io::Result<()> {
        let found = with_loop(self.run, |_| ());
        found.map_err(|elsewhere| io::Error::other(elsewhere.message(what, remedy)))
    }

    pub(crate) fn run(self) -> RunNumber {
        self.run
    }

    /// Whether the loop belongs to this thread, whether or not it runs now.
    pub(crate) fn is_of_this_thread(self) -> bool {
        let owner = registry::thread_of(self.run);
        owner.is_some_and(|owner| owner.id() == thread::current().id())
    }

    /// Makes the loop call `f` on its own thread. Asyncio's `loop.call_soon_threadsafe`. Calls from
    /// one thread are made in order. Wakes the loop if it sleeps.
    ///
    /// The loop makes calls when it looks around, between the polls of two tasks, and never inside
    /// another function of this crate. It makes at most 64 of them each time, and fewer while many
    /// tasks are runnable, so timers and sockets have their turn in between. Wakes and
    /// cancellations from other threads do not wait behind calls.
    ///
    /// A panic in `f` is reported as [unhandled](crate::Builder::on_unhandled). If the loop ends
    /// first, `f` is dropped on the loop's thread.
    ///
    /// Sending never waits, and calls that the loop has not made yet take memory. A thread that is
    /// far ahead of the loop only lets other threads use its core now and then. If a thread can
    /// send faster than the loop calls, use a [`thread::channel`](crate::thread::channel())
    /// instead: its
    /// `send` blocks while the channel is full.
    ///
    /// # Errors
    ///
    /// Returns [`Closed`] if the loop has ended, and drops `f`.
    pub fn call_soon_threadsafe(&self, f: impl FnOnce() + Send + 'static) -> Result<(), Closed> {
        let inbox = registry::inbox_at(self.run).ok_or(Closed(()))?;
        inbox.send_call(self.run.generation(), Box::new(f)).map_err(|_| Closed(()))
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.run).finish()
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the event loop has ended")
    }
}

impl fmt::Debug for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Closed({self})")
    }
}

impl Error for Closed {}

impl From<Closed> for io::Error {
    fn from(error: Closed) -> Self {
        Self::other(error)
    }
}

/// Creates tasks for code that knows only the traits of futures-task. Returns the error "shutdown"
/// if the loop of the handle does not run on this thread, because `!Send` futures cannot leave
/// theirs.
impl LocalSpawn for Handle {
    #[track_caller]
    fn spawn_local_obj(&self, future: LocalFutureObj<'static, ()>) -> Result<(), SpawnError> {
        self.status_local()?;
        task::create_detached(future);
        Ok(())
    }

    fn status_local(&self) -> Result<(), SpawnError> {
        match with_loop(self.run, |state| state.refuses_tasks()) {
            Ok(false) => Ok(()),
            Ok(true) | Err(_) => Err(SpawnError::shutdown()),
        }
    }
}

/// Like [`LocalSpawn`], but works from other threads too.
impl Spawn for Handle {
    #[track_caller]
    fn spawn_obj(&self, future: FutureObj<'static, ()>) -> Result<(), SpawnError> {
        if self.status_local().is_ok() {
            task::create_detached(future);
            return Ok(());
        }
        let handle = *self;
        let create = move || {
            // The loop may end on the way: then the future is dropped with it.
            let _ = handle.spawn_local_obj(future.into());
        };
        self.call_soon_threadsafe(create).map_err(|_| SpawnError::shutdown())
    }

    fn status(&self) -> Result<(), SpawnError> {
        match registry::thread_of(self.run) {
            Some(_) => Ok(()),
            None => Err(SpawnError::shutdown()),
        }
    }
}
