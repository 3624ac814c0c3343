//! `to_thread`: a call that blocks, on a thread of its own.

use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;

/// Calls `f` on another thread and waits for what it returns; asyncio's `asyncio.to_thread`. A panic of `f` goes on here.
pub fn to_thread<R: Send + 'static, F: FnOnce() -> R + Send + 'static>(f: F) -> ToThread<R> {
    let answer = Arc::new(Mutex::new(Answer { result: None, waker: None }));
    let to_fill = Arc::clone(&answer);
    let call = move || {
        let result = panic::catch_unwind(AssertUnwindSafe(f));
        let mut answer = lock(&to_fill);
        answer.result = Some(result);
        let waker = answer.waker.take();
        drop(answer);
        if let Some(waker) = waker {
            waker.wake();
        }
    };
    let spawned = thread::Builder::new().name("oneloop-blocking".to_owned()).spawn(call);
    if let Err(error) = spawned {
        panic!("cannot start a thread: {error}");
    }
    ToThread { answer }
}

/// The future of [`to_thread`].
#[must_use = "futures do nothing unless awaited"]
pub struct ToThread<R> {
    answer: Arc<Mutex<Answer<R>>>,
}

struct Answer<R> {
    result: Option<thread::Result<R>>,
    waker: Option<Waker>,
}

impl<R> Future for ToThread<R> {
    type Output = R;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let waker = cx.waker().clone();
        let mut answer = lock(&self.answer);
        match answer.result.take() {
            Some(Ok(value)) => Poll::Ready(value),
            Some(Err(payload)) => panic::resume_unwind(payload),
            None => {
                answer.waker = Some(waker);
                Poll::Pending
            }
        }
    }
}

fn lock<R>(answer: &Mutex<Answer<R>>) -> MutexGuard<'_, Answer<R>> {
    answer.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<R> fmt::Debug for ToThread<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToThread").finish_non_exhaustive()
    }
}
