//! `Builder`: the options of a loop; and `run`, for all who need none.

use std::fmt;
use std::io;
use std::panic::{self, Location};
use std::rc::Rc;
use std::time::Duration;

use super::runtime::Runtime;
use crate::runtime::data::clock::{Clock, nanos};
use crate::runtime::data::locals::{Locals, LoopLocal};
use crate::runtime::data::pace::{ROUND, SLOW};
use crate::runtime::report::failures::{SharedFailures, check_failures};
use crate::runtime::report::unhandled::Unhandled;
use crate::runtime::state::{State, UnhandledHook};
use crate::runtime::threads::registry::Place;

/// Options of an event loop.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// // An hour of virtual time takes no time.
/// let start = std::time::Instant::now();
/// oneloop::Builder::new().virtual_time(true).run(oneloop::sleep(Duration::from_secs(3600)));
/// assert!(start.elapsed() < Duration::from_secs(60));
/// ```
///
/// It stays on its thread, since its hook may be local:
///
/// ```compile_fail,E0277
/// let builder = oneloop::Builder::new();
/// std::thread::spawn(move || builder.run(async {}));
/// ```
#[derive(Clone)]
#[must_use = "a builder does nothing until `run` or `build`"]
#[doc(alias = "new_current_thread")]
pub struct Builder {
    virtual_time: bool,
    cleanup_timeout: Duration,
    look_around_every: Duration,
    on_unhandled: Option<UnhandledHook>,
    fail_on_unhandled: bool,
    slow_poll: Duration,
    /// Options of the layers above.
    locals: Locals,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            virtual_time: false,
            cleanup_timeout: Duration::from_secs(5),
            look_around_every: Duration::from_nanos(ROUND),
            on_unhandled: None,
            fail_on_unhandled: false,
            slow_poll: Duration::from_nanos(SLOW),
            locals: Locals::default(),
        }
    }
}

impl Builder {
    /// The defaults: real time, and one line for what is unhandled, through the `log` crate or, where the program has no
    /// logger, to standard error.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets time stand still while tasks run, and jump to the next deadline when nothing can run: sleeps and timeouts are
    /// exact and take no time. For tests; `#[oneloop::test(virtual_time)]` does the same. From Trio's autojump clock.
    ///
    /// It does not jump while a call of [`to_thread`](crate::thread::to_thread), an operation of a file, the look-up of a name or the end of a
    /// child process is awaited: then a deadline comes no sooner than in real time. It jumps although an answer from a socket, or from a
    /// thread of somebody else, may be on its way: use it where these are no part of the test.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::{sleep, time::now, timeout};
    /// use std::time::Duration;
    ///
    /// oneloop::Builder::new().virtual_time(true).run(async {
    ///     let (start, day) = (now(), Duration::from_secs(24 * 60 * 60));
    ///     sleep(day).await;
    ///     assert!(timeout(day, sleep(2 * day)).await.is_err());
    ///     assert_eq!(now() - start, 2 * day, "and no real time has passed");
    /// });
    /// ```
    #[doc(alias = "start_paused")]
    #[doc(alias = "pause")]
    #[doc(alias = "MockClock")]
    pub fn virtual_time(mut self, on: bool) -> Self {
        self.virtual_time = on;
        self
    }

    /// How long a [cleanup](crate::with_cleanup) may take; 5 seconds by default. Then it is dropped where it waits, which is
    /// reported, and the next one has its turn.
    ///
    /// A dropped [`StreamWriter`](crate::io::StreamWriter) may take as long to send what was written.
    ///
    /// All that are left when the loop ends have this time together, and so have the [calls on other
    /// threads](crate::thread::to_thread) that still run. With `Duration::ZERO`, a cleanup that has to wait is
    /// dropped at once; with `Duration::MAX` there is no limit.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::pending;
    /// use std::time::Duration;
    ///
    /// oneloop::Builder::new()
    ///     .cleanup_timeout(Duration::from_millis(1))
    ///     .on_unhandled(|unhandled| assert!(unhandled.is_cleanup()))
    ///     .run(async {
    ///         let _guard = oneloop::with_cleanup((), async |()| pending::<()>().await);
    ///     });
    /// ```
    pub fn cleanup_timeout(mut self, timeout: Duration) -> Self {
        self.cleanup_timeout = timeout;
        self
    }

