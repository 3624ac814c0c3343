//! A whole run of a loop, polled by a host.

use std::fmt;
use std::io;
use std::panic::{self, Location};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use pin_project_lite::pin_project;

use super::builder::Builder;
use super::hosted::{hosted_turn, refuse_inside};
use super::runtime::{
    Runtime, end_main, finish_end, finish_main, poll_main, start_end, start_main,
};
use crate::runtime::closing::{self, End};
use crate::runtime::context::with;
use crate::runtime::data::job::MaybeDone;
use crate::runtime::data::key::NO_SLOT;
use crate::runtime::data::record::Payload;
use crate::runtime::data::tasks::MAIN;
use crate::runtime::deferred::guard;
use crate::runtime::event_loop::{self, Park, Turn};
use crate::runtime::handles::leaving;
use crate::runtime::host::set_host;
use crate::runtime::report::failures::check_failures;

/// Why cleanups are cut off that the drop of a guest leaves.
const DROPPED: &str = "the guest was dropped before its end";

pin_project! {
    /// A main and its loop inside another loop, the host. It is [`Builder::run`] in steps: it never
    /// waits itself, and the host polls it until it is ready.
    ///
    /// The loop stays the thread's loop between two polls, so oneloop's functions work in the
    /// host's own tasks, too.
    ///
    /// When main is ready, the guest awaits main's cleanups, cancels all other tasks, awaits their
    /// cleanups, and ends the loop. Then it is ready with main's output.
    ///
    /// If it is dropped before it is ready, it drops main and all tasks at once. To await their
    /// cleanups would block the host, so these are cut off, and reported.
    ///
    /// # Examples
    ///
    /// A host that knows only how to wait for a descriptor and for a time:
    ///
    /// ```
    /// use oneloop::{Builder, sleep};
    /// use std::pin::pin;
    /// use std::sync::Arc;
    /// use std::task::{Context, Poll, Wake, Waker};
    /// use std::thread::{self, Thread};
    /// use std::time::{Duration, Instant};
    ///
    /// struct Unpark(Thread);
    ///
    /// impl Wake for Unpark {
    ///     fn wake(self: Arc<Self>) {
    ///         self.0.unpark();
    ///     }
    /// }
    ///
    /// let waker = Waker::from(Arc::new(Unpark(thread::current())));
    /// let mut guest = pin!(Builder::new().guest(async {
    ///     sleep(Duration::from_millis(1)).await;
    ///     42
    /// })?);
    /// let output = loop {
    ///     // This main has no sockets, so the host does not watch the descriptor.
    ///     match guest.as_mut().poll(&mut Context::from_waker(&waker), false) {
    ///         Poll::Ready(output) => break output,
    ///         Poll::Pending => match guest.next_deadline() {
    ///             None => thread::park(),
    ///             Some(deadline) => {
    ///                 thread::park_timeout(deadline.saturating_duration_since(Instant::now()));
    ///             }
    ///         },
    ///     }
    /// };
    /// assert_eq!(output, 42);
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use = "a guest does nothing unless it is polled"]
    pub struct Guest<F: Future> {
        runtime: Runtime,
        #[pin]
        main: MaybeDone<F>,
        place: &'static Location<'static>,
        stage: Stage,
        result: Option<Result<F::Output, Payload>>,
        // When the host has to poll at the latest.
        deadline: Option<Instant>,
    }

    impl<F: Future> PinnedDrop for Guest<F> {
        fn drop(this: Pin<&mut Self>) {
            this.give_up();
        }
    }
}

enum Stage {
    New,
    /// Main is polled.
    Main,
    /// Main's cleanups are awaited.
    Left,
    /// All tasks were cancelled, and their cleanups are awaited.
    Ending(End),
    /// Values of the layers above wait for other threads.
    Locals,
    Over,
}

impl Builder {
    /// Makes the loop, and a [`Guest`] that runs `main` on it inside another loop.
    ///
    /// # Errors
    ///
    /// The errors of [`Builder::build`].
    #[track_caller]
    pub fn guest<F: IntoFuture>(self, main: F) -> io::Result<Guest<F::IntoFuture>> {
        Ok(Guest {
            runtime: self.build()?,
            main: MaybeDone::new(main.into_future()),
            place: Location::caller(),
            stage: Stage::New,
            result: None,
            deadline: None,
        })
    }
}

