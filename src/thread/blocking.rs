//! The pool of `to_thread`, and its options. Each loop that needs it has one.

use std::num::NonZero;
use std::rc::Rc;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use super::call::PoolRef;
use super::pool::{Pool, PoolOptions};
use crate::runtime::{self, BoxedCleanup, Builder, LoopLocal};

/// The pool of `to_thread`.
struct BlockingPool(Pool);

impl AsRef<Pool> for BlockingPool {
    fn as_ref(&self) -> &Pool {
        &self.0
    }
}

impl LoopLocal for BlockingPool {
    fn close(self: Rc<Self>) -> Option<BoxedCleanup> {
        self.0.start_closing();
        None
    }

    fn is_busy(&self) -> bool {
        self.0.time_left() > 0 && self.0.has_jobs()
    }
}

pub(crate) fn blocking_pool() -> Option<PoolRef> {
    let pool = runtime::local(|| {
        let threads = runtime::local(|| MaxThreads(default_threads()));
        let idle = runtime::local(|| IdleTime(IDLE_TIME));
        BlockingPool(Pool::new(PoolOptions {
            name: "oneloop-blocking",
            threads: threads.map_or_else(default_threads, |threads| threads.0),
            idle: idle.map_or(IDLE_TIME, |idle| idle.0),
            is_awaited: true,
        }))
    })?;
    Some(pool)
}

struct MaxThreads(usize);
impl LoopLocal for MaxThreads {}

struct IdleTime(Duration);
impl LoopLocal for IdleTime {}

const IDLE_TIME: Duration = Duration::from_secs(10);

/// The default never goes below this: calls that wait for a disk or a database take no core.
const FEWEST_THREADS: usize = 32;

/// One thread for each core that computes, plus a few that wait. Like asyncio's
/// `min(32, cores + 4)`, but with a minimum, so that on a small machine a handful of hanging calls
/// does not stop all others.
fn default_threads() -> usize {
    // Asking the system takes a few system calls.
    static CORES: OnceLock<usize> = OnceLock::new();
    let cores = CORES.get_or_init(|| thread::available_parallelism().map_or(1, NonZero::get));
    (cores + 4).max(FEWEST_THREADS)
}

impl Builder {
    /// Sets how many threads the calls of [`to_thread`](crate::thread::to_thread) may use at a
    /// time. Further calls wait. The default is 32, or the number of cores plus four if that is
    /// more.
    ///
    /// Threads are started when they are needed. They also read and write files. Host names are
    /// looked up on other threads.
    ///
    /// # Panics
    ///
    /// Panics if `max` is 0: no call would ever begin.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::thread::to_thread;
    /// use std::thread::current;
    ///
    /// oneloop::Builder::new().blocking_threads(1).run(async {
    ///     let (a, b) = oneloop::gather!(to_thread(|| current().id()), to_thread(|| current().id())).await;
    ///     assert_eq!(a, b, "one after the other, on the same thread");
    /// });
    /// ```
    #[doc(alias = "max_blocking_threads")]
    #[doc(alias = "set_default_executor")]
    #[track_caller]
    pub fn blocking_threads(self, max: usize) -> Self {
        assert!(
            max > 0,
            "`blocking_threads` must be 1 or more: without a thread no call would ever begin"
        );
        self.with_local(MaxThreads(max))
    }

    /// Sets how long an idle thread of [`to_thread`](crate::thread::to_thread) waits for the next
    /// call before it ends. The default is 10 seconds.
    #[doc(alias = "thread_keep_alive")]
    pub fn blocking_idle(self, idle: Duration) -> Self {
        self.with_local(IdleTime(idle))
    }
}
