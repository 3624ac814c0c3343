//! `Builder`, the options of a loop, and `run`, which uses the defaults.

use std::fmt;
use std::io;
use std::panic::{self, Location};
use std::rc::Rc;
use std::time::Duration;

#[cfg(feature = "tokio")]
use super::driver::{MakeDriver, invalid};
use super::runtime::Runtime;
use crate::runtime::data::clock::{Clock, nanos};
use crate::runtime::data::locals::{Locals, LoopLocal};
use crate::runtime::data::pace::{ROUND, SLOW};
use crate::runtime::report::failures::{SharedFailures, check_failures};
use crate::runtime::report::unhandled::Unhandled;
use crate::runtime::state::{ParkHook, State, UnhandledHook};
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
/// A builder stays on its thread, because its hook may be local:
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
    around_park: Option<ParkHook>,
    /// Another loop inside which this one is to run.
    #[cfg(feature = "tokio")]
    pub(super) driver: Option<MakeDriver>,
    /// Options of upper layers.
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
            around_park: None,
            #[cfg(feature = "tokio")]
            driver: None,
            locals: Locals::default(),
        }
    }
}

impl Builder {
    /// The default options: real time, and reports as lines through the `log` crate or, in a
    /// program without a logger, on standard error.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes time virtual: it stands still while tasks run, and jumps to the next deadline when no
    /// task can run. Sleeps and timeouts are exact and take no time. This is for tests;
    /// `#[oneloop::test(virtual_time)]` does the same. Trio calls this an autojump clock.
    ///
    /// Time does not jump while the loop waits for another thread or process that it knows of: a
    /// call of [`to_thread`](crate::thread::to_thread), an operation of a file, the look-up of a
    /// name, a [`thread::channel`](crate::thread::channel()), a task of another loop, the pipes or
    /// the end of a child process, standard input and output. Then a deadline comes no sooner than
    /// in real time, counted from when the last such wait began or ended. A limit around many short
    /// waits of this kind may therefore never end.
    ///
    /// If a wait through [`Stream`](futures_core::Stream) or [`AsyncRead`](futures_io::AsyncRead)
    /// is abandoned, it counts until the channel, the pipe or the handle is used again or dropped.
    ///
    /// Time does jump while an answer from a socket or through another kind of pipe is on its way,
    /// or a signal, or a wake from a thread that the loop does not know of. Use virtual time only
    /// for tests without these.
    ///
    /// A main that hangs fails: once every task waits, and no timer, no socket and no thread that
    /// the loop knows of is left to wake one, [`run`](Self::run) panics after 200 ms and names the
    /// waiting tasks. If a thread of yours wakes a task later than that, run its work with
    /// [`to_thread`](crate::thread::to_thread), and time waits for it. A host that calls
    /// [`Runtime::turn`](crate::Runtime::turn) may wake tasks itself, so a hang does not panic
    /// there.
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

    /// Sets how long a [cleanup](crate::with_cleanup) may take. The default is 5 seconds. After
    /// that time it is dropped where it waits, which is reported, and the next cleanup begins.
    ///
    /// A dropped [`StreamWriter`](crate::io::StreamWriter) has the same time to send the rest of
    /// its data.
    ///
    /// All cleanups that are left when the loop ends share this time, and so do the [calls on other
    /// threads](crate::thread::to_thread) that still run. With `Duration::ZERO`, a cleanup that has
    /// to wait is dropped at once. With `Duration::MAX` there is no limit.
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

    /// Sets how long tasks run before the loop looks at sockets, timers and messages of other
    /// threads. The default is 50 microseconds.
    ///
    /// With a shorter time, sockets and timers wait less while other tasks compute, but the loop
    /// spends more of its time on looking, about half a microsecond each time. With
    /// [`Duration::ZERO`], the loop looks after each poll of a task. A single poll that takes
    /// longer is never interrupted. Tokio's `event_interval` counts polls instead.
    ///
    /// This has no effect under [virtual time](Self::virtual_time), where the loop looks after at
    /// most 64 polls.
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

    /// Sets a hook that receives reports. Asyncio's `loop.set_exception_handler`. Without a hook, a
    /// report is a line through the `log` crate.
    ///
    /// The loop reports:
    ///
    /// - each panic that is not awaited,
    /// - each error of a task that was [detached](crate::Task::detach),
    /// - each [cleanup](crate::with_cleanup) that failed, unless a
    ///   [`JoinError`](crate::JoinError::cleanup_errors) or the error of a group contains that,
    /// - each [call on another thread](crate::thread::to_thread) that outlasts the loop.
    ///
    /// The hook can decide by the [kind](Unhandled::kind) of the report, its
    /// [error](Unhandled::error) or its [peer](Unhandled::peer_addr). A report displays itself as
    /// one line. The loop calls the hook once per report, on its own thread, when it next looks
    /// around after it is certain that the task will not be awaited: the task has ended and its
    /// handle is gone. So the hook never runs inside the code that drops a handle, and it may take
    /// locks that this code holds. A run delivers its reports before it returns. Reports from
    /// between two runs of a [`Runtime`] are delivered in the next run, or at the end of the
    /// runtime. If the hook panics, the loop writes a line with that panic and the report.
    ///
    /// A failure on another thread on behalf of the loop, such as a call whose caller is gone or a
    /// [`File`](crate::fs::File) that was sent away, also goes to the hook while the loop lives.
    /// Later it goes to the log.
    ///
    /// The hook receives no report if a server's handler or its cleanup fails with
    /// `ConnectionReset`, `BrokenPipe` or `ConnectionAborted`, even as the cause of another error,
    /// because peers cause these errors every day. The log gets a line of level "debug".
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