    /// How long tasks run before the loop looks at sockets, timers and what other threads have sent; 50 microseconds by default.
    ///
    /// With less, they wait less beside tasks that compute, and the loop spends more of its time on looking: about half a
    /// microsecond each time. With [`Duration::ZERO`], the loop looks after each poll of a task. A single poll that takes longer
    /// is never interrupted. Tokio's `event_interval` counts polls instead.
    ///
    /// Without effect under [virtual time](Self::virtual_time), where the loop looks after 64 polls at the latest.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// // A host with a screen to draw wants its turns back soon.
    /// let runtime = oneloop::Builder::new().look_around_every(Duration::from_micros(20)).build()?;
    /// # drop(runtime);
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "event_interval")]
    pub fn look_around_every(mut self, interval: Duration) -> Self {
        self.look_around_every = interval;
        self
    }

    /// Calls `hook` for each panic that nobody awaits, for each error of a task that was
    /// [detached](crate::Task::detach), for each [cleanup](crate::with_cleanup) that failed, unless a
    /// [`JoinError`](crate::JoinError::cleanup_errors) or a group's error tells that, and for each
    /// [call on another thread](crate::thread::to_thread) that outlasts the loop, instead of writing a line
    /// through the `log` crate. Asyncio's `loop.set_exception_handler`.
    ///
    /// The hook decides by the report's [kind](Unhandled::kind), its [error](Unhandled::error) or its
    /// [peer](Unhandled::peer_addr); the report displays itself as one line. The loop calls the hook on its own thread, once
    /// for each, when it next looks around after it is certain that nobody will await the task: when the task ends or its
    /// handle goes, whichever is later. So the hook never runs inside the code that drops a handle, and may take locks which
    /// that code holds. What a run has left to report is told before the run returns; what happens between two runs of a
    /// [`Runtime`] is told in the next one, or at its end. If the hook panics, a line with that panic and with the report is
    /// written after all.
    ///
    /// What fails on another thread on behalf of the loop, such as a call whose caller has gone or a
    /// [`File`](crate::fs::File) that was sent away, is told to the hook too as long as the loop
    /// lives. Later it goes to the log.
    ///
    /// The hook is not told of a server's handler or its cleanup that failed with `ConnectionReset`, `BrokenPipe` or
    /// `ConnectionAborted`, also as the cause of another error: peers do that every day. The log has a line of level "debug".
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::RefCell;
    /// use std::rc::Rc;
    ///
    /// let seen = Rc::new(RefCell::new(Vec::new()));
    /// let log = seen.clone();
    /// oneloop::Builder::new()
    ///     .on_unhandled(move |unhandled| log.borrow_mut().push(unhandled.message().to_owned()))
    ///     .run(async {
    ///         oneloop::create_task(async { Err::<(), _>("no such file") }).detach();
    ///         oneloop::yield_now().await;
    ///     });
    /// assert_eq!(*seen.borrow(), ["no such file"]);
    /// ```
    #[doc(alias = "set_exception_handler")]
    #[doc(alias = "call_exception_handler")]
    pub fn on_unhandled(mut self, hook: impl Fn(&Unhandled) + 'static) -> Self {
        self.on_unhandled = Some(Rc::new(hook));
        self
    }

    /// Makes `run` panic at its end if anything was reported as [unhandled](Builder::on_unhandled): a detached task that
    /// failed or panicked, a cleanup that was cut off. For tests; [`#[oneloop::test]`](crate::test) does it by default.
    ///
    /// The panic says what was reported. A panic of main comes first. The hook is called, or the lines are written, all the
    /// same. For a [`Runtime`], each [`Runtime::run`] panics for what was reported until its end, and a report after the last
    /// run only has its line.
    ///
    /// A listener that [pauses](crate::UnhandledKind::AcceptPaused) is no failure.
    ///
    /// # Examples
    ///
    /// ```should_panic
    /// oneloop::Builder::new().fail_on_unhandled(true).run(async {
    ///     oneloop::create_task(async { Err::<(), _>("no such file") }).detach();
    ///     oneloop::yield_now().await;
    /// });
    /// ```
    pub fn fail_on_unhandled(mut self, on: bool) -> Self {
        self.fail_on_unhandled = on;
        self
    }

    /// How long the loop may be held up before it warns; 100 ms by default, asyncio's `slow_callback_duration`.
    ///
    /// The warning goes to the log or, without a logger, to standard error. It names three of the tasks that were polled in
    /// that time, and says how long the thread has computed meanwhile: a thread that has not was blocked, or the machine was
    /// too busy to run it. With `Duration::MAX` there are no warnings; virtual time has none either.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let builder = oneloop::Builder::new().slow_poll_threshold(Duration::from_secs(1));
    /// builder.run(async { std::thread::sleep(Duration::from_millis(101)) }); // no warning
    /// ```
    #[doc(alias = "slow_callback_duration")]
    pub fn slow_poll_threshold(mut self, threshold: Duration) -> Self {
        self.slow_poll = threshold;
        self
    }

    /// Makes the loop.
    ///
    /// # Errors
    ///
    /// If the process has 4094 loops already. Descriptors are not needed before the loop waits for something.
    pub fn build(self) -> io::Result<Runtime> {
        let clock = Clock::new(self.virtual_time);
        let cleanup_timeout = nanos(self.cleanup_timeout);
        let mut state = State::new(Place::take()?, clock, cleanup_timeout, self.on_unhandled);
        state.pace.set_round(nanos(self.look_around_every));
        state.locals = self.locals;
        state.pace.slow = nanos(self.slow_poll);
        state.failures = self.fail_on_unhandled.then(SharedFailures::default);
        Ok(Runtime::of(state))
    }

    /// Puts an option of a layer above into each loop that is built; the last of its type counts.
    pub(crate) fn with_local<T: LoopLocal>(mut self, value: T) -> Self {
        drop(self.locals.set(Rc::new(value)));
        self
    }

    /// Makes the loop and [runs](crate::run) `main` on it.
    ///
    /// # Panics
    ///
    /// As [`run`](crate::run); and as [`Builder::fail_on_unhandled`] says.
    #[track_caller]
    pub fn run<F: IntoFuture>(self, main: F) -> F::Output {
        match self.build() {
            Ok(runtime) => runtime.run_and_shut_down(main, Location::caller()),
            Err(error) => panic!("cannot make an event loop: {error}"),
        }
    }
}

