//! Cancel tokens: children, deadlines that move, waiting, other threads, hostile wakers, and a
//! storm against a model.

mod hostile;
mod storm;

use std::cell::Cell;
use std::future::{pending, ready};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use oneloop::time::now;
use oneloop::{
    CancelToken, create_task, current_task, deadline, move_on_after, sleep, timeout, timeout_at,
    yield_now,
};

use crate::tasks::{Log, counted, on_drop, poll_once, throw, virtual_runtime};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(60 * 60);

// Cancelling.

#[test]
fn a_token_is_cancelled_with_its_parent_and_not_the_other_way_round() {
    let root = CancelToken::new();
    let [first, second] = [root.child(), root.child()];
    let grandchild = first.child();
    let seen = || [&root, &first, &second, &grandchild].map(CancelToken::is_cancelled);
    assert_eq!(seen(), [false; 4]);
    first.cancel();
    assert_eq!(seen(), [false, true, false, true]);
    root.clone().cancel();
    assert_eq!(seen(), [true; 4], "a clone is the same token");
    root.cancel();
    assert!(grandchild.child().is_cancelled(), "a child of a cancelled one is cancelled");
}

#[test]
fn ancestors_that_nobody_holds_still_connect() {
    let root = CancelToken::new();
    let grandchild = root.child().child();
    root.cancel();
    assert!(grandchild.is_cancelled());
    let orphan = CancelToken::new().child();
    assert!(!orphan.is_cancelled(), "dropping a token does not cancel it");
}

#[oneloop::test(virtual_time)]
async fn those_who_wait_are_woken_in_order_parents_first() {
    let root = CancelToken::new();
    let [first, second] = [root.child(), root.child()];
    let log = Log::new();
    let waits = [("second", &second), ("first", &first), ("a", &root), ("b", &root)];
    let tasks = waits.map(|(name, token)| {
        let (log, cancelled) = (log.clone(), token.cancelled());
        create_task(async move {
            cancelled.await;
            log.push(name);
        })
    });
    yield_now().await;
    root.cancel();
    assert!(log.take().is_empty(), "each runs in its own turn");
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(log.take(), ["a", "b", "first", "second"]);
}

#[oneloop::test(virtual_time)]
async fn waiting_costs_one_poll_and_one_wake() {
    let token = CancelToken::new();
    let polls = Rc::new(Cell::new(0));
    let task = create_task(counted(&polls, token.cancelled()));
    yield_now().await;
    token.cancel();
    token.cancel();
    task.await.unwrap();
    assert_eq!(polls.get(), 2);
    let mut cancelled = token.cancelled();
    assert!(poll_once(&mut cancelled).await.is_ready());
    assert!(poll_once(&mut cancelled).await.is_ready(), "it stays so");
}

#[oneloop::test(virtual_time)]
async fn the_waker_of_the_last_poll_counts() {
    let token = CancelToken::new();
    let mut cancelled = token.cancelled();
    let polls = Rc::new(Cell::new(0));
    let mut first = Box::pin(counted(&polls, &mut cancelled));
    let mut crowd: FuturesUnordered<_> = [&mut first].into_iter().collect();
    assert!(poll_once(&mut crowd.next()).await.is_pending());
    drop(crowd);
    drop(first);
    let task = create_task(cancelled);
    yield_now().await;
    token.cancel();
    task.await.unwrap();
    assert_eq!(polls.get(), 1);
}

#[test]
fn cancelling_from_another_thread_wakes_the_loop() {
    oneloop::run(async {
        let token = CancelToken::new();
        let children: Vec<_> = (0..10).map(|_| token.child()).collect();
        let tasks: Vec<_> = children.iter().map(|child| create_task(child.cancelled())).collect();
        yield_now().await;
        let thread = thread::spawn(move || token.cancel());
        for task in tasks {
            task.await.unwrap();
        }
        thread.join().unwrap();
    });
}

