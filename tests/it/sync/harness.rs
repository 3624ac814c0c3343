//! Futures polled by hand, with wakers that remember whether they were woken, for storms and
//! counted interleavings.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::super::tasks::Dice;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A waker that counts.
#[derive(Clone)]
pub(crate) struct CountedWaker {
    count: Arc<Count>,
    pub(crate) waker: Waker,
}

impl CountedWaker {
    pub(crate) fn new() -> Self {
        let count = Arc::new(Count::default());
        Self { waker: Waker::from(Arc::clone(&count)), count }
    }

    /// The number of wakes since the last call.
    pub(crate) fn take(&self) -> usize {
        self.count.0.swap(0, Ordering::Relaxed)
    }

    pub(crate) fn count(&self) -> usize {
        self.count.0.load(Ordering::Relaxed)
    }
}

/// A future that is polled by hand.
pub(crate) struct ByHand<F: ?Sized> {
    waker: CountedWaker,
    future: Pin<Box<F>>,
}

/// Prepares a future to be polled by hand.
pub(crate) fn by_hand<F: Future>(future: F) -> ByHand<F> {
    ByHand { waker: CountedWaker::new(), future: Box::pin(future) }
}

impl<F: Future> ByHand<F> {
    pub(crate) fn poll(&mut self) -> Poll<F::Output> {
        let waker = self.waker.waker.clone();
        self.poll_with(&waker)
    }

    pub(crate) fn poll_with(&mut self, waker: &Waker) -> Poll<F::Output> {
        self.future.as_mut().poll(&mut Context::from_waker(waker))
    }

    /// The output, which must be ready at once.
    pub(crate) fn ready(&mut self) -> F::Output {
        match self.poll() {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("it was not ready"),
        }
    }

    /// It must not be ready.
    pub(crate) fn pending(&mut self) {
        assert!(self.poll().is_pending(), "it was ready");
    }

    /// The number of wakes of its own waker since the last call.
    pub(crate) fn wakes(&self) -> usize {
        self.waker.take()
    }
}

/// The output of a future that must be ready in its first poll.
pub(crate) fn at_once<F: Future>(future: F) -> F::Output {
    by_hand(future).ready()
}

/// The message of the panic that a misuse causes.
pub(crate) fn refusal(misuse: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(misuse)).expect_err("it must be refused");
    match payload.downcast::<String>() {
        Ok(message) => *message,
        Err(payload) => (*payload.downcast::<&str>().expect("a message")).to_owned(),
    }
}

/// Two wakers for one waiter. Only the one of the last poll may be woken, exactly when something
/// was granted.
pub(crate) struct TwoWakers {
    wakers: [CountedWaker; 2],
    latest: usize,
}

impl TwoWakers {
    pub(crate) fn new() -> Self {
        Self { wakers: [CountedWaker::new(), CountedWaker::new()], latest: 0 }
    }

    /// Polls with one of the two.
    pub(crate) fn poll<F: Future + ?Sized>(
        &mut self,
        dice: &mut Dice,
        future: Pin<&mut F>,
    ) -> Poll<F::Output> {
        for waker in &self.wakers {
            waker.take();
        }
        self.latest = usize::from(dice.roll(4) == 0);
        future.poll(&mut Context::from_waker(&self.wakers[self.latest].waker))
    }

    /// Fails unless the right one was woken once, if `is_due`, or none otherwise.
    #[track_caller]
    pub(crate) fn check(&self, is_due: bool) {
        let [latest, other] = [self.latest, 1 - self.latest].map(|n| self.wakers[n].count());
        assert_eq!(
            (latest, other),
            (usize::from(is_due), 0),
            "wakes of the latest waker, the other"
        );
    }

    pub(crate) fn is_woken(&self) -> bool {
        self.wakers[self.latest].count() > 0
    }
}

/// Runs `schedule` with different dice, many times.
pub(crate) fn schedules(count: u64, mut schedule: impl FnMut(&mut Dice)) {
    for seed in 0..count {
        schedule(&mut Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
    }
}
