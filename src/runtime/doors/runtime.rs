//! `Runtime`: a loop that is made once and run many times, or turned by a host.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::panic::{self, AssertUnwindSafe, Location};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use super::descriptor::Descriptor;
#[cfg(feature = "tokio")]
use super::driver::Driver;
use super::handle::Handle;
use crate::runtime::closing;
use crate::runtime::context::{self, enter, with};
use crate::runtime::data::job::MaybeDone;
use crate::runtime::data::key::{NO_SLOT, RunNumber};
use crate::runtime::data::log::log_line::tell_folded;
use crate::runtime::data::own_process::OwnProcess;
use crate::runtime::data::record::Payload;
use crate::runtime::data::tasks::MAIN;
use crate::runtime::deferred::run_outbox;
use crate::runtime::event_loop::{self, PollMain};
use crate::runtime::handles::leaving;
use crate::runtime::limit;
use crate::runtime::postponed;
use crate::runtime::report::failures::{SharedFailures, check_failures};
use crate::runtime::report::reports::report_second_panic;
use crate::runtime::state::State;

/// An event loop that can be run more than once, or be driven by another loop. Asyncio's `Runner`.
///
/// Most programs need only [`run`](crate::run). Tasks that are left when [`Runtime::run`] returns
/// wait for the next run. [`Runtime::shutdown`] and dropping the runtime cancel them.
///
/// A thread may have several runtimes, of which one runs at a time.
///
/// # Examples
///
/// ```
/// let mut runtime = oneloop::Runtime::new()?;
/// let task = runtime.run(async { oneloop::create_task(async { "made in the first run" }) });
/// assert_eq!(runtime.run(task).unwrap(), "made in the first run");
/// # std::io::Result::Ok(())
/// ```
///
/// # Forks
///
/// A forked child has a copy of its parent's loop, which cannot continue there: running it panics
/// with a message that says so. Dropping the copy, and the streams, guards and files that came with
/// it, does not affect the parent: connections stay open, locks stay locked, and no cleanup runs.
/// The child can run a loop of its own at once, even inside the call of the parent's `run`.
///
/// # Threads
///
/// A runtime stays on its thread, like its tasks. Pass a [`Handle`] to other threads:
///
/// ```compile_fail,E0277
/// let runtime = oneloop::Runtime::new().unwrap();
/// std::thread::spawn(move || drop(runtime));
/// ```
#[doc(alias = "Runner")]
#[doc(alias = "EventLoop")]
#[doc(alias = "new_event_loop")]
#[doc(alias = "LocalSet")]
#[doc(alias = "LocalPool")]
pub struct Runtime {
    run: RunNumber,
    /// The other loop inside which this one runs, if there is one.
    #[cfg(feature = "tokio")]
    pub(super) driver: Option<Box<dyn Driver>>,
    /// The reactor's descriptor, for a host that has asked for it.
    pub(super) descriptor: Descriptor,
    /// It stays the thread's loop between two turns. Another loop may run there for a while.
    stays: Cell<bool>,
    /// The state is on this thread as long as this exists.
    thread: PhantomData<*const State>,
}

impl Runtime {
    pub(crate) fn of(state: Box<State>) -> Self {
        let run = state.run_number();
        context::keep_idle(state);
        Self {
            run,
            #[cfg(feature = "tokio")]
            driver: None,
            descriptor: Descriptor::default(),
            stays: Cell::new(false),
            thread: PhantomData,
        }
    }

    /// Runs `main` until it is ready and its [cleanups](crate::with_cleanup) are done. The other
    /// tasks run meanwhile.
    ///
    /// # Panics
    ///
    /// If `main` panics, this panics with the same payload. Also panics if a loop already runs on
    /// this thread, and as [`Builder::fail_on_unhandled`](crate::Builder::fail_on_unhandled) says.
    #[track_caller]
    #[doc(alias = "run_until_complete")]
    #[doc(alias = "run_forever")]
    #[doc(alias = "block_on")]
    pub fn run<F: IntoFuture>(&mut self, main: F) -> F::Output {
        let output = self.run_caught(main, Location::caller());
        let output = output.unwrap_or_else(|payload| panic::resume_unwind(payload));
        check_failures(self.failures().as_ref());
        output
    }

    /// The reports that make a run fail, if the loop was built so.
    pub(crate) fn failures(&self) -> Option<SharedFailures> {
        self.with(|state| state.failures.clone())
    }

