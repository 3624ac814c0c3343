//! Wakers that come back to the token that they wake, panics in them, and trees that are wide or
//! deep.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures::task::noop_waker_ref;
use oneloop::CancelToken;
use oneloop::task::Cancelled;
use oneloop::time::now;

const MANY: usize = 100_000;

/// Uses the token whenever it is touched.
struct Meddler {
    token: CancelToken,
    wakes: AtomicUsize,
    drops: Arc<AtomicUsize>,
    /// Waits for the same token.
    waiting: Mutex<Option<Cancelled>>,
    panics: bool,
}

impl Meddler {
    fn waker(token: &CancelToken, drops: &Arc<AtomicUsize>, panics: bool) -> (Arc<Self>, Waker) {
        let meddler = Arc::new(Self {
            token: token.clone(),
            wakes: AtomicUsize::new(0),
            drops: drops.clone(),
            waiting: Mutex::default(),
            panics,
        });
        (meddler.clone(), Waker::from(meddler))
    }

    fn meddle(&self) {
        let child = self.token.child();
        child.cancel();
        self.token.set_deadline(None);
        let waiting = self.waiting.lock().expect("no thread panics with it").take();
        drop(waiting);
    }
}

impl Wake for Meddler {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::Relaxed);
        self.meddle();
        self.token.cancel();
        if self.panics {
            resume_unwind(Box::new("in wake"));
        }
    }
}

impl Drop for Meddler {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::Relaxed);
        self.meddle();
    }
}

fn poll(cancelled: &mut Cancelled, waker: &Waker) -> Poll<()> {
    Pin::new(cancelled).poll(&mut Context::from_waker(waker))
}

#[test]
fn wakers_may_come_back_to_the_token_and_panic() {
    let drops = Arc::default();
    let token = CancelToken::new();
    let waiting: Vec<_> = [false, true, false]
        .map(|panics| {
            let (meddler, waker) = Meddler::waker(&token, &drops, panics);
            let (mut cancelled, mut also) = (token.cancelled(), token.cancelled());
            assert!(poll(&mut cancelled, &waker).is_pending());
            assert!(poll(&mut also, noop_waker_ref()).is_pending());
            *meddler.waiting.lock().unwrap() = Some(also);
            (meddler, cancelled)
        })
        .into();
    // The panic is reported, and does not reach this caller.
    token.cancel();
    for (meddler, mut cancelled) in waiting {
        assert_eq!(meddler.wakes.load(Ordering::Relaxed), 1);
        assert!(poll(&mut cancelled, noop_waker_ref()).is_ready());
    }
    assert_eq!(drops.load(Ordering::Relaxed), 3);
}

#[test]
fn a_waker_that_is_replaced_or_left_behind_is_dropped_outside_of_the_lock() {
    let drops = Arc::default();
    let token = CancelToken::new();
    let mut cancelled = token.cancelled();
    for replaced in 0..3 {
        let (meddler, waker) = Meddler::waker(&token, &drops, false);
        drop(meddler);
        assert!(poll(&mut cancelled, &waker).is_pending());
        drop(waker);
        assert_eq!(drops.load(Ordering::Relaxed), replaced);
    }
    drop(cancelled);
    assert_eq!(drops.load(Ordering::Relaxed), 3, "nothing is left behind");
    assert!(!token.is_cancelled());
}

#[test]
fn a_poll_that_panics_because_no_loop_runs_leaves_the_token_intact() {
    let token = CancelToken::new();
    token.set_deadline(Some(now() + Duration::from_secs(60 * 60)));
    let mut cancelled = token.cancelled();
    let polled = catch_unwind(AssertUnwindSafe(|| poll(&mut cancelled, noop_waker_ref())));
    let payload = polled.unwrap_err();
    let message = payload.downcast_ref::<String>().unwrap();
    assert!(message.contains("a `CancelToken` with a deadline needs a running event loop"));
    drop(cancelled);
    token.cancel();
    assert!(token.is_cancelled());
}

#[test]
fn a_hundred_thousand_children_can_be_cancelled_and_dropped_in_any_order() {
    let root = CancelToken::new();
    let mut children: Vec<_> = (0..MANY).map(|_| root.child()).collect();
    children.truncate(MANY / 2);
    drop(children.drain(..MANY / 4));
    root.cancel();
    assert!(children.iter().all(CancelToken::is_cancelled));
}

#[test]
fn cancelling_a_hundred_thousand_generations_does_not_overflow_the_stack() {
    let root = CancelToken::new();
    let mut last = root.child();
    for _ in 0..MANY {
        last = last.child();
    }
    let mut waiting = last.cancelled();
    assert!(poll(&mut waiting, noop_waker_ref()).is_pending());
    root.cancel();
    assert!(last.is_cancelled());
    drop((root, waiting));
    drop(last);
}

#[test]
fn dropping_a_hundred_thousand_generations_does_not_overflow_the_stack() {
    let mut chain = vec![CancelToken::new()];
    for generation in 0..MANY {
        chain.push(chain[generation].child());
    }
    // From the youngest to the oldest, and in reverse.
    let middle = chain.split_off(MANY / 2);
    drop(chain);
    middle.into_iter().rev().for_each(drop);
}
