//! A call as a future: the first poll submits it to a pool, and dropping it takes it back.

use std::future::poll_fn;
use std::io;
use std::marker::PhantomData;
use std::panic::{self, Location};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::job::{Asked, Job, Operation};
use super::pool::Pool;
use crate::runtime::{self, Place, RunNumber, Timer, When};

/// How often a call is retried if no thread can be started and none exists, and the delay between
/// tries.
const TRIES: u32 = 50;
const RETRY: Duration = Duration::from_millis(20);

/// A call on its way to a pool and back. Its output is an error if no thread can be started.
pub(crate) struct Call<R: Send + 'static> {
    course: Course,
    result: PhantomData<fn() -> R>,
}

/// The course of a call, which is the same for all types of results.
struct Course {
    /// `None` once the result has been returned.
    job: Option<Arc<Job>>,
    /// The loop that made the call.
    home: Option<RunNumber>,
    /// Armed while no thread can be started.
    retry: Option<Timer>,
    tries: u32,
}

/// Something that contains a pool.
pub(crate) type PoolRef = Rc<dyn AsRef<Pool>>;

impl<R: Send + 'static> Call<R> {
    #[track_caller]
    pub(crate) fn new<F: FnOnce() -> R + Send + 'static>(f: F) -> Self {
        Self::of_job(Job::new(f, Location::caller(), None))
    }

    /// Makes a call to the operating system on behalf of the user.
    #[track_caller]
    pub(crate) fn of<F: FnOnce() -> R + Send + 'static>(operation: Operation, f: F) -> Self {
        Self::of_job(Job::new(f, Location::caller(), Some(operation)))
    }

    fn of_job(job: Arc<Job>) -> Self {
        let course = Course { job: Some(job), home: None, retry: None, tries: 0 };
        Self { course, result: PhantomData }
    }

    /// `pool` returns the pool that `what` uses, or `None` where no loop runs.
    #[track_caller]
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        what: &str,
        pool: fn() -> Option<PoolRef>,
    ) -> Poll<io::Result<R>> {
        let job = ready!(self.course.poll(cx, what, pool)?);
        let result = job.take_result().expect("a job that is done has a result of the call's type");
        Poll::Ready(Ok(result.unwrap_or_else(|payload| panic::resume_unwind(payload))))
    }

    /// If the call is running, tells it to stop, and returns the rest of it, whose result is
    /// discarded, and the place where it was made.
    pub(super) fn take_running(&mut self) -> Option<(Self, Place)> {
        let (course, place) = self.course.take_running()?;
        Some((Self { course, result: PhantomData }, place))
    }

    /// From now on a cleanup waits for the call, and reports it if it is cut off. The pool then
    /// does not report it a second time.
    pub(super) fn is_waited_for(&self) {
        if let Some(job) = &self.course.job {
            job.report_elsewhere();
        }
    }

    /// Waits for a running call.
    pub(super) async fn wait(mut self) {
        poll_fn(|cx| self.poll(cx, "a call that runs", || None)).await.ok();
    }
}

impl Course {
    /// Returns the job once it has a result.
    #[track_caller]
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        what: &str,
        pool: fn() -> Option<PoolRef>,
    ) -> Poll<io::Result<Arc<Job>>> {
        if let Some(retry) = &self.retry {
            ready!(retry.poll(cx, what));
            self.retry = None;
        }
        let job = self.job.as_ref().expect("polled only until it is ready");
        match job.poll(cx.waker().clone()) {
            Asked::NotYet => return Poll::Pending,
            Asked::Done => {}
            Asked::IsNew(waker) => {
                self.home = runtime::home();
                job.queue(waker, runtime::copy_threadsafe_vars());
                let Err(error) = submit(job, what, pool) else { return Poll::Pending };
                ready!(self.try_again(cx, what));
                return Poll::Ready(Err(no_thread(what, &error)));
            }
        }
        Poll::Ready(Ok(self.job.take().expect("it is there while it is polled")))
    }

    fn take_running(&mut self) -> Option<(Self, Place)> {
        let job = self.job.take_if(|job| job.is_running())?;
        job.cancel();
        let place = job.place();
        Some((Self { job: Some(job), home: self.home, retry: None, tries: 0 }, place))
    }

    /// Ready once all tries are used up.
    fn try_again(&mut self, cx: &Context<'_>, what: &str) -> Poll<()> {
        self.tries += 1;
        if self.tries >= TRIES {
            return Poll::Ready(());
        }
        Timer::poll_in(&mut self.retry, When::After(runtime::nanos(RETRY)), cx, what)
    }
}

#[track_caller]
fn submit(job: &Arc<Job>, what: &str, pool: fn() -> Option<PoolRef>) -> io::Result<()> {
    let pool = pool();
    let submitted = match &pool {
        Some(pool) => (**pool).as_ref().submit(Arc::clone(job)),
        None => Ok(()),
    };
    if pool.is_none() || submitted.is_err() {
        drop(job.send_back());
    }
    if pool.is_none() {
        runtime::no_loop(what);
    }
    submitted
}

fn no_thread(what: &str, error: &io::Error) -> io::Error {
    let message = format!(
        "{what} cannot start a thread: {error}; raise the limits of the process (`ulimit -u`, memory), or let it do less at a time"
    );
    io::Error::new(error.kind(), message)
}

impl Drop for Course {
    fn drop(&mut self) {
        let Some(job) = self.job.take() else { return };
        if let Some(payload) = job.give_up() {
            runtime::report_call_panic(self.home, job.place(), payload);
        }
    }
}
