//! A call as a future: the first poll submits it to a pool, and dropping it takes it back.

use std::future::poll_fn;
use std::io;
use std::panic::{self, Location};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::job::{Answer, Asked, Job, Operation};
use super::pool::Pool;
use crate::runtime::{self, Place, RunNumber, Timer, When};

/// How often a call is retried if no thread can be started and none exists, and the delay between
/// tries.
const TRIES: u32 = 50;
const RETRY: Duration = Duration::from_millis(20);

/// A call on its way to a pool and back. Its output is an error if no thread can be started.
pub(crate) struct Call<R: Send + 'static> {
    /// `None` once the result has been returned.
    answer: Option<Arc<dyn Answer<R>>>,
    /// The loop that made the call.
    home: Option<RunNumber>,
    /// Armed while no thread can be started.
    retry: Option<Timer>,
    tries: u32,
}

impl<R: Send + 'static> Call<R> {
    #[track_caller]
    pub(crate) fn new<F: FnOnce() -> R + Send + 'static>(f: F) -> Self {
        Self::with_job(Job::new(f, Location::caller()))
    }

    /// Makes a call to the operating system on behalf of the user.
    #[track_caller]
    pub(crate) fn of<F: FnOnce() -> R + Send + 'static>(operation: Operation, f: F) -> Self {
        Self::with_job(Job::new(f, Location::caller()).of(operation))
    }

    fn with_job<F: FnOnce() -> R + Send + 'static>(job: Job<F, R>) -> Self {
        Self { answer: Some(Arc::new(job)), home: None, retry: None, tries: 0 }
    }

    /// `pool` returns the pool that `what` uses, or `None` where no loop runs.
    #[track_caller]
    pub(crate) fn poll<P: AsRef<Pool>>(
        &mut self,
        cx: &mut Context<'_>,
        what: &str,
        pool: impl FnOnce() -> Option<Rc<P>>,
    ) -> Poll<io::Result<R>> {
        if let Some(retry) = &self.retry {
            ready!(retry.poll(cx, what));
            self.retry = None;
        }
        let answer = self.answer.clone().expect("polled only until it is ready");
        let result = match answer.poll(cx.waker().clone()) {
            Asked::NotYet => return Poll::Pending,
            Asked::Result(result) => result,
            Asked::IsNew(waker) => {
                self.home = runtime::home();
                answer.queue(waker, runtime::copy_threadsafe_vars());
                let Err(error) = submit(answer, what, pool) else { return Poll::Pending };
                ready!(self.try_again(cx, what));
                return Poll::Ready(Err(no_thread(what, &error)));
            }
        };
        self.answer = None;
        Poll::Ready(Ok(result.unwrap_or_else(|payload| panic::resume_unwind(payload))))
    }

    /// Ready once all tries are used up.
    fn try_again(&mut self, cx: &Context<'_>, what: &str) -> Poll<()> {
        self.tries += 1;
        if self.tries >= TRIES {
            return Poll::Ready(());
        }
        Timer::poll_in(&mut self.retry, When::After(runtime::nanos(RETRY)), cx, what)
    }

    /// If the call is running, tells it to stop, and returns the rest of it, whose result is
    /// discarded, and the place where it was made.
    pub(super) fn take_running(&mut self) -> Option<(Self, Place)> {
        let answer = self.answer.take_if(|answer| answer.is_running())?;
        answer.cancel();
        let place = answer.place();
        let home = self.home;
        Some((Self { answer: Some(answer), home, retry: None, tries: 0 }, place))
    }

    /// From now on a cleanup waits for the call, and reports it if it is cut off. The pool then
    /// does not report it a second time.
    pub(super) fn is_waited_for(&self) {
        if let Some(answer) = &self.answer {
            answer.report_elsewhere();
        }
    }

    /// Waits for a running call.
    pub(super) async fn wait(mut self) {
        poll_fn(|cx| self.poll(cx, "a call that runs", || None::<Rc<Pool>>)).await.ok();
    }
}

#[track_caller]
fn submit<R, P: AsRef<Pool>>(
    answer: Arc<dyn Answer<R>>,
    what: &str,
    pool: impl FnOnce() -> Option<Rc<P>>,
) -> io::Result<()> {
    let job = answer.as_work();
    let pool = pool();
    let submitted = match &pool {
        Some(pool) => (**pool).as_ref().submit(Arc::clone(&job)),
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

impl<R: Send + 'static> Drop for Call<R> {
    fn drop(&mut self) {
        let Some(answer) = self.answer.take() else { return };
        if let Some(payload) = answer.give_up() {
            runtime::report_call_panic(self.home, answer.place(), payload);
        }
    }
}