    /// Like [`Runtime::run`], called at `place`, but returns a panic of `main`.
    #[track_caller]
    pub(crate) fn run_caught<F: IntoFuture>(
        &mut self,
        main: F,
        place: &'static Location<'static>,
    ) -> Result<F::Output, Payload> {
        if let Some(outer) = outer_run() {
            panic!(
                "an event loop cannot be run at {place}, inside the one that runs on this thread since {outer}: `await` the \
                 future instead"
            );
        }
        self.stop_hosting();
        #[cfg(feature = "tokio")]
        if let Some(driver) = &self.driver {
            return self.run_driven(&**driver, main.into_future(), place);
        }
        let ran = self.inside(|| {
            check_process()?;
            Ok(limit::unlimited(|| run_main(main.into_future(), place)))
        });
        match ran {
            Ok(output) => output,
            Err(error) => cannot_go_on(&error),
        }
    }

    /// Returns a handle, through which other threads reach this loop.
    pub fn handle(&self) -> Handle {
        Handle::new(self.run)
    }

    /// Cancels the remaining tasks, waits for their [cleanups](crate::with_cleanup) for at most
    /// [`Builder::cleanup_timeout`](crate::Builder::cleanup_timeout), and ends the loop. Dropping
    /// the runtime does the same, but does not wait during a panic.
    pub fn shutdown(self) {
        drop(self);
    }

    /// Like [`Runtime::shutdown`], but once `hurry` is ready, it no longer waits for cleanups.
    /// Their reports contain the clause `why`.
    pub(crate) fn shutdown_until(
        mut self,
        mut hurry: impl FnMut(&mut Context<'_>) -> Poll<()>,
        why: &'static str,
    ) {
        self.end(Some(&mut |cx| {
            let poll = hurry(cx);
            if poll.is_ready() {
                with(|state| state.cleaning.why_hurried = Some(why));
            }
            poll
        }));
    }

    /// Ends the loop without waiting for cleanups. Their reports contain the clause `why`.
    pub(super) fn give_up(&mut self, why: &'static str) {
        self.end(Some(&mut |_| {
            with(|state| state.cleaning.why_hurried = Some(why));
            Poll::Ready(())
        }));
    }

    /// Ends the loop. Does nothing the second time.
    fn end(&mut self, hurry: Option<&mut PollMain<'_>>) {
        self.stop_hosting();
        let never: &mut PollMain<'_> = &mut |_| Poll::Pending;
        let (waits_for_locals, hurry) = match hurry {
            Some(hurry) => (true, hurry),
            None => (false, never),
        };
        #[cfg(feature = "tokio")]
        if self.end_driven(hurry) {
            return;
        }
        // The code that drops this may belong to another loop, and have limits there.
        self.inside(|| {
            limit::unlimited(|| {
                start_end();
                closing::close(hurry);
                if waits_for_locals {
                    leaving::await_locals(hurry);
                }
                finish_end();
            });
        });
        self.drop_state();
    }

    /// Drops the state, which may still hold foreign wakers. The loop has ended.
    pub(super) fn drop_state(&self) {
        self.stop_hosting();
        tell_folded();
        if let Some(payload) = context::drop_caught(context::take_idle(self.run)) {
            context::discard(payload);
        }
    }

    /// Makes this the thread's loop until another one runs here.
    pub(super) fn stay(&self) {
        self.stays.set(true);
        context::stay_in(self.run);
    }

    /// Ends what [`stay`](Self::stay) began, and gives up the host.
    pub(super) fn stop_hosting(&self) {
        if self.stays.replace(false) {
            context::leave(self.run);
            self.with(State::leave_host);
        }
    }

    /// Calls `f` with this loop as the thread's loop.
    pub(crate) fn inside<R>(&self, f: impl FnOnce() -> R) -> R {
        let is_here = self.stays.get() && context::is_here(self.run);
        let _entered = (!is_here).then(|| enter(self.run));
        f()
    }

    pub(super) fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        match self.inside(|| with(f)) {
            Some(result) => result,
            None => unreachable!("`inside` has made it the thread's loop"),
        }
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.end(None);
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").finish_non_exhaustive()
    }
}

/// Fails in a forked child, which would otherwise take events from its parent's loop.
pub(super) fn check_process() -> io::Result<()> {
    with(|state| state.check_process()).unwrap_or(Ok(()))
}

