//! `as_completed`: the order of outputs and drops, and the limit.

use std::cell::Cell;
use std::collections::HashSet;
use std::future::{Pending, ready};
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::Duration;

use futures::stream::{FusedStream, FuturesUnordered, StreamExt};
use futures::{FutureExt, Stream};
use oneloop::time::now;
use oneloop::{as_completed, create_task, race, sleep, timeout, yield_now};

use super::{SECOND, after};
use crate::tasks::{Log, counted, hold, on_drop, poll_once, throw};

#[oneloop::test(virtual_time)]
async fn outputs_come_when_they_are_there_with_the_index_of_the_argument() {
    let start = now();
    let mut outputs = as_completed([3, 1, 2].map(|n| after(n, n * 10)));
    assert_eq!((outputs.len(), outputs.size_hint()), (3, (3, Some(3))));
    for (index, n) in [(1, 1), (2, 2), (0, 3)] {
        assert_eq!(outputs.next().await, Some((index, n * 10)));
        assert_eq!(now() - start, n * SECOND);
    }
    assert!(outputs.is_empty() && outputs.is_terminated());
    for _ in 0..2 {
        assert_eq!(outputs.next().await, None);
    }
    assert_eq!(as_completed(Vec::<Pending<()>>::new()).next().await, None);
}

#[oneloop::test(virtual_time)]
async fn those_that_are_ready_at_once_come_in_the_order_of_the_arguments() {
    let outputs = as_completed((0..100).map(ready)).collect::<Vec<_>>().await;
    assert!(outputs.into_iter().eq((0..100).map(|n| (n, n))));
}

#[oneloop::test(virtual_time)]
async fn no_more_than_the_limit_run_at_once() {
    let (now_running, most) = (Cell::new(0), Cell::new(0));
    let job = async |n: u32| {
        now_running.set(now_running.get() + 1);
        most.set(now_running.get().max(most.get()));
        sleep(Duration::from_millis(u64::from(n * 7 % 10))).await;
        now_running.set(now_running.get() - 1);
        n
    };
    for limit in [1, 3, 50, 1000] {
        most.set(0);
        let mut outputs = as_completed((0..50).map(job)).limit(limit);
        let mut seen = HashSet::new();
        while let Some((index, n)) = outputs.next().await {
            assert_eq!(index, n as usize);
            seen.insert(n);
        }
        assert_eq!((seen.len(), most.get()), (50, limit.min(50)));
    }
}

#[test]
#[should_panic(expected = "nothing would ever start")]
fn a_limit_of_0_is_refused() {
    drop(as_completed([ready(())]).limit(0));
}

#[oneloop::test(virtual_time)]
async fn a_next_that_is_dropped_loses_nothing() {
    let mut outputs = as_completed([3, 1, 2].map(|n| after(n, n)));
    let mut seen = Vec::new();
    while !outputs.is_empty() {
        let step = Duration::from_millis(300);
        seen.extend(timeout(step, outputs.next()).await.unwrap_or_default());
    }
    assert_eq!(seen, [(1, 1), (2, 2), (0, 3)]);
}

#[oneloop::test(virtual_time)]
async fn each_future_is_dropped_when_it_is_ready_and_the_rest_with_the_whole() {
    let log = Log::new();
    let member = |n: u32| {
        let log = log.clone();
        let guard = on_drop(move || log.push(n));
        async move {
            sleep(n * SECOND).await;
            drop(guard);
        }
    };
    let mut outputs = as_completed([2, 1, 3].map(member)).limit(2);
    outputs.next().await;
    assert_eq!(log.take(), [1]);
    drop(outputs);
    assert_eq!(log.take(), [2, 3], "also one that has not started");
}

#[oneloop::test(virtual_time)]
async fn ten_thousand_futures_are_polled_only_when_woken() {
    let polls = Rc::new(Cell::new(0));
    let members = (0..10_000).map(|n| counted(&polls, sleep(Duration::from_micros(n % 100 + 1))));
    assert_eq!(as_completed(members.collect::<Vec<_>>()).count().await, 10_000);
    assert_eq!(polls.get(), 20_000);
}

