//! `workers`: the call and its options.

use std::fmt;
use std::io;
use std::panic::Location;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use super::Worker;
use super::supervise::supervise;
use crate::runtime::Builder;

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
#[doc(alias = "new_multi_thread")]
#[doc(alias = "worker_threads")]
#[doc(alias = "LocalPoolHandle")]
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
    pub(super) count: usize,
    pub(super) pins: bool,
    pub(super) stops_on_signals: bool,
    pub(super) grace: Duration,
    pub(super) on_panic: OnPanic,
    pub(super) builder: Box<dyn Fn(usize) -> Builder + Send + Sync>,
}

impl Workers {
    /// Whether each worker stays on a core of its own; off unless said otherwise. Then its caches stay warm, but nobody
    /// takes its turn when something else runs there. Threads that a worker starts stay there too.
    ///
    /// Where that cannot be done, [`run`](Self::run) gives an error: with more workers than the process may use cores, of which two
    /// would share one (`InvalidInput`), and on systems other than Linux, Android, FreeBSD and `DragonFly`.
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
    /// so on. Blocks this thread until all have ended, and gives their outputs in order. How they end, the [module](super)
    /// says.
    ///
    /// One that is ready is done; the others go on. Where an error of one is to end all, take [`try_run`](Self::try_run).
    ///
    /// # Errors
    ///
    /// - That of a thread, a loop or a core that cannot be had; then no worker has run, unless it was to be restarted.
    /// - [`Interrupted`](crate::Interrupted), of the kind `Interrupted`, if a signal has come and some worker was cancelled
    ///   before it was ready; the outputs of the others are dropped.
    /// - The same kind, if [`Worker::stop`] has done so.
    ///
    /// # Panics
    ///
    /// If the future of a worker panics, with a message that says which; see [`OnPanic`]. If an event loop runs on this
    /// thread: the call would block it.
    ///
    /// # Examples
    ///
    /// ```
    /// let outputs = oneloop::workers(2).run(async |worker| {
    ///     oneloop::yield_now().await;
    ///     format!("worker {} of {}", worker.index(), worker.count())
    /// })?;
    /// assert_eq!(outputs, ["worker 0 of 2", "worker 1 of 2"]);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn run<F, R>(self, main: F) -> io::Result<Vec<R>>
    where
        F: AsyncFn(Worker) -> R + Sync,
        R: Send,
    {
        supervise(&self, &main, Location::caller())?.outputs()
    }

    /// As [`run`](Self::run), but the first error of a worker asks the others to stop, and is what this returns.
    ///
    /// # Errors
    ///
    /// The first error of a worker, by time; else as [`run`](Self::run).
    ///
    /// # Panics
    ///
    /// As [`run`](Self::run).
    ///
    /// # Examples
    ///
    /// ```
    /// let occupied = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let addr = occupied.local_addr()?;
    /// let result = oneloop::workers(2).try_run(async |worker| {
    ///     let listener = worker.listen(addr).await?;
    ///     worker.stopping().await;
    ///     std::io::Result::Ok(listener)
    /// });
    /// assert_eq!(result.unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn try_run<F, T, E>(self, main: F) -> Result<Vec<T>, E>
    where
        F: AsyncFn(Worker) -> Result<T, E> + Sync,
        T: Send,
        E: From<io::Error> + Send,
    {
        let first_error = OnceLock::new();
        let main = async |worker: Worker| {
            let result = main(worker.clone()).await;
            if result.is_err() {
                first_error.get_or_init(|| worker.index());
                worker.stop();
            }
            result
        };
        let ends = supervise(&self, &main, Location::caller())?;
        ends.results(first_error.get().copied())
    }
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