impl Runtime {
    /// Runs `main`, on behalf of the code at `place`, and ends the loop.
    #[track_caller]
    pub(crate) fn run_and_shut_down<F: IntoFuture>(
        mut self,
        main: F,
        place: &'static Location<'static>,
    ) -> F::Output {
        let failures = self.failures();
        let output = self.run_caught(main, place);
        // The other tasks, and what they leave, are awaited also after a panic of main.
        self.shutdown();
        let output = output.unwrap_or_else(|payload| panic::resume_unwind(payload));
        check_failures(failures.as_ref());
        output
    }

    /// An event loop with the default options; see [`Builder`].
    ///
    /// # Errors
    ///
    /// As [`Builder::build`].
    pub fn new() -> io::Result<Self> {
        Builder::new().build()
    }
}

/// Runs `main` on a new event loop until it is ready, and returns its output; Python's `asyncio.run`.
///
/// Then every other task is cancelled: its future is dropped, on the loop, before `run` returns, and the [cleanups](crate::with_cleanup)
/// that it leaves are awaited. What must go on has to be awaited by `main`.
///
/// # Panics
///
/// If `main` panics, with the same payload, after the other tasks are gone. If a loop already runs on this thread: `await` the
/// future there instead. If the process has 4094 loops.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// let sum = oneloop::run(async {
///     let (a, b) = oneloop::gather!(fetch(1), fetch(2)).await;
///     a + b
/// });
/// assert_eq!(sum, 30);
///
/// async fn fetch(n: u32) -> u32 {
///     oneloop::sleep(Duration::from_millis(1)).await;
///     n * 10
/// }
/// ```
#[track_caller]
pub fn run<F: IntoFuture>(main: F) -> F::Output {
    Builder::new().run(main)
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("virtual_time", &self.virtual_time)
            .field("cleanup_timeout", &self.cleanup_timeout)
            .field("look_around_every", &self.look_around_every)
            .field("fail_on_unhandled", &self.fail_on_unhandled)
            .finish_non_exhaustive()
    }
}
