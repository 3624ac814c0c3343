//! `workers`: the call, its options and its result.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::panic::{self, Location};
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc;
use std::task::Poll;
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::Duration;

use super::Worker;
use super::crew::Crew;
use super::post::{End, Post};
use crate::runtime::{Builder, Runtime, discard, panic_message};
use crate::signal::{Interrupted, SignalKind, Signals, signals};

/// So many workers, each with an event loop on a thread of its own; [`Workers::run`] starts them.
///
/// # Panics
///
/// If there are to be none.
///
/// # Examples
///
/// ```
/// let squares = oneloop::workers(3).run(async |worker| worker.index() * worker.index())?;
/// assert_eq!(squares, [0, 1, 4]);
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn workers(count: usize) -> Workers {
    assert!(count > 0, "there must be at least one worker: `per_core()` has one for each core");
    Workers {
        count,
        pins: false,
        stops_on_signals: true,
        grace: Duration::from_secs(5),
        on_panic: OnPanic::Stop,
        builder: Box::new(|_| Builder::new()),
    }
}

/// As many [`workers`](workers()) as this process may use cores.
///
/// # Examples
///
/// ```
/// let each = oneloop::workers::per_core().run(async |worker| worker.count())?;
/// assert_eq!(each.len(), each[0]);
/// # std::io::Result::Ok(())
/// ```
pub fn per_core() -> Workers {
    workers(thread::available_parallelism().map_or(1, usize::from))
}

/// What happens when the future of a worker panics.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnPanic {
    /// The others are asked to stop, and the panic goes on in the caller.
    Stop,
    /// The worker starts again: on a new loop, after a pause of 10 ms, which doubles each time, up to 1 s. Its other tasks
    /// are gone, and what other workers have sent it.
    ///
    /// After so many restarts without a minute of calm between two of them, the next panic is as with `Stop`.
    Restart {
        /// How many restarts.
        times: u32,
    },
}

/// Options of some workers; see [`workers`](workers()) and the [module](super).
#[must_use = "workers do nothing until `run`"]
pub struct Workers {
    count: usize,
    pub(super) pins: bool,
    stops_on_signals: bool,
    pub(super) grace: Duration,
    pub(super) on_panic: OnPanic,
    pub(super) builder: Box<dyn Fn(usize) -> Builder + Send + Sync>,
}

impl Workers {
    /// Whether each worker stays on a core of its own; off unless said otherwise. Then its caches stay warm, but nobody
    /// takes its turn when something else runs there. Threads that a worker starts stay there too.
    ///
    /// Where that cannot be done, [`run`](Self::run) gives an error; on Linux, Android and the BSDs it can.
    pub fn pin_to_cores(mut self, on: bool) -> Self {
        self.pins = on;
        self
    }

    /// How long a worker that looks out for the end may take to come to it; 5 seconds by default. Then it is cancelled.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// What happens when the future of a worker panics; by default all stop.
    pub fn on_panic(mut self, on_panic: OnPanic) -> Self {
        self.on_panic = on_panic;
        self
    }

    /// Whether Ctrl-C (SIGINT) and SIGTERM ask the workers to stop; on unless said otherwise. Without it, they do what they
    /// do in any program.
    pub fn stop_on_signals(mut self, on: bool) -> Self {
        self.stops_on_signals = on;
        self
    }

