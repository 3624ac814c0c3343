//! `to_thread(..).limiter(..)`: a token for each call, until it has returned.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use oneloop::sync::CapacityLimiter;
use oneloop::thread::to_thread;
use oneloop::{create_task, gather, timeout, yield_now};

use super::{MS, endless, gate, poll_once, reporting};

#[oneloop::test]
async fn no_more_calls_run_than_there_are_tokens() {
    let limiter = Rc::new(CapacityLimiter::new(2));
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let call = |n| {
        let (now, most) = (Arc::clone(&now), Arc::clone(&most));
        let call = to_thread(move || {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            thread::yield_now();
            now.fetch_sub(1, Ordering::SeqCst);
            n
        });
        call.limiter(&limiter)
    };
    let results = gather((0..100).map(call)).await;
    assert!(results.into_iter().eq(0..100));
    assert!(most.load(Ordering::SeqCst) <= 2);
    assert_eq!((limiter.borrowed(), limiter.n_waiting()), (0, 0));
}

#[oneloop::test]
async fn an_abandoned_call_keeps_its_token_until_it_has_returned() {
    let limiter = Rc::new(CapacityLimiter::new(1));
    let (mut gate, waiting) = gate();
    let (call, has_begun, ended) = endless(waiting);
    let mut call = to_thread(call).limiter(&limiter);
    while has_begun.try_recv().is_err() {
        assert!(poll_once(&mut call).await.is_pending());
        yield_now().await;
    }
    drop(call);
    assert_eq!(limiter.borrowed(), 1);
    assert!(timeout(MS, to_thread(|| ()).limiter(&limiter)).await.is_err());
    assert_eq!(limiter.n_waiting(), 0, "who stops waiting leaves the line");
    gate.open();
    to_thread(|| ()).limiter(&limiter).await;
    assert!(ended.try_recv().is_ok());
    assert_eq!(limiter.borrowed(), 0);
}

#[oneloop::test]
async fn a_call_that_is_waited_for_keeps_its_token_as_long() {
    let limiter = Rc::new(CapacityLimiter::new(1));
    let (mut gate, waiting) = gate();
    let (call, has_begun, ended) = endless(waiting);
    let mut call = to_thread(call).wait_on_cancel().limiter(&limiter);
    while has_begun.try_recv().is_err() {
        assert!(poll_once(&mut call).await.is_pending());
        yield_now().await;
    }
    gate.open();
    assert!(timeout(MS, &mut call).await.is_err(), "this drops only the reference");
    assert!(timeout(MS, call).await.is_err());
    assert!(ended.try_recv().is_ok());
    assert_eq!(limiter.borrowed(), 0);
}

#[oneloop::test]
async fn a_call_that_was_taken_back_gives_its_token_up() {
    let limiter = Rc::new(CapacityLimiter::new(1));
    let never = to_thread(|| ()).limiter(&limiter);
    assert_eq!(limiter.borrowed(), 0);
    drop(never);
    let panics = create_task(to_thread(|| panic!("boom")).limiter(&limiter));
    assert!(panics.await.unwrap_err().is_panic());
    assert_eq!(limiter.borrowed(), 0);
}

#[test]
fn a_token_outlives_its_loop_without_harm() {
    let (builder, reports) = reporting();
    let limiter = Rc::new(CapacityLimiter::new(1));
    let (mut gate, waiting) = gate();
    let (call, has_begun, ended) = endless(waiting);
    let (call,) = builder.cleanup_timeout(MS).run(async {
        let mut call = to_thread(call).limiter(&limiter);
        while has_begun.try_recv().is_err() {
            assert!(poll_once(&mut call).await.is_pending());
            yield_now().await;
        }
        (call,)
    });
    assert_eq!(reports.borrow().len(), 1);
    assert_eq!(limiter.borrowed(), 1, "the future is still there");
    drop(call);
    assert_eq!(limiter.borrowed(), 0, "no loop is left to keep it");
    gate.open();
    ended.recv().unwrap();
}