#[cold]
#[track_caller]
pub(super) fn cannot_go_on(error: &io::Error) -> ! {
    panic!("the event loop cannot go on: {error}")
}

/// The place where the loop that runs on this thread was started. A forked child's copy of its
/// parent's loop cannot continue, so it does not count, and the child can run a loop of its own.
pub(super) fn outer_run() -> Option<&'static Location<'static>> {
    with(|state| {
        let is_inherited = || match state.owner.process {
            Some(process) => !process.is_current(),
            // A loop without anything to share has not noted its process.
            None => OwnProcess::is_new_fork(),
        };
        state.running_since.filter(|_| !is_inherited())
    })
    .flatten()
}

/// Begins the end of this thread's loop.
pub(super) fn start_end() {
    with(|state| {
        if state.is_inherited() {
            state.disown();
        }
    });
    leaving::close_locals();
}

/// Every task of this thread's loop has ended. Drops the values that are left.
pub(super) fn finish_end() {
    context::drop_locals();
    closing::drop_what_is_left();
    postponed::deliver_last();
    closing::drop_what_is_left();
}

/// Runs `main` on the stack, with this thread's loop.
fn run_main<F: Future>(main: F, place: &'static Location<'static>) -> Result<F::Output, Payload> {
    let mut main = pin!(MaybeDone::new(main));
    let mut panicked = None;
    start_main(place);
    with(|state| state.running_since = Some(place));
    let is_ready =
        event_loop::run_until_ready(&mut |cx| poll_main(main.as_mut(), &mut panicked, cx));
    if !is_ready {
        panicked = fail_hung(main.as_mut());
    }
    let result = end_main(main, panicked);
    closing::await_what_main_left();
    finish_main();
    with(|state| state.running_since = None);
    result
}

/// Makes the slot of main that of a new one, called at `place`.
pub(super) fn start_main(place: &'static Location<'static>) {
    with(|state| {
        state.tasks.renew_main(place);
        state.errands.start_run();
    });
}

/// Polls main, and catches its panic. Like a task's, main's future is dropped when it is ready,
/// while main is current. A panic in that drop is main's panic.
pub(super) fn poll_main<F: Future>(
    main: Pin<&mut MaybeDone<F>>,
    panicked: &mut Option<Payload>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let poll = panic::catch_unwind(AssertUnwindSafe(|| main.poll(cx)));
    poll.unwrap_or_else(|payload| {
        *panicked = Some(payload);
        Poll::Ready(())
    })
}

/// Takes the output of a main that is ready, or its panic.
pub(super) fn end_main<F: Future>(
    main: Pin<&mut MaybeDone<F>>,
    panicked: Option<Payload>,
) -> Result<F::Output, Payload> {
    with(|state| state.current = NO_SLOT);
    // After a panic, the rest of the future is still here. Taking the output drops it, and this
    // drop may panic again.
    let taken = panic::catch_unwind(AssertUnwindSafe(|| main.take()));
    let result = match (panicked, taken) {
        (Some(first), taken) => {
            if let Err(second) = taken {
                report_second_panic_of_main(second);
            }
            Err(first)
        }
        (None, Err(payload)) => Err(payload),
        (None, Ok(Some(output))) => Ok(output),
        (None, Ok(None)) => unreachable!("main is ready, so it has an output"),
    };
    run_outbox();
    result
}

/// Main has ended, and so has everything that it had to wait for.
pub(super) fn finish_main() {
    postponed::deliver_reports();
    with(|state| {
        state.tasks.calm_main();
        state.cleaning.why_hurried = None;
    });
}

/// Drops a main that hangs, and panics with a list of the tasks that wait. Returns the payload.
fn fail_hung<F: Future>(main: Pin<&mut MaybeDone<F>>) -> Option<Payload> {
    let hang = with(|state| {
        // The drop is part of main's turn, so that the run awaits the cleanups that it leaves.
        state.start_turn(state.key_of_main());
        state.describe_hang()
    });
    if let Err(second) = panic::catch_unwind(AssertUnwindSafe(|| main.clear())) {
        report_second_panic_of_main(second);
    }
    panic::catch_unwind(|| panic!("{}", hang.unwrap_or_default())).err()
}

/// The first panic is the outcome of the run.
fn report_second_panic_of_main(second: Payload) {
    let main = with(|state| state.tasks.label(MAIN));
    report_second_panic(main.as_ref(), second);
}
