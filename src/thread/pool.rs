//! A pool of threads: a queue of jobs, and threads that start when there are jobs and end when
//! there are none.
//!
//! A thread is woken only if one is idle, and only one at a time: it is *coming*. Once it has
//! arrived and taken a job, it checks whether there are more, and calls the next thread. Submitting
//! a thousand jobs therefore costs one wake, and if the jobs are short, few threads share them.
//! Idle threads wait in a stack: the one that worked last is called first, so the threads that are
//! not needed stay idle, time out, and end.
//!
//! The pool knows nothing about tasks. `job.rs` defines what a job is, and `to_thread.rs` how a
//! future waits for one.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use super::current_job;
use super::job::{Job, Ran};
use crate::runtime::{self, Handle, Nanos, OwnProcess, Payload, Place};

/// The options of a pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolOptions {
    /// The name of its threads, followed by a number.
    pub(crate) name: &'static str,
    /// The maximum number of threads at a time.
    pub(crate) threads: usize,
    /// How long a thread waits for a job before it ends.
    pub(crate) idle: Duration,
    /// Whether the end of the loop waits for running jobs, within `Builder::cleanup_timeout`, and
    /// reports jobs that take longer. Otherwise their threads are left to themselves at once.
    pub(crate) is_awaited: bool,
}

/// A pool of threads that belongs to a loop. Dropping it ends its threads.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    /// A forked child has a copy of the pool, and none of its threads.
    process: OwnProcess,
    /// When the end of the loop began.
    closing_since: Cell<Option<Nanos>>,
}

struct Shared {
    options: PoolOptions,
    home: Handle,
    state: Mutex<State>,
    /// Notified when a thread has ended.
    ended: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Arc<Job>>,
    /// Indexed by the number in the thread's name, less one.
    workers: Vec<Option<Worker>>,
    /// The number of living threads.
    living: usize,
    /// The threads that wait for jobs. The last one became idle last.
    idle: Vec<usize>,
    /// A thread was started or woken, and has not yet looked at the queue.
    is_one_coming: bool,
    is_closed: bool,
    /// Threads that have ended, or are about to.
    ended: Vec<JoinHandle<()>>,
    /// Panics that nothing awaits, to be reported on the loop's thread.
    unseen: Vec<(Place, Payload)>,
}

struct Worker {
    thread: JoinHandle<()>,
    is_idle: bool,
    job: Option<Arc<Job>>,
}

impl Pool {
    /// Makes a pool of this thread's loop. It has no threads at first.
    #[track_caller]
    pub(crate) fn new(options: PoolOptions) -> Self {
        let shared = Shared {
            options,
            home: Handle::current(),
            state: Mutex::default(),
            ended: Condvar::new(),
        };
        let process = runtime::own_process();
        Self { shared: Arc::new(shared), process, closing_since: Cell::new(None) }
    }

    /// Queues a job behind the existing ones.
    ///
    /// Fails if there is no thread and none can be started; the job is not queued then. A single
    /// thread is enough for all jobs to get done.
    pub(super) fn submit(&self, job: Arc<Job>) -> io::Result<()> {
        let mut state = self.shared.lock();
        state.make_room();
        state.queue.push_back(job);
        let called = call_one(&self.shared, state);
        if let Err((mut state, error)) = called {
            if state.living == 0 {
                let refused = state.queue.pop_back();
                drop(state);
                drop(refused);
                return Err(error);
            }
        }
        Ok(())
    }

    /// The end of the loop begins, and the time limit counts from now.
    pub(crate) fn start_closing(&self) {
        self.closing_since.set(Some(runtime::real_now()));
    }
}

impl AsRef<Self> for Pool {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Only allocation can panic under the lock, and that leaves the lists intact.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report_unseen(&self) {
        let unseen = mem::take(&mut self.lock().unseen);
        for (place, payload) in unseen {
            runtime::report_call_panic(runtime::home(), place, payload);
        }
    }
}

/// By now the loop, and then the last call, have ended.
impl Drop for Shared {
    fn drop(&mut self) {
        let unseen = mem::take(&mut self.lock().unseen);
        for (_, payload) in unseen {
            runtime::discard(payload);
        }
    }
}

/// Calls a thread to serve the queue, unless one is coming. Fails if another thread is needed and
/// cannot be started.
fn call_one<'a>(
    shared: &Arc<Shared>,
    mut state: MutexGuard<'a, State>,
) -> Result<(), (MutexGuard<'a, State>, io::Error)> {
    if state.is_one_coming {
        return Ok(());
    }
    if let Some(thread) = state.take_idle() {
        drop(state);
        thread.unpark();
    } else if state.living < shared.options.threads {
        if let Err(error) = state.start(shared) {
            return Err((state, error));
        }
    }
    Ok(())
}

