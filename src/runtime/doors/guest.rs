//! A whole run of a loop, polled by a host.

use std::fmt;
use std::io;
use std::panic::{self, Location};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use pin_project_lite::pin_project;

use super::builder::Builder;
#[cfg(feature = "tokio")]
use super::driver::invalid;
use super::hosted::refuse_inside;
use super::runtime::Runtime;
use super::steps::Steps;
use crate::runtime::event_loop::Turn;
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
        steps: Steps<F>,
        // When the host has to poll at the latest.
        deadline: Option<Instant>,
    }

    impl<F: Future> PinnedDrop for Guest<F> {
        fn drop(this: Pin<&mut Self>) {
            this.give_up();
        }
    }
}

impl Builder {
    /// Makes the loop, and a [`Guest`] that runs `main` on it inside another loop.
    ///
    /// # Errors
    ///
    /// The errors of [`Builder::build`].
    #[track_caller]
    pub fn guest<F: IntoFuture>(self, main: F) -> io::Result<Guest<F::IntoFuture>> {
        #[cfg(feature = "tokio")]
        if self.driver.is_some() {
            return Err(invalid(
                "a guest runs inside the loop of its host: leave `Builder::tokio` out, and use `oneloop::tokio::guest` there",
            ));
        }
        Ok(Guest {
            runtime: self.build()?,
            steps: Steps::of_run(main.into_future(), Location::caller(), true),
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
        assert!(!self.steps.is_over(), "a `Guest` was polled after it was ready");
        let turn = self.as_mut().turn(cx, is_readable);
        match turn {
            Some(Turn::Busy) => cx.waker().wake_by_ref(),
            Some(Turn::Park(deadline)) => *self.project().deadline = deadline,
            None => return Poll::Ready(self.end()),
        }
        Poll::Pending
    }

    /// Makes one turn of the loop. Returns `None` when the loop has ended.
    pub(crate) fn turn(self: Pin<&mut Self>, cx: &Context<'_>, is_readable: bool) -> Option<Turn> {
        let this = self.project();
        this.runtime.turn_steps(this.steps, &mut |_| Poll::Pending, cx, is_readable)
    }

    /// Takes the output, when the loop has ended.
    pub(crate) fn end(self: Pin<&mut Self>) -> F::Output {
        let this = self.project();
        let failures = this.runtime.failures();
        this.runtime.drop_state();
        let output = this.steps.take_result();
        let output = output.unwrap_or_else(|payload| panic::resume_unwind(payload));
        check_failures(failures.as_ref());
        output
    }

    /// Ends the loop without waiting for anything, unless it has ended.
    fn give_up(self: Pin<&mut Self>) {
        let this = self.project();
        if !this.steps.is_over() {
            this.steps.drop_main(this.runtime);
            this.runtime.give_up(DROPPED);
        }
    }
}

impl<F: Future> fmt::Debug for Guest<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guest").finish_non_exhaustive()
    }
}
