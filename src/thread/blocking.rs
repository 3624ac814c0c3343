//! The pool of `to_thread`, one in each loop that needs it, and its options.

use std::num::NonZero;
use std::rc::Rc;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use super::pool::{Pool, PoolOptions};
use crate::runtime::{self, BoxedCleanup, Builder, LoopLocal};

/// The pool of `to_thread`.
pub(crate) struct BlockingPool(Pool);

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

pub(crate) fn blocking_pool() -> Option<Rc<BlockingPool>> {
    runtime::local(|| {
        let threads = runtime::local(|| MaxThreads(default_threads()));
        let idle = runtime::local(|| IdleTime(IDLE_TIME));
        BlockingPool(Pool::new(PoolOptions {
            name: "oneloop-blocking",
            threads: threads.map_or_else(default_threads, |threads| threads.0),
            idle: idle.map_or(IDLE_TIME, |idle| idle.0),
            is_awaited: true,
        }))
    })
}

struct MaxThreads(usize);
impl LoopLocal for MaxThreads {}

struct IdleTime(Duration);
impl LoopLocal for IdleTime {}

const IDLE_TIME: Duration = Duration::from_secs(10);

/// So many threads there are at least, if so many are needed: calls that wait for a disk or a database take no core.
const FEWEST_THREADS: usize = 32;

/// One for each core that computes, and some that wait; but not so few on a small machine that a handful of calls that hang
/// stop all others, as with asyncio's `min(32, cores + 4)`.
fn default_threads() -> usize {
    // Asking takes a few system calls.
    static CORES: OnceLock<usize> = OnceLock::new();
    let cores = CORES.get_or_init(|| thread::available_parallelism().map_or(1, NonZero::get));
    (cores + 4).max(FEWEST_THREADS)
}

impl Builder {
    /// How many threads the calls of [`to_thread`](crate::thread::to_thread) may have at a time; further calls wait. By default
    /// 32, or four more than there are cores if that is more.
    ///
    /// Threads are started when they are needed. Files are read and written on them too; the names of hosts are looked up on
    /// others.
    ///
    /// # Panics
    ///
    /// If it is 0: no call would ever begin.
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

    /// So long an idle thread of [`to_thread`](crate::thread::to_thread) waits for the next call; then it ends. 10 seconds by
    /// default.
    #[doc(alias = "thread_keep_alive")]
    pub fn blocking_idle(self, idle: Duration) -> Self {
        self.with_local(IdleTime(idle))
    }
}