#[test]
fn threads_that_cancel_at_the_same_time_wake_each_waiter() {
    for _ in 0..20 {
        let root = CancelToken::new();
        let waiting = root.child();
        let loops = [0, 1].map(|_| {
            let token = waiting.clone();
            thread::spawn(move || oneloop::run(async move { token.cancelled().await }))
        });
        let cancelling = [&root, &waiting].map(|token| {
            let token = token.clone();
            thread::spawn(move || {
                let children: Vec<_> = (0..10).map(|_| token.child()).collect();
                token.cancel();
                assert!(children.iter().all(CancelToken::is_cancelled));
            })
        });
        loops.into_iter().chain(cancelling).for_each(|thread| thread.join().unwrap());
    }
}

// Deadlines.

#[oneloop::test(virtual_time)]
async fn the_effective_deadline_is_the_earliest_on_the_way_to_the_root() {
    let start = now();
    let root = CancelToken::new();
    let child = root.child();
    let grandchild = child.child();
    let seen = || [&root, &child, &grandchild].map(CancelToken::deadline);
    let [one, two, three] = [1, 2, 3].map(|n| Some(start + n * SECOND));
    assert_eq!(seen(), [None; 3]);
    child.set_deadline(two);
    assert_eq!(seen(), [None, two, two]);
    root.set_deadline(three);
    grandchild.set_deadline(one);
    assert_eq!(seen(), [three, two, one]);
    assert_eq!(grandchild.child().deadline(), one, "children that come later too");
    root.set_deadline(one);
    grandchild.set_deadline(None);
    assert_eq!(seen(), [one; 3]);
    root.set_deadline(None);
    assert_eq!(seen(), [None, two, two]);
    sleep(SECOND).await;
    assert!(!grandchild.is_cancelled());
    sleep(SECOND).await;
    assert!(grandchild.is_cancelled() && child.is_cancelled() && !root.is_cancelled());
}

#[oneloop::test(virtual_time)]
async fn a_deadline_that_has_passed_cancels_for_good_whether_or_not_anybody_looked() {
    let start = now();
    let parent = CancelToken::new();
    let child = parent.child();
    child.set_deadline(Some(start + SECOND));
    sleep(SECOND).await;
    child.set_deadline(Some(start + HOUR));
    assert!(child.is_cancelled(), "it was cancelled when it was moved");
    assert!(!parent.is_cancelled());
    parent.set_deadline(Some(start));
    assert!(parent.is_cancelled(), "a moment that has passed is now");
    parent.set_deadline(None);
    assert!(parent.is_cancelled());
    let token = CancelToken::new();
    token.set_deadline(Some(now() + SECOND));
    token.cancel();
    assert!(token.is_cancelled());
}

#[oneloop::test(virtual_time)]
async fn whoever_waits_sees_the_deadline_wherever_it_is_moved() {
    let start = now();
    let token = CancelToken::new();
    let waiting = token.child();
    let task = create_task(async move {
        waiting.cancelled().await;
        now() - start
    });
    yield_now().await;
    for (deadline, until) in [(10, 1), (30, 20), (25, 21), (22, 21)] {
        token.set_deadline(Some(start + deadline * SECOND));
        sleep(start + until * SECOND - now()).await;
        assert!(!task.is_finished());
    }
    assert_eq!(task.await.unwrap(), 22 * SECOND);

    let token = CancelToken::new();
    token.set_deadline(Some(now() + SECOND));
    let task = create_task(token.cancelled());
    yield_now().await;
    token.set_deadline(None);
    sleep(HOUR).await;
    assert!(!task.is_finished());
    token.cancel();
    task.await.unwrap();
}