impl<F: Future> Guest<F> {
    /// The loop. Use it for [`Runtime::reactor_fd`], [`Runtime::enter`] and [`Runtime::handle`].
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// When the host has to poll again if nothing else happens, or `None` if no timer is armed.
    /// Where the host watches [`Runtime::reactor_fd`], it need not ask, on Linux: the descriptor
    /// becomes readable at the deadline.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Makes one turn of the loop. `is_readable` says that [`Runtime::reactor_fd`] has become
    /// readable since the last poll; see [`Runtime::poll_turn`].
    ///
    /// The host polls again when `cx` is woken, when the descriptor becomes readable, or at
    /// [`next_deadline`](Self::next_deadline). A loop that is busy wakes `cx` itself, so that the
    /// host's other tasks have their turns in between.
    ///
    /// # Panics
    ///
    /// If main panicked, the last poll panics with the same payload, after the other tasks have
    /// ended. Also panics if it is polled inside a loop that runs on this thread, or after it was
    /// ready, or in a forked child of the process that made the loop.
    #[track_caller]
    pub fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        is_readable: bool,
    ) -> Poll<F::Output> {
        refuse_inside(Location::caller());
        assert!(!matches!(self.stage, Stage::Over), "a `Guest` was polled after it was ready");
        self.runtime.stay();
        set_host(cx.waker());
        let turn = hosted_turn(self.place, is_readable, || self.as_mut().turn());
        let this = self.project();
        match turn {
            Some(Turn::Busy) => cx.waker().wake_by_ref(),
            Some(Turn::Park(deadline)) => *this.deadline = deadline,
            None => {
                let failures = this.runtime.failures();
                this.runtime.drop_state();
                let result = this.result.take().expect("main has ended before the loop");
                let output = result.unwrap_or_else(|payload| panic::resume_unwind(payload));
                check_failures(failures.as_ref());
                return Poll::Ready(output);
            }
        }
        Poll::Pending
    }

    /// Makes one turn. Returns `None` when the loop has ended.
    fn turn(mut self: Pin<&mut Self>) -> Option<Turn> {
        loop {
            let this = self.as_mut().project();
            let next = match this.stage {
                Stage::New => {
                    start_main(this.place);
                    with(|state| state.queue(MAIN));
                    Stage::Main
                }
                Stage::Main => {
                    let (mut main, mut panicked, mut is_ready) = (this.main, None, false);
                    let mut poll = |cx: &mut Context<'_>| {
                        let poll = poll_main(main.as_mut(), &mut panicked, cx);
                        is_ready = poll.is_ready();
                        poll
                    };
                    let turn = event_loop::turn(&mut poll, Park::InHost);
                    if !is_ready {
                        return Some(turn);
                    }
                    *this.result = Some(end_main(main, panicked));
                    closing::start_waiting_for_main();
                    Stage::Left
                }
                Stage::Left => {
                    if let Some(turn) = closing::turn_after_main(Park::InHost) {
                        return Some(turn);
                    }
                    finish_main();
                    start_end();
                    Stage::Ending(End::start())
                }
                Stage::Ending(end) => {
                    if let Some(turn) = end.turn(&mut |_| Poll::Pending, Park::InHost) {
                        return Some(turn);
                    }
                    Stage::Locals
                }
                Stage::Locals => {
                    if let Some(turn) = leaving::turn_for_locals() {
                        return Some(turn);
                    }
                    finish_end();
                    Stage::Over
                }
                Stage::Over => return None,
            };
            *self.as_mut().project().stage = next;
        }
    }

    /// Ends the loop without waiting for anything, unless it has ended.
    fn give_up(self: Pin<&mut Self>) {
        let this = self.project();
        if let Stage::Over = this.stage {
            return;
        }
        let mut main = this.main;
        this.runtime.inside(|| {
            let label = with(|state| {
                state.start_turn(state.key_of_main());
                state.tasks.label(MAIN)
            });
            guard(label.as_ref(), || main.as_mut().clear());
            with(|state| state.current = NO_SLOT);
        });
        this.runtime.give_up(DROPPED);
    }
}

impl<F: Future> fmt::Debug for Guest<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guest").finish_non_exhaustive()
    }
}
