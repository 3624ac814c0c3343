//! The thread of a worker: its loop, its future, and its restarts after a panic.

use std::io;
use std::panic::{self, AssertUnwindSafe, Location};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::crew::Crew;
use super::end::End;
use super::{OnPanic, Worker, Workers};
use crate::runtime::{Level, Runtime, discard, log_line};
use crate::signal::{Asks, run_unless_asked};
use crate::sys::cores;
use crate::task::{CancelToken, Cancelled};
use crate::time::{Sleep, now, sleep};

/// How long a worker waits after a panic before it starts again. The pause doubles each time, up to
/// the last.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// After a run of this length, a panic counts as the first one again.
const CALM: Duration = Duration::from_secs(60);

/// Where a worker works.
pub(super) struct Post<'a, F> {
    pub(super) index: usize,
    pub(super) crew: Arc<Crew>,
    pub(super) options: &'a Workers,
    pub(super) main: &'a F,
    pub(super) place: &'static Location<'static>,
}

impl<F> Post<'_, F> {
    /// Makes the loop, reports whether that succeeded, and runs once the gate opens. If the gate
    /// closes, it does not run.
    pub(super) fn work<R>(&self, has_started: &Sender<bool>, gate: &Receiver<()>) -> End<R>
    where
        F: AsyncFn(Worker) -> R,
    {
        let _present = Present(&self.crew);
        let started = panic::catch_unwind(AssertUnwindSafe(|| self.start()));
        // The receiver is gone only if the caller panics.
        has_started.send(matches!(started, Ok(Ok(_)))).ok();
        let end = match started {
            Ok(Ok(runtime)) if gate.recv().is_ok() => self.run(runtime),
            Ok(Ok(_)) => End::Cancelled,
            Ok(Err(error)) => End::Failed(error),
            Err(payload) => End::Panicked(payload),
        };
        match &end {
            End::Panicked(_) => self.crew.panicked(self.index),
            End::Failed(_) => self.crew.stop.cancel(),
            End::Ready(_) | End::Cancelled => {}
        }
        end
    }

    fn start(&self) -> io::Result<Runtime> {
        if self.options.pins {
            cores::pin(self.index, self.options.count)?;
        }
        let runtime = (self.options.builder)(self.index).build()?;
        self.crew.handles()[self.index] = Some(runtime.handle());
        Ok(runtime)
    }

    /// Runs until the worker ends and is not restarted.
    fn run<R>(&self, mut runtime: Runtime) -> End<R>
    where
        F: AsyncFn(Worker) -> R,
    {
        let mut restarts = Restarts { done: 0, pause: Duration::ZERO };
        loop {
            let start = now();
            let worker = Worker::new(Arc::clone(&self.crew), self.index);
            let mut asks = CrewAsks::new(&worker, self.options.grace);
            let pause = restarts.pause;
            let main = async {
                if !pause.is_zero() {
                    sleep(pause).await;
                }
                (self.main)(worker).await
            };
            let payload = match run_unless_asked(runtime, main, &mut asks, self.place) {
                Ok(output) => return output.map_or(End::Cancelled, End::Ready),
                Err(payload) => payload,
            };
            let is_over = self.crew.stop.is_cancelled();
            if is_over || !restarts.allow(self.options.on_panic, now() - start) {
                return End::Panicked(payload);
            }
            log_line(Level::Warn, &format!("worker {} panicked and starts again", self.index));
            discard(payload);
            runtime = match panic::catch_unwind(AssertUnwindSafe(|| self.start())) {
                Ok(Ok(runtime)) => runtime,
                Ok(Err(error)) => return End::Failed(error),
                Err(payload) => return End::Panicked(payload),
            };
        }
    }
}

/// Marks its worker as present while it exists.
struct Present<'a>(&'a Crew);

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// The restarts of a worker without a calm time between them.
struct Restarts {
    done: u32,
    pause: Duration,
}

impl Restarts {
    /// Counts one more restart, if one is allowed after a run of this length.
    fn allow(&mut self, on_panic: OnPanic, ran: Duration) -> bool {
        let OnPanic::Restart { times } = on_panic else { return false };
        if ran >= CALM {
            *self = Self { done: 0, pause: Duration::ZERO };
        }
        if self.done == times {
            return false;
        }
        self.done += 1;
        self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LAST_PAUSE);
        true
    }
}

/// What the crew asks of one worker.
struct CrewAsks {
    worker: Worker,
    stop: Wish,
    hurry: Wish,
    grace: Duration,
    time_left: Option<Sleep>,
}

impl CrewAsks {
    fn new(worker: &Worker, grace: Duration) -> Self {
        let crew = worker.crew();
        let (stop, hurry) = (Wish::new(&crew.stop), Wish::new(&crew.hurry));
        Self { worker: worker.clone(), stop, hurry, grace, time_left: None }
    }
}

impl Asks for CrewAsks {
    fn poll_cancel(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.hurry.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        ready!(self.stop.poll(cx));
        if !self.worker.looks_out() {
            return Poll::Ready(());
        }
        Pin::new(self.time_left.get_or_insert_with(|| sleep(self.grace))).poll(cx)
    }

    fn poll_hurry(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.hurry.poll(cx)
    }

    fn why(&self) -> &'static str {
        "a second signal asked the workers to end"
    }
}

/// Waits for a token. Main may poll it as often as it likes, always with the same waker, at little
/// cost.
struct Wish {
    token: CancelToken,
    cancelled: Cancelled,
    waits: bool,
}

impl Wish {
    fn new(token: &CancelToken) -> Self {
        Self { token: token.clone(), cancelled: token.cancelled(), waits: false }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.waits && !self.token.is_cancelled() {
            return Poll::Pending;
        }
        self.waits = true;
        Pin::new(&mut self.cancelled).poll(cx)
    }
}