    /// Has `builder` say which options the loop of each worker has, by its number.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// oneloop::workers(2)
    ///     .builder(|_index| oneloop::Builder::new().cleanup_timeout(Duration::from_secs(1)))
    ///     .run(async |_worker| {})?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn builder(mut self, builder: impl Fn(usize) -> Builder + Send + Sync + 'static) -> Self {
        self.builder = Box::new(builder);
        self
    }

    /// Calls `main` once for each worker, and runs what it returns on that worker's loop, on a thread called `worker-0` and
    /// so on. Blocks this thread until all have ended; gives their outputs in order. How they end, the [module](super)
    /// says.
    ///
    /// One that is ready is done; the others go on. Where one error is to end all, its worker calls [`Worker::stop`].
    ///
    /// # Errors
    ///
    /// - That of a thread, a loop or a core that cannot be had; then no worker has run, unless it was to be restarted.
    /// - [`Interrupted`], of the kind `Interrupted`, if a signal has come and some worker was cancelled before it was ready.
    /// - The same kind, if [`Worker::stop`] has done so.
    ///
    /// # Panics
    ///
    /// If the future of a worker panics, with a message that says which; see [`OnPanic`]. If an event loop runs on this
    /// thread: the call would block it.
    #[track_caller]
    pub fn run<F, R>(self, main: F) -> io::Result<Vec<R>>
    where
        F: AsyncFn(Worker) -> R + Sync,
        R: Send,
    {
        let place = Location::caller();
        let crew = Arc::new(Crew::new(self.count));
        let (ends, stopped_by) = thread::scope(|scope| {
            let supervised = async {
                let requests = self.requests()?;
                let threads = self.start(scope, &crew, &main, place)?;
                io::Result::Ok((threads, supervise(&crew, requests).await))
            };
            let supervised = Runtime::new()?.run_caught(supervised, place);
            let supervised = supervised.unwrap_or_else(|payload| panic::resume_unwind(payload));
            let (threads, stopped_by) = supervised?;
            let end_of =
                |thread: ScopedJoinHandle<'_, _>| thread.join().unwrap_or_else(End::Panicked);
            let ends: Vec<_> = threads.into_iter().map(end_of).collect();
            io::Result::Ok((ends, stopped_by))
        })?;
        let cancelled = match stopped_by {
            Some(kind) => Interrupted::by(kind).into(),
            None => {
                io::Error::new(ErrorKind::Interrupted, "the workers were stopped by one of them")
            }
        };
        outputs(ends, crew.first_panic(), cancelled)
    }

    fn requests(&self) -> io::Result<Option<Signals>> {
        let kinds = [SignalKind::SIGINT, SignalKind::SIGTERM];
        self.stops_on_signals.then(|| signals(kinds)).transpose()
    }

    /// Starts the threads. They run when all have a loop; where one has none, none does, and all end.
    fn start<'scope, F, R>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        crew: &Arc<Crew>,
        main: &'scope F,
        place: &'static Location<'static>,
    ) -> io::Result<Vec<ScopedJoinHandle<'scope, End<R>>>>
    where
        F: AsyncFn(Worker) -> R + Sync,
        R: Send + 'scope,
    {
        let (has_started, started) = mpsc::channel();
        let mut threads = Vec::with_capacity(self.count);
        let mut gates = Vec::with_capacity(self.count);
        for index in 0..self.count {
            let post = Post { index, crew: Arc::clone(crew), options: self, main, place };
            let has_started = has_started.clone();
            let (gate, opened) = mpsc::channel();
            let thread = thread::Builder::new().name(format!("worker-{index}"));
            let thread = thread.spawn_scoped(scope, move || post.work(&has_started, &opened));
            threads.push(thread.map_err(|error| cannot_start(index, &error))?);
            gates.push(gate);
        }
        if started.iter().take(self.count).all(|has_started| has_started) {
            for gate in gates {
                // Whoever does not take it has ended.
                gate.send(()).ok();
            }
        }
        Ok(threads)
    }
}

/// Waits until all have ended, and passes on what signals ask for. Gives the first of them.
async fn supervise(crew: &Crew, mut requests: Option<Signals>) -> Option<SignalKind> {
    let mut ended = pin!(crew.ended.cancelled());
    let mut stopped_by = None;
    loop {
        let event = poll_fn(|cx| match &mut requests {
            _ if ended.as_mut().poll(cx).is_ready() => Poll::Ready(None),
            Some(requests) => requests.poll_recv(cx).map(Some),
            None => Poll::Pending,
        });
        match event.await {
            None => return stopped_by,
            Some(Ok(kind)) if stopped_by.is_none() => {
                stopped_by = Some(kind);
                crew.stop.cancel();
            }
            Some(Ok(_)) => {
                crew.hurry.cancel();
                requests = None;
            }
            Some(Err(error)) => {
                log::error!("oneloop: signals are not heard any more: {error}");
                requests = None;
            }
        }
    }
}

/// What comes of it all: a panic before an error, and an error before the outputs.
#[track_caller]
fn outputs<R>(
    ends: Vec<End<R>>,
    first_panic: Option<usize>,
    cancelled: io::Error,
) -> io::Result<Vec<R>> {
    let (mut outputs, mut panics, mut failure, mut is_cancelled) =
        (Vec::new(), Vec::new(), None, false);
    for (index, end) in ends.into_iter().enumerate() {
        match end {
            End::Ready(output) => outputs.push(output),
            End::Cancelled => is_cancelled = true,
            End::Failed(error) => {
                failure.get_or_insert_with(|| cannot_start(index, &error));
            }
            End::Panicked(payload) => panics.push((index, payload)),
        }
    }
    // The others may have panicked because of the first.
    panics.sort_by_key(|(index, _)| Some(*index) != first_panic);
    let message = panics
        .first()
        .map(|(index, payload)| format!("worker {index} panicked: {}", panic_message(&**payload)));
    for (_, payload) in panics {
        discard(payload);
    }
    match (message, failure) {
        (Some(message), _) => panic!("{message}"),
        (None, Some(error)) => Err(error),
        (None, None) if is_cancelled => Err(cancelled),
        (None, None) => Ok(outputs),
    }
}

fn cannot_start(index: usize, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot start worker {index}: {error}"))
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers")
            .field("count", &self.count)
            .field("grace", &self.grace)
            .field("on_panic", &self.on_panic)
            .finish_non_exhaustive()
    }
}
