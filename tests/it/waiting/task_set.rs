//! `TaskSet`: results in the order of the ends, and the fate of tasks when the set is dropped.

use std::cell::{Cell, RefCell};
use std::future::{pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use futures::FutureExt;
use futures::stream::{FuturesUnordered, StreamExt};
use oneloop::time::now;
use oneloop::{
    Builder, CancelReason, TaskSet, all_tasks, create_task, sleep, task, timeout, yield_now,
};

use super::{SECOND, after};
use crate::tasks::{Log, counted, hold, on_drop, poll_once, throw, virtual_runtime};

fn set_of<const N: usize>(seconds: [u32; N]) -> TaskSet<u32> {
    let mut set = TaskSet::new();
    for n in seconds {
        set.create_task(after(n, n));
    }
    set
}

#[oneloop::test(virtual_time)]
async fn results_come_in_the_order_of_the_ends() {
    let start = now();
    let mut set = set_of([3, 1, 2]);
    assert_eq!(set.len(), 3);
    for n in 1..=3 {
        assert_eq!(set.next().await.unwrap().unwrap(), n);
        assert_eq!((now() - start, set.len()), (n * SECOND, 3 - n as usize));
    }
    assert!(set.next().await.is_none() && set.is_empty());
    assert!(TaskSet::<()>::default().next().await.is_none());
}

#[oneloop::test(virtual_time)]
async fn tasks_may_be_added_while_results_are_taken() {
    let mut set = set_of([1]);
    let mut sum = 0;
    while let Some(result) = set.next().await {
        let n = result.unwrap();
        sum += n;
        if n < 64 {
            set.create_task(after(1, n * 2));
            if n % 4 == 0 {
                set.create_task(ready(100));
            }
        }
    }
    assert_eq!(sum, 127 + 4 * 100);
}

#[oneloop::test(virtual_time)]
async fn a_task_that_panics_or_is_cancelled_gives_an_error_in_its_turn() {
    let mut set = set_of([9]);
    let cancelled = set.create_task(pending());
    set.create_task(async { throw("on purpose") });
    assert!(cancelled.cancel());
    assert!(set.next().await.unwrap().unwrap_err().is_cancelled());
    assert!(set.next().await.unwrap().unwrap_err().is_panic());
    assert_eq!(set.next().await.unwrap().unwrap(), 9);
}

#[oneloop::test(virtual_time)]
async fn a_task_of_a_builder_can_be_added() {
    let mut set = TaskSet::new();
    let eager = task::Builder::new().eager(true).create_task(ready(1));
    let eager = set.add(eager);
    let named = set.add(create_task(after(1, 2)).named("second"));
    assert_eq!((eager.is_finished(), named.name().as_str()), (true, "second"));
    assert_eq!(set.try_next().unwrap().unwrap(), 1);
    assert!(set.try_next().is_none());
    assert_eq!(set.next().await.unwrap().unwrap(), 2);
}

#[oneloop::test(virtual_time)]
async fn try_next_never_waits() {
    let mut set = set_of([2, 1, 1]);
    assert!(set.try_next().is_none());
    sleep(SECOND).await;
    yield_now().await;
    assert_eq!(set.try_next().unwrap().unwrap(), 1);
    assert_eq!(set.try_next().unwrap().unwrap(), 1);
    assert!(set.try_next().is_none() && set.len() == 1);
}

#[oneloop::test(virtual_time)]
async fn a_next_that_is_dropped_loses_nothing() {
    let mut set = set_of([3, 1, 2]);
    let mut seen = Vec::new();
    while !set.is_empty() {
        if let Ok(Some(result)) = timeout(Duration::from_millis(300), set.next()).await {
            seen.push(result.unwrap());
        }
    }
    assert_eq!(seen, [1, 2, 3]);
    let mut set = set_of([1]);
    assert!(poll_once(&mut set.next().boxed_local()).await.is_pending());
    sleep(2 * SECOND).await;
    assert_eq!(set.next().await.unwrap().unwrap(), 1, "woken, and then dropped");
}

// The ways to end it.

#[oneloop::test(virtual_time)]
async fn dropping_the_set_cancels_its_tasks_in_their_own_turns() {
    let log = Log::new();
    let mut set = TaskSet::new();
    for n in 0..3 {
        let log = log.clone();
        set.create_task(hold(on_drop(move || log.push(n))));
    }
    let refs: Vec<_> = all_tasks();
    yield_now().await;
    drop(set);
    assert_eq!(log.take().len(), 0, "not inside the drop");
    yield_now().await;
    assert_eq!(log.take(), [0, 1, 2]);
    assert!(refs[1..].iter().all(oneloop::TaskRef::is_finished));
}

#[oneloop::test(virtual_time)]
async fn cancel_all_leaves_the_errors_to_be_taken() {
    let mut set = set_of([0, 5, 6]);
    sleep(SECOND).await;
    set.cancel_all();
    assert_eq!(set.next().await.unwrap().unwrap(), 0, "it had ended");
    for _ in 0..2 {
        let error = set.next().await.unwrap().unwrap_err();
        assert_eq!(error.reason(), Some(CancelReason::Requested));
    }
    assert!(set.is_empty());
}

#[test]
fn cancel_and_wait_waits_and_reports_panics() {
    let reported = Rc::new(RefCell::new(Vec::new()));
    let reports = reported.clone();
    let builder = Builder::new().virtual_time(true);
    let builder =
        builder.on_unhandled(move |unhandled| reports.borrow_mut().push(unhandled.to_string()));
    builder.run(async {
        let live = Rc::new(());
        let mut set = TaskSet::new();
        set.create_task(hold(live.clone()));
        set.create_task(async { throw("one") });
        set.create_task(hold(on_drop(|| throw("two"))));
        yield_now().await;
        set.cancel_and_wait(Duration::from_secs(5)).await;
        assert_eq!((set.len(), Rc::strong_count(&live)), (0, 1));
        set.cancel_and_wait(Duration::from_secs(5)).await;
        set.create_task(ready(()));
        assert!(set.next().await.unwrap().is_ok(), "it can be used again");
    });
    let reported = reported.borrow();
    assert_eq!(reported.len(), 2);
    assert!(reported[0].contains("one") && reported[1].contains("two"), "{reported:?}");
}

#[oneloop::test(virtual_time)]
async fn a_cancel_and_wait_that_is_dropped_has_cancelled_all() {
    let mut set = set_of([5, 6]);
    yield_now().await;
    assert!(
        poll_once(&mut set.cancel_and_wait(Duration::from_secs(5)).boxed_local())
            .await
            .is_pending()
    );
    assert_eq!(set.len(), 2);
    assert!(set.next().await.unwrap().unwrap_err().is_cancelled());
    assert!(set.next().await.unwrap().unwrap_err().is_cancelled());
}

#[test]
fn detached_tasks_go_on_and_their_errors_are_reported() {
    let (log, reported) = (Log::new(), Rc::new(Cell::new(0)));
    let (entries, reports) = (log.clone(), reported.clone());
    let builder = Builder::new().virtual_time(true);
    let builder = builder.on_unhandled(move |_| reports.set(reports.get() + 1));
    builder.run(async move {
        let mut set = TaskSet::new();
        set.create_task(async move {
            sleep(SECOND).await;
            entries.push("went on");
            Err("failed")
        });
        set.create_task(ready(Err("failed at once")));
        set.create_task(ready(Ok(())));
        yield_now().await;
        set.detach_all();
        assert!(set.is_empty() && set.next().await.is_none());
        sleep(2 * SECOND).await;
        assert_eq!(all_tasks().len(), 1);
    });
    assert_eq!((log.take(), reported.get()), (vec!["went on"], 2));
}

// Costs.

#[oneloop::test(virtual_time)]
async fn ten_thousand_tasks_cost_their_wakes_and_places_are_used_again() {
    let polls = Rc::new(Cell::new(0));
    let mut set = TaskSet::new();
    for _ in 0..2 {
        for n in 0..10_000 {
            set.create_task(sleep(Duration::from_micros(n % 100 + 1)));
        }
        let all = async {
            let mut count = 0;
            while let Some(result) = set.next().await {
                result.unwrap();
                count += 1;
            }
            count
        };
        assert_eq!(counted(&polls, all).await, 10_000);
    }
    // One poll for each moment, and one for each 128 results.
    assert!(polls.get() <= 2 * (101 + 10_000 / 128 + 1), "{}", polls.get());
}

#[oneloop::test(virtual_time)]
async fn whoever_takes_many_results_lets_others_run() {
    let mut set = TaskSet::new();
    for _ in 0..1000 {
        set.create_task(ready(()));
    }
    sleep(SECOND).await;
    let turns = Rc::new(Cell::new(0));
    let counter = turns.clone();
    let other = create_task(async move {
        loop {
            counter.set(counter.get() + 1);
            yield_now().await;
        }
    });
    assert_eq!(set.by_ref().count().await, 1000);
    assert!(turns.get() >= 7, "{}", turns.get());
    other.cancel();
}

// Elsewhere.

#[oneloop::test(virtual_time)]
async fn it_is_a_stream_and_works_under_foreign_wakers_and_in_itself() {
    let mut foreign: FuturesUnordered<_> = [3, 1]
        .into_iter()
        .map(|n| async move { set_of([n + 1, n]).map(Result::unwrap).collect::<Vec<_>>().await })
        .collect();
    assert_eq!(foreign.next().await, Some(vec![1, 2]));
    assert_eq!(foreign.next().await, Some(vec![3, 4]));
    let mut outer = TaskSet::new();
    outer.create_task(async { set_of([2]).next().await.unwrap().unwrap() });
    assert_eq!(outer.next().await.unwrap().unwrap(), 2);
}

#[oneloop::test(virtual_time)]
async fn the_latest_waker_counts() {
    let mut set = set_of([1]);
    assert!(poll_once(&mut set.next().boxed_local()).await.is_pending());
    let other = create_task(async move { set.next().await.is_some() });
    assert!(other.await.unwrap());
}

#[test]
fn tasks_of_an_ended_loop_give_errors_and_then_the_set_can_be_used_on_another() {
    let mut set = TaskSet::new();
    let mut first = virtual_runtime();
    first.run(async { [1, 2].map(|n| set.create_task(after(n, n))) });
    drop(first);
    virtual_runtime().run(async {
        for _ in 0..2 {
            let error = set.next().await.unwrap().unwrap_err();
            assert_eq!(error.reason(), Some(CancelReason::LoopEnded));
        }
        assert!(set.next().await.is_none());
        set.create_task(after(1, 3));
        assert_eq!(set.next().await.unwrap().unwrap(), 3);
    });
    assert!(set.is_empty());
}

#[test]
fn it_may_be_dropped_after_its_loop_and_on_another_thread() {
    let live = Rc::new(());
    let mut runtime = virtual_runtime();
    let set = runtime.run(async {
        let mut set = TaskSet::new();
        set.create_task(hold(live.clone()));
        set
    });
    thread::spawn(move || drop(set)).join().unwrap();
    runtime.run(yield_now());
    runtime.run(yield_now());
    assert_eq!(Rc::strong_count(&live), 1, "cancelled from there");
    let set = runtime.run(async { set_of([1]) });
    drop(runtime);
    drop(set);
}

#[oneloop::test(virtual_time)]
async fn on_another_thread_it_says_where_it_belongs() {
    let mut set = set_of([1]);
    let there = thread::spawn(move || {
        let polled = catch_unwind(AssertUnwindSafe(|| oneloop::run(set.next()).is_some()));
        (polled.unwrap_err().downcast_ref::<String>().unwrap().clone(), set)
    });
    let (message, mut set) = there.join().unwrap();
    assert!(message.contains("belongs to the loop of thread"), "{message}");
    assert_eq!(set.next().await.unwrap().unwrap(), 1);
}

#[oneloop::test(virtual_time, unhandled = "log")]
async fn cancel_and_wait_gives_cleanups_their_time_and_no_more() {
    let cleaned = Rc::new(Cell::new(0));
    let mut set = TaskSet::new();
    for seconds in [1, 60] {
        let cleaned = cleaned.clone();
        set.create_task(async move {
            let _guard = oneloop::with_cleanup(cleaned, async move |cleaned| {
                sleep(Duration::from_secs(seconds)).await;
                cleaned.set(cleaned.get() + 1);
            });
            pending::<()>().await;
        });
    }
    yield_now().await;
    let start = now();
    set.cancel_and_wait(Duration::from_secs(2)).await;
    assert!(set.is_empty());
    assert_eq!((cleaned.get(), now() - start), (1, Duration::from_secs(2)));
}
