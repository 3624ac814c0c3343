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

/// Describes `count` workers, each with an event loop on a thread of its own. [`Workers::run`]
/// starts them.
///
/// # Panics
///
/// Panics if `count` is 0.
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

/// Describes one worker for each core that this process may use; see [`workers`](workers()).
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
    /// The others are asked to stop, and the panic continues in the caller.
    Stop,
    /// The worker starts again on a new loop, after a pause of 10 ms, which doubles each time, up
    /// to 1 s. Its other tasks are lost, as is work that other workers have sent it.
    ///
    /// After this many restarts without a calm minute between two of them, the next panic is
    /// handled as with `Stop`.
    Restart {
        /// The number of restarts.
        times: u32,
    },
}

/// Options of workers; see [`workers`](workers()) and the [module](super).
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
    /// Sets whether each worker stays on a core of its own. The default is off. Pinning keeps the
    /// core's caches warm, but no other core takes over when something else runs there. Threads
    /// that a worker starts stay on its core too.
    ///
    /// [`run`](Self::run) returns an error where this cannot be done: if there are more workers
    /// than cores that the process may use, so that two would share one (`InvalidInput`), and on
    /// systems other than Linux, Android, FreeBSD and `DragonFly`.
    pub fn pin_to_cores(mut self, on: bool) -> Self {
        self.pins = on;
        self
    }

    /// Sets how long a worker that watches for the request to stop may take to end. The default is
    /// 5 seconds. After that it is cancelled.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Sets what happens when the future of a worker panics. By default all workers stop.
    pub fn on_panic(mut self, on_panic: OnPanic) -> Self {
        self.on_panic = on_panic;
        self
    }

    /// Sets whether Ctrl-C (SIGINT) and SIGTERM ask the workers to stop. The default is on. If it
    /// is off, these signals have their usual effect.
    pub fn stop_on_signals(mut self, on: bool) -> Self {
        self.stops_on_signals = on;
        self
    }

    /// Makes `builder` choose the options of each worker's loop, given the number of the worker.
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

    /// Calls `main` once for each worker, and runs the returned future on that worker's loop, on a
    /// thread named `worker-0` and so on. Blocks this thread until all have ended, and returns
    /// their outputs in order. The [module](super) describes how workers end.
    ///
    /// A worker that is ready is done, and the others go on. Use [`try_run`](Self::try_run) to let
    /// an error of one worker end all.
    ///
    /// # Errors
    ///
    /// - An error if a thread, a loop or a core could not be had. No worker has run then, unless
    ///   this happened during a restart.
    /// - [`Interrupted`](crate::Interrupted), with the kind `Interrupted`, if a signal came and a
    ///   worker was cancelled before it was ready. The outputs of the others are dropped.
    /// - An error of the same kind if [`Worker::stop`] had that effect.
    ///
    /// # Panics
    ///
    /// Panics if the future of a worker panics, with a message that names the worker; see
    /// [`OnPanic`]. Panics if an event loop runs on this thread, because the call would block it.
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

    /// Like [`run`](Self::run), but the first error of a worker asks the others to stop, and is
    /// returned.
    ///
    /// # Errors
    ///
    /// The error of the worker that failed first in time; otherwise the same as [`run`](Self::run).
    ///
    /// # Panics
    ///
    /// Same as [`run`](Self::run).
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