impl State {
    /// Removes jobs that were taken back before the queue grows, so its length stays within twice
    /// the number of waiting jobs.
    fn make_room(&mut self) {
        if self.queue.len() == self.queue.capacity() {
            self.queue.retain(|job| job.is_queued());
            // The next look through all jobs has to be worth it.
            self.queue.reserve(self.queue.len());
        }
    }

    fn take_idle(&mut self) -> Option<Thread> {
        let index = self.idle.pop()?;
        self.is_one_coming = true;
        let worker = self.worker(index)?;
        worker.is_idle = false;
        Some(worker.thread.thread().clone())
    }

    /// Starts a thread. The thread waits for the lock, so it finds itself among the workers.
    fn start(&mut self, shared: &Arc<Shared>) -> io::Result<()> {
        let index = self.workers.iter().position(Option::is_none).unwrap_or(self.workers.len());
        let name = format!("{}-{}", shared.options.name, index + 1);
        let to_share = Arc::clone(shared);
        let thread = thread::Builder::new().name(name).spawn(move || work(&to_share, index))?;
        let worker = Some(Worker { thread, is_idle: false, job: None });
        match self.workers.get_mut(index) {
            Some(place) => *place = worker,
            None => self.workers.push(worker),
        }
        self.living += 1;
        self.is_one_coming = true;
        Ok(())
    }

    /// `None` if the pool is gone and has left the thread to itself.
    fn worker(&mut self, index: usize) -> Option<&mut Worker> {
        self.workers.get_mut(index)?.as_mut()
    }

    fn set_job(&mut self, index: usize, job: Option<Arc<Job>>) {
        if let Some(worker) = self.worker(index) {
            worker.job = job;
        }
    }

    fn is_idle(&mut self, index: usize) -> bool {
        self.worker(index).is_some_and(|worker| worker.is_idle)
    }

    fn set_idle(&mut self, index: usize) {
        if let Some(worker) = self.worker(index) {
            worker.is_idle = true;
            self.idle.push(index);
        }
    }
}

/// The life of a thread: runs one job after another until it has been idle for too long, or the
/// pool is closed.
fn work(shared: &Arc<Shared>, index: usize) {
    runtime::work_for(shared.home.run());
    let mut state = shared.lock();
    state.is_one_coming = false;
    loop {
        state = do_jobs(shared, state, index);
        if state.is_closed {
            break;
        }
        state.set_idle(index);
        drop(state);
        state = wait(shared, index);
        if state.is_idle(index) {
            state.idle.retain(|&idle| idle != index);
            break;
        }
        state.is_one_coming = false;
    }
    end(shared, state, index);
}

/// Runs jobs until the queue is empty.
fn do_jobs<'a>(
    shared: &'a Arc<Shared>,
    mut state: MutexGuard<'a, State>,
    index: usize,
) -> MutexGuard<'a, State> {
    // What the last job left to do. Its waiter may submit another job at once, so before this
    // thread wakes the waiter, it takes its next job, or marks itself as the one that is coming.
    let mut ran = Ran::Nothing;
    loop {
        if let Some(job) = state.queue.pop_front() {
            runtime::trim_queue(&mut state.queue);
            state.set_job(index, Some(Arc::clone(&job)));
            if state.queue.is_empty() {
                drop(state);
            } else {
                // If no more threads can be started, the existing ones do all the jobs.
                drop(call_one(shared, state));
            }
            finish(shared, mem::replace(&mut ran, Ran::Nothing));
            ran = current_job::run(&job);
            // The job holds no value of the user's any more: its future has it, or took it back.
            drop(job);
            state = shared.lock();
            state.set_job(index, None);
        } else if matches!(ran, Ran::Nothing) {
            return state;
        } else {
            let is_coming = !mem::replace(&mut state.is_one_coming, true);
            drop(state);
            finish(shared, mem::replace(&mut ran, Ran::Nothing));
            state = shared.lock();
            state.is_one_coming &= !is_coming;
        }
    }
}

fn finish(shared: &Arc<Shared>, ran: Ran) {
    match ran {
        Ran::Wake(waiting) => waiting.wake(),
        Ran::Nothing => {}
        Ran::Unseen(place, payload) => {
            shared.lock().unseen.push((place, payload));
            let to_share = Arc::clone(shared);
            // If the loop has ended, the drop of the pool reports the panic.
            shared.home.call_soon_threadsafe(move || to_share.report_unseen()).ok();
        }
    }
}

/// Waits until the thread is called, or has been idle for too long.
fn wait(shared: &Shared, index: usize) -> MutexGuard<'_, State> {
    let since = runtime::real_now();
    let idle = runtime::nanos(shared.options.idle);
    loop {
        let waited = runtime::real_now() - since;
        thread::park_timeout(Duration::from_nanos(idle.saturating_sub(waited)));
        let mut state = shared.lock();
        let is_over = state.is_closed || runtime::real_now() - since >= idle;
        if is_over || !state.is_idle(index) {
            return state;
        }
    }
}