#[oneloop::test(virtual_time)]
async fn a_deadline_that_moves_away_again_and_again_wakes_nobody() {
    let token = CancelToken::new();
    let polls = Rc::new(Cell::new(0));
    token.set_deadline(Some(now() + 10 * SECOND));
    let task = create_task(counted(&polls, token.cancelled()));
    for _ in 0..9 {
        sleep(SECOND).await;
        token.set_deadline(Some(now() + 10 * SECOND));
    }
    assert_eq!(polls.get(), 1);
    let due = token.deadline().unwrap();
    task.await.unwrap();
    assert_eq!(now(), due);
    assert_eq!(polls.get(), 3, "once more for the first deadline, which was moved");
}

#[test]
fn timers_go_with_what_has_armed_them() {
    let mut runtime = virtual_runtime();
    let token = CancelToken::new();
    runtime.run(async {
        token.set_deadline(Some(now() + HOUR));
        let mut dropped = token.cancelled();
        assert!(poll_once(&mut dropped).await.is_pending());
        drop(dropped);
        let mut ready = token.cancelled();
        assert!(poll_once(&mut ready).await.is_pending());
        token.cancel();
        assert!(poll_once(&mut ready).await.is_ready());
    });
    assert_eq!(runtime.next_deadline(), None);
}

#[test]
fn a_deadline_moved_by_another_thread_wakes_the_loop() {
    oneloop::run(async {
        let token = CancelToken::new();
        token.set_deadline(Some(now() + HOUR));
        let moved = token.clone();
        let task = create_task(token.cancelled());
        yield_now().await;
        #[expect(clippy::disallowed_methods, reason = "that thread has no loop")]
        let thread = thread::spawn(move || moved.set_deadline(Some(Instant::now())));
        task.await.unwrap();
        thread.join().unwrap();
    });
}

// Running until cancelled.

#[oneloop::test(virtual_time)]
async fn what_is_ready_wins_over_a_token_that_is_cancelled() {
    let token = CancelToken::new();
    token.cancel();
    assert_eq!(token.run_until_cancelled(ready(1)).await, Some(1));
    assert_eq!(token.run_until_cancelled(yield_now()).await, None);
}

#[oneloop::test(virtual_time)]
async fn a_future_may_cancel_the_token_that_ends_it() {
    let token = CancelToken::new();
    let cancels = async {
        token.cancel();
        pending::<()>().await;
    };
    assert_eq!(token.run_until_cancelled(cancels).await, None);
    let token = CancelToken::new();
    let returns = async {
        token.cancel();
        "ready"
    };
    assert_eq!(token.run_until_cancelled(returns).await, Some("ready"));
}

#[oneloop::test(virtual_time)]
async fn the_future_is_dropped_before_none_is_given_and_may_borrow() {
    let log = Log::new();
    let token = CancelToken::new();
    let name = "borrowed".to_owned();
    let guarded = async {
        let _guard = on_drop(|| log.push((name.clone(), current_task().is_some())));
        pending::<()>().await;
    };
    let mut running = Box::pin(token.run_until_cancelled(guarded));
    assert!(poll_once(&mut running).await.is_pending());
    token.cancel();
    assert_eq!(running.as_mut().await, None);
    assert_eq!(log.take(), [("borrowed".to_owned(), true)]);
}

#[oneloop::test(virtual_time)]
async fn a_deadline_that_was_moved_inside_is_seen_at_once() {
    let (start, token) = (now(), CancelToken::new());
    let child = token.child();
    let inner = child.run_until_cancelled(async {
        assert_eq!(deadline(), None);
        for seconds in [5, 3, 4] {
            token.set_deadline(Some(start + seconds * SECOND));
            assert_eq!(deadline(), Some(start + seconds * SECOND));
        }
        let other = CancelToken::new();
        other.set_deadline(Some(start + SECOND));
        assert_eq!(deadline(), Some(start + 4 * SECOND), "another tree is no limit here");
        other.run_until_cancelled(async { deadline() }).await
    });
    assert_eq!(inner.await, Some(Some(Some(start + SECOND))));
    let cancelled = child.run_until_cancelled(async {
        token.cancel();
        deadline()
    });
    assert_eq!(cancelled.await, Some(Some(now())));
    assert_eq!(deadline(), None);
}