#[oneloop::test(virtual_time)]
async fn a_crowd_that_is_ready_lets_others_run() {
    let turns = Rc::new(Cell::new(0));
    let counter = turns.clone();
    let other = create_task(async move {
        loop {
            counter.set(counter.get() + 1);
            yield_now().await;
        }
    });
    assert_eq!(as_completed((0..2000).map(ready)).count().await, 2000);
    assert!(turns.get() >= 10, "{}", turns.get());
    other.cancel();
}

#[oneloop::test(virtual_time)]
async fn a_panic_reaches_the_taker_and_the_others_go_on() {
    let live = Rc::new(());
    let member = |n: u32| {
        let live = live.clone();
        async move {
            sleep(n * SECOND).await;
            drop(live);
            if n == 1 { throw("on purpose") } else { n }
        }
    };
    let mut outputs = as_completed([2, 1].map(member));
    assert!(AssertUnwindSafe(outputs.next()).catch_unwind().await.is_err());
    assert_eq!(Rc::strong_count(&live), 2, "it has been dropped");
    assert_eq!(outputs.next().await, Some((0, 2)));
    assert_eq!(outputs.next().await, None);
}

#[oneloop::test(virtual_time)]
async fn it_works_in_others_and_others_work_in_it() {
    let inner = |n| as_completed([after(n + 1, 'b'), after(n, 'a')]).collect::<Vec<_>>();
    let mut outer = as_completed([inner(3), inner(1)]);
    assert_eq!(outer.next().await, Some((1, vec![(1, 'a'), (0, 'b')])));
    let mut foreign: FuturesUnordered<_> = [inner(3), inner(1)].into_iter().collect();
    assert!(foreign.next().await.is_some() && foreign.next().await.is_some());
    let races = as_completed([2, 1].map(|n| race([after(9 * n, 0), after(n, n)])));
    assert_eq!(races.collect::<Vec<_>>().await, [(1, 1), (0, 2)]);
}

// From asyncio's tests.

#[oneloop::test(virtual_time)]
async fn test_as_completed_with_timeout() {
    let start = now();
    let tasks = [100, 150].map(|n| create_task(after(n, n)));
    let keys = tasks.each_ref().map(oneloop::Task::key);
    let mut outputs = as_completed(tasks);
    let in_time = async {
        let mut seen = Vec::new();
        while let Some((index, result)) = outputs.next().await {
            seen.push((index, result.unwrap()));
            if seen.len() == 2 {
                break;
            }
        }
        seen
    };
    timeout(120 * SECOND, in_time).await.unwrap_err();
    assert_eq!(now() - start, 120 * SECOND);
    assert_eq!(outputs.len(), 1, "nothing is cancelled, and the second is still to come");
    let living = oneloop::all_tasks();
    assert!(living.iter().any(|task| task.key() == keys[1]));
    assert_eq!(
        outputs.next().await.map(|(index, result)| (index, result.unwrap())),
        Some((1, 150))
    );
}

#[oneloop::test(virtual_time)]
async fn test_as_completed_reverse_wait() {
    let start = now();
    let mut outputs = as_completed([after(10, 'a'), after(5, 'b')]);
    assert_eq!(outputs.next().await, Some((1, 'b')));
    assert_eq!(now() - start, 5 * SECOND);
    assert_eq!(outputs.next().await, Some((0, 'a')));
    assert_eq!(now() - start, 10 * SECOND);
}

// Hostile members.

#[oneloop::test(virtual_time)]
async fn a_member_whose_drop_panics_takes_its_output_with_it() {
    let bad = async {
        let _guard = on_drop(|| throw("on purpose"));
        sleep(SECOND).await;
        1
    };
    let mut outputs = as_completed([bad.boxed_local(), after(2, 2).boxed_local()]);
    assert!(AssertUnwindSafe(outputs.next()).catch_unwind().await.is_err());
    assert_eq!(outputs.next().await, Some((1, 2)));
}

#[oneloop::test(virtual_time)]
async fn dropped_before_its_first_poll_and_after_its_end_it_does_no_harm() {
    let live = Rc::new(());
    drop(as_completed([hold(live.clone())]));
    let mut outputs = as_completed([hold(live.clone())]);
    assert!(poll_once(&mut outputs.next().boxed_local()).await.is_pending());
    drop(outputs);
    assert_eq!(Rc::strong_count(&live), 1);
}