/// The thread ends. It leaves itself to be joined, and joins the threads that ended before it.
fn end(shared: &Shared, mut state: MutexGuard<'_, State>, index: usize) {
    let former = mem::take(&mut state.ended);
    if let Some(worker) = state.workers.get_mut(index).and_then(Option::take) {
        state.ended.push(worker.thread);
    }
    state.living -= 1;
    drop(state);
    shared.ended.notify_all();
    join(former);
}

fn join(threads: Vec<JoinHandle<()>>) {
    for thread in threads {
        // It panics only if the global allocator does.
        thread.join().ok();
    }
}

impl Drop for Pool {
    /// Sends the idle threads away, and waits for the threads that run a job.
    fn drop(&mut self) {
        if !self.process.is_current() {
            // The threads cannot be joined, and one of them may have held the lock when the process
            // forked.
            return;
        }
        let mut state = self.shared.lock();
        state.is_closed = true;
        let queue = mem::take(&mut state.queue);
        while let Some(thread) = state.take_idle() {
            thread.unpark();
        }
        drop(state);
        for job in queue {
            // A future that still waits for the job submits it to another loop's pool.
            if let Some(waiting) = job.send_back() {
                waiting.wake();
            }
        }
        let mut state = self.wait_for_jobs();
        let workers = mem::take(&mut state.workers);
        let ended = mem::take(&mut state.ended);
        drop(state);
        let (busy, done): (Vec<_>, Vec<_>) =
            workers.into_iter().flatten().partition(|worker| worker.job.is_some());
        self.shared.report_unseen();
        join(ended.into_iter().chain(done.into_iter().map(|worker| worker.thread)).collect());
        if self.shared.options.is_awaited {
            let jobs = busy.iter().filter_map(|worker| worker.job.as_ref());
            for job in jobs.filter(|job| !job.is_reported_elsewhere()) {
                match job.operation() {
                    None => runtime::report_call_cut_off(job.place()),
                    Some(operation) => runtime::report_operation_cut_off(
                        operation.place,
                        operation.to_string(),
                        operation.remedy,
                    ),
                }
            }
        }
    }
}

impl State {
    fn has_jobs(&self) -> bool {
        self.workers.iter().flatten().any(|worker| worker.job.is_some())
    }
}

impl Pool {
    pub(super) fn has_jobs(&self) -> bool {
        self.shared.lock().has_jobs()
    }

    /// How long the pool may still wait for its jobs. The time counts from the end of the loop, or
    /// from the first such question if the pool was not told of that.
    pub(super) fn time_left(&self) -> Nanos {
        let now = runtime::real_now();
        let since = self.closing_since.get().unwrap_or(now);
        self.closing_since.set(Some(since));
        let is_awaited = self.shared.options.is_awaited && !thread::panicking();
        let limit = if is_awaited { runtime::cleanup_timeout() } else { 0 };
        since.saturating_add(limit).saturating_sub(now)
    }

    /// Waits until all jobs are done or their time is up.
    fn wait_for_jobs(&self) -> MutexGuard<'_, State> {
        let mut state = self.shared.lock();
        loop {
            let left = self.time_left();
            if left == 0 || !state.has_jobs() {
                return state;
            }
            let left = Duration::from_nanos(left);
            let waited = self.shared.ended.wait_timeout(state, left);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::Location;
    use std::sync::mpsc::channel;
    use std::task::Waker;

    use super::*;
    use crate::runtime::ThreadsafeValues;

    type Call = Box<dyn FnOnce() + Send>;

    #[test]
    fn the_queue_does_not_grow_by_jobs_that_were_taken_back() {
        let options =
            PoolOptions { name: "test", threads: 1, idle: Duration::ZERO, is_awaited: true };
        runtime::run(async {
            let pool = Pool::new(options);
            let submit = |call: Call| {
                let job = Job::new(call, Location::caller(), None);
                job.queue(Waker::noop().clone(), ThreadsafeValues::default());
                pool.submit(Arc::clone(&job)).unwrap();
                job
            };
            let (gate, waiting) = channel::<()>();
            submit(Box::new(move || waiting.recv().unwrap_or(())));
            let kept = submit(Box::new(|| ()));
            for _ in 0..10_000 {
                let taken_back = submit(Box::new(|| unreachable!("nobody waits for it")));
                assert!(taken_back.give_up().is_none());
            }
            assert!(pool.shared.lock().queue.len() < 20);
            assert!(kept.is_queued());
            drop(gate);
        });
    }
}