#[oneloop::test(virtual_time)]
async fn a_limit_around_it_that_is_due_at_once_ends_the_wait() {
    let until = now() + SECOND;
    let token = CancelToken::new();
    token.set_deadline(Some(until));
    let rest = Cell::new(false);
    let outer = timeout_at(until, async {
        token.run_until_cancelled(pending::<()>()).await;
        rest.set(true);
    });
    assert!(outer.await.is_err());
    assert!(!rest.get());
    // The other way round, and two tokens.
    let (token, other) = (CancelToken::new(), CancelToken::new());
    for token in [&token, &other] {
        token.set_deadline(Some(now() + SECOND));
    }
    let outer = token.run_until_cancelled(async {
        other.run_until_cancelled(timeout(SECOND, pending::<()>())).await;
        rest.set(true);
    });
    assert_eq!(outer.await, None);
    assert!(!rest.get());
}

#[oneloop::test(virtual_time)]
async fn the_tokens_deadline_ends_it_and_is_seen_inside() {
    let start = now();
    let token = CancelToken::new();
    token.set_deadline(Some(start + 5 * SECOND));
    let handle = token.clone();
    let cancelled = token.run_until_cancelled(async {
        assert_eq!(deadline(), Some(start + 5 * SECOND));
        handle.set_deadline(Some(start + 3 * SECOND));
        yield_now().await;
        assert_eq!(deadline(), Some(start + 3 * SECOND));
        move_on_after(SECOND, async {
            assert_eq!(deadline(), Some(start + SECOND));
            pending::<()>().await;
        })
        .await;
        handle.set_deadline(None);
        yield_now().await;
        assert_eq!(deadline(), None);
        handle.set_deadline(Some(start + 2 * SECOND));
        pending::<()>().await;
    });
    assert_eq!(cancelled.await, None);
    assert_eq!(now() - start, 2 * SECOND);
    let inside = token.run_until_cancelled(async { deadline() }).await;
    assert_eq!(inside, Some(Some(now())), "no time is left in what is cancelled");
}

#[oneloop::test(virtual_time)]
async fn a_limit_inside_lets_a_token_that_is_due_as_well_go_first() {
    let token = CancelToken::new();
    token.set_deadline(Some(now() + SECOND));
    let both = token.run_until_cancelled(timeout(SECOND, pending::<()>())).await;
    assert_eq!(both, None);
}

#[oneloop::test(virtual_time)]
async fn a_guard_cancels_however_it_is_dropped_unless_it_is_disarmed() {
    let token = CancelToken::new();
    let kept = token.child().cancel_on_drop().disarm();
    assert!(!kept.is_cancelled());
    let tokens = [(); 3].map(|()| token.child());
    let [returned, panicked, cancelled] = tokens.clone().map(CancelToken::cancel_on_drop);
    drop(returned);
    let panics = create_task(async move {
        let _guard = panicked;
        throw("on purpose");
    });
    panics.await.unwrap_err();
    let task = create_task(async move {
        let _guard = cancelled;
        pending::<()>().await;
    });
    yield_now().await;
    assert!(!tokens[2].is_cancelled());
    task.cancel();
    task.await.unwrap_err();
    assert!(tokens.iter().all(CancelToken::is_cancelled));
    assert!(!token.is_cancelled());
}

#[test]
fn a_token_without_a_deadline_needs_no_loop() {
    let token = CancelToken::new();
    let waiting = token.child();
    let mut running = pin!(waiting.run_until_cancelled(pending::<()>()));
    let mut context = Context::from_waker(Waker::noop());
    assert!(running.as_mut().poll(&mut context).is_pending());
    token.cancel();
    assert_eq!(running.poll(&mut context), Poll::Ready(None));
}