    /// Makes `run` panic at its end if anything was reported as [unhandled](Builder::on_unhandled),
    /// such as a detached task that failed or panicked, or a cleanup that was cut off. This is for
    /// tests; [`#[oneloop::test]`](crate::test) does it by default.
    ///
    /// The panic contains the reports. A panic of main takes precedence. The hook is still called,
    /// or the lines are still written. With a [`Runtime`], each [`Runtime::run`] panics because of
    /// the reports until its end, and a report after the last run is only a line.
    ///
    /// A listener that [pauses](crate::UnhandledKind::AcceptPaused) is not a failure.
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

    /// Sets how long the loop may be held up before it warns. The default is 100 ms. Asyncio's
    /// `slow_callback_duration`.
    ///
    /// The warning goes to the log or, without a logger, to standard error. It names at most three
    /// of the tasks that were polled in that time, and says how long the thread has computed
    /// meanwhile. If it hardly computed, it was blocked, or the machine was too busy to run it.
    /// With `Duration::MAX` there are no warnings. Under virtual time there are none either.
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

    /// Wraps each wait of the loop: `hook` gets a function that waits for the next event, and calls
    /// it once. Use it for a lock that the loop holds while it runs, such as the lock of another
    /// language's interpreter: release it, wait, take it back.
    ///
    /// If the hook does not call the function, the loop goes on at once, and waits the next time.
    /// Code in the hook can use the loop: a task that it wakes ends the wait. A panic of the hook
    /// is a panic of [`run`](crate::run). A loop whose host waits never calls it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Mutex;
    /// use std::time::Duration;
    ///
    /// static LOCK: Mutex<()> = Mutex::new(());
    ///
    /// thread_local! {
    ///     static HELD: std::cell::Cell<Option<std::sync::MutexGuard<'static, ()>>> =
    ///         const { std::cell::Cell::new(None) };
    /// }
    ///
    /// HELD.set(LOCK.lock().ok());
    /// let builder = oneloop::Builder::new().around_park(|park| {
    ///     drop(HELD.take());
    ///     park();
    ///     HELD.set(LOCK.lock().ok());
    /// });
    /// builder.run(oneloop::sleep(Duration::from_millis(1)));
    /// assert!(LOCK.try_lock().is_err(), "the loop's thread holds it again");
    /// ```
    pub fn around_park(mut self, hook: impl Fn(&mut dyn FnMut()) + 'static) -> Self {
        self.around_park = Some(Rc::new(hook));
        self
    }

    /// Makes the loop.
    ///
    /// # Errors
    ///
    /// Fails if the process already has 4094 loops. A loop needs no descriptors until it waits for
    /// something.
    pub fn build(self) -> io::Result<Runtime> {
        #[cfg(feature = "tokio")]
        if self.driver.is_some() && self.virtual_time {
            return Err(invalid(
                "virtual time does not go together with tokio, whose timers take real time: leave one of the two out",
            ));
        }
        let clock = Clock::new(self.virtual_time);
        let cleanup_timeout = nanos(self.cleanup_timeout);
        let place = Place::take()?;
        let mut state = Box::new(State::new(place, clock, cleanup_timeout, self.on_unhandled));
        state.pace.set_round(nanos(self.look_around_every));
        state.locals = self.locals;
        state.pace.slow = nanos(self.slow_poll);
        state.around_park = self.around_park;
        state.failures = self.fail_on_unhandled.then(SharedFailures::default);
        #[cfg_attr(not(feature = "tokio"), expect(unused_mut, reason = "only a driver is set"))]
        let mut runtime = Runtime::of(state);
        #[cfg(feature = "tokio")]
        {
            runtime.driver = self.driver.map(|make| make()).transpose()?;
        }
        Ok(runtime)
    }

    /// Puts an option of an upper layer into each loop that is built. A later value of the same
    /// type replaces an earlier one.
    pub(crate) fn with_local<T: LoopLocal>(mut self, value: T) -> Self {
        drop(self.locals.set(Rc::new(value)));
        self
    }

    /// Makes the loop and [runs](crate::run) `main` on it.
    ///
    /// # Panics
    ///
    /// Panics like [`run`](crate::run), and as [`Builder::fail_on_unhandled`] says.
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
        // Even after a panic of main, the other tasks and their cleanups are awaited.
        self.shutdown();
        let output = output.unwrap_or_else(|payload| panic::resume_unwind(payload));
        check_failures(failures.as_ref());
        output
    }

    /// Makes an event loop with the default options; see [`Builder`].
    ///
    /// # Errors
    ///
    /// The errors of [`Builder::build`].
    pub fn new() -> io::Result<Self> {
        Builder::new().build()
    }
}

/// Runs `main` on a new event loop until it is ready, and returns its output. Python's
/// `asyncio.run`.
///
/// Then every other task is cancelled. Before `run` returns, the loop drops their futures and
/// awaits the [cleanups](crate::with_cleanup) that they leave. If a task must finish, `main` has to
/// await it.
///
/// # Panics
///
/// If `main` panics, `run` panics with the same payload after the other tasks have ended. Also
/// panics if a loop already runs on this thread (`await` the future there instead), or if the
/// process already has 4094 loops.
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
