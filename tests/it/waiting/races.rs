//! `race`, `first_ok` and `staggered_race`: the winner, and the fate of the losers.

use std::cell::Cell;
use std::future::{Pending, pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use futures::FutureExt;
use futures::stream::{FuturesUnordered, StreamExt};
use oneloop::time::now;
use oneloop::{create_task, first_ok, gather, race, sleep, staggered_race, timeout, yield_now};

use super::{SECOND, after};
use crate::tasks::{Gate, Log, counted, hold, on_drop, poll_once, throw};

type Attempt = Pin<Box<dyn Future<Output = Result<u32, u32>>>>;

fn succeed(seconds: u32, value: u32) -> Attempt {
    after(seconds, Ok(value)).boxed_local()
}

fn fail(seconds: u32, error: u32) -> Attempt {
    after(seconds, Err(error)).boxed_local()
}

// `race`.

#[oneloop::test(virtual_time)]
async fn the_first_that_is_ready_wins_a_race() {
    let start = now();
    assert_eq!(race([3, 1, 2].map(|n| after(n, n))).await, 1);
    assert_eq!(now() - start, SECOND);
    assert_eq!(race([ready(1), ready(2)]).await, 1, "in the order of the arguments");
}

#[oneloop::test(virtual_time)]
async fn losers_are_dropped_in_their_order_before_the_output_is_seen() {
    let log = Log::new();
    let runner = |n: u32| {
        let log = log.clone();
        let guard = on_drop(move || log.push(n));
        async move {
            let _guard = guard;
            sleep(n * SECOND).await;
        }
    };
    race([3, 1, 4, 2].map(runner)).await;
    assert_eq!(log.take(), [1, 3, 4, 2]);
}

#[test]
#[should_panic(expected = "pass one at least")]
fn a_race_of_nobody_is_refused_at_the_call() {
    drop(race(Vec::<Pending<()>>::new()));
}

#[oneloop::test(virtual_time)]
async fn a_race_polls_only_what_was_woken() {
    let polls = [(); 3].map(|()| Rc::new(Cell::new(0)));
    let gate = Gate::default();
    let runners = [counted(&polls[0], gate.wait()), counted(&polls[1], Gate::default().wait())];
    let task = create_task(race(runners));
    for _ in 0..3 {
        sleep(SECOND).await;
        gate.wake();
    }
    gate.open();
    task.await.unwrap();
    assert_eq!(polls.map(|polls| polls.get()), [4, 1, 0]);
}

#[oneloop::test(virtual_time)]
async fn a_race_polled_after_its_end_says_so() {
    let mut raced = race([ready(())]);
    assert!(poll_once(&mut raced).await.is_ready());
    assert!(AssertUnwindSafe(raced).catch_unwind().await.is_err());
}

#[oneloop::test(virtual_time)]
async fn a_loser_whose_drop_is_hostile_does_no_harm() {
    let (log, live) = (Log::new(), Rc::new(()));
    let (entries, other) = (log.clone(), live.clone());
    let task = create_task(pending::<()>());
    let victim = Cell::new(Some(task.cancel_on_drop()));
    let hostile = on_drop(move || {
        drop(victim.take());
        let entries = entries.clone();
        drop(create_task(async move { entries.push("created") }));
        throw("on purpose")
    });
    let runners =
        [hold(hostile).boxed_local(), hold(other).boxed_local(), sleep(SECOND).boxed_local()];
    assert!(AssertUnwindSafe(race(runners)).catch_unwind().await.is_err());
    assert_eq!(Rc::strong_count(&live), 1, "the other loser is dropped all the same");
    yield_now().await;
    assert_eq!(log.take(), ["created"]);
    assert_eq!(oneloop::all_tasks().len(), 1);
}

#[oneloop::test(virtual_time)]
async fn races_nest_and_run_under_foreign_wakers() {
    let inner = |n| race([after(n + 2, n), after(n, n * 10)]);
    assert_eq!(race([inner(4), inner(2)]).await, 20);
    let mut foreign: FuturesUnordered<_> = [inner(4), inner(2)].into_iter().collect();
    assert_eq!((foreign.next().await, foreign.next().await), (Some(20), Some(40)));
    assert_eq!(gather([inner(2), inner(1)]).await, [20, 10]);
}

#[oneloop::test(virtual_time)]
async fn dropped_in_each_state_a_race_drops_its_runners() {
    let live = Rc::new(());
    let runners = || [hold(live.clone()), hold(live.clone())];
    drop(race(runners()));
    timeout(SECOND, race(runners())).await.unwrap_err();
    timeout(SECOND, first_ok(runners().map(|runner| runner.map(Ok::<(), ()>)))).await.unwrap_err();
    for delay in [Duration::ZERO, SECOND, 9 * SECOND] {
        let runners = runners().map(|runner| runner.map(Ok::<(), ()>));
        timeout(2 * SECOND, staggered_race(runners, delay)).await.unwrap_err();
    }
    assert_eq!(Rc::strong_count(&live), 1);
}

// `first_ok`.

#[oneloop::test(virtual_time)]
async fn the_first_success_counts() {
    let start = now();
    let attempts = [fail(1, 1), succeed(3, 3), succeed(2, 2), fail(9, 9)];
    assert_eq!(first_ok(attempts).await, Ok(2));
    assert_eq!(now() - start, 2 * SECOND);
}

#[oneloop::test(virtual_time)]
async fn without_a_success_all_errors_come_in_the_order_of_the_arguments() {
    assert_eq!(first_ok([fail(3, 3), fail(1, 1), fail(2, 2)]).await, Err(vec![3, 1, 2]));
    assert_eq!(first_ok(Vec::<Attempt>::new()).await, Err(vec![]));
    let many = first_ok((0..1000).map(|n| ready(Err::<(), _>(n)))).await;
    assert!(many.unwrap_err().into_iter().eq(0..1000));
}

#[oneloop::test(virtual_time)]
async fn losers_are_dropped_before_the_value_is_seen() {
    let live = Rc::new(());
    let held = || hold(live.clone()).map(Ok).boxed_local();
    let attempts = [held(), after(1, Ok::<(), ()>(())).boxed_local(), held()];
    first_ok(attempts).await.unwrap();
    assert_eq!(Rc::strong_count(&live), 1);
}

// `staggered_race`; these are asyncio's tests.

#[oneloop::test(virtual_time)]
async fn test_empty() {
    assert_eq!(staggered_race(Vec::<Attempt>::new(), SECOND).await, Err(vec![]));
}

#[oneloop::test(virtual_time)]
async fn test_one_successful() {
    let polled = Rc::new(Cell::new(0));
    let attempt = |n: u32| counted(&polled, ready(Ok::<u32, ()>(n)));
    assert_eq!(staggered_race([1, 2].map(attempt), Duration::MAX).await, Ok(1));
    assert_eq!(polled.get(), 1, "the second never started");
}

#[oneloop::test(virtual_time)]
async fn test_first_error_second_successful() {
    let start = now();
    assert_eq!(staggered_race([fail(0, 1), succeed(0, 2)], Duration::MAX).await, Ok(2));
    assert_eq!(now() - start, Duration::ZERO);
}

#[oneloop::test(virtual_time)]
async fn test_first_timeout_second_successful() {
    let start = now();
    let winner = staggered_race([succeed(10, 1), succeed(0, 2)], 3 * SECOND).await;
    assert_eq!((winner, now() - start), (Ok(2), 3 * SECOND));
}

#[oneloop::test(virtual_time)]
async fn test_none_successful() {
    assert_eq!(staggered_race([fail(2, 1), fail(0, 2)], SECOND).await, Err(vec![1, 2]));
}

#[oneloop::test(virtual_time)]
async fn test_multiple_winners() {
    let gate = Gate::default();
    let attempt = |n: u32| {
        let wait = gate.wait();
        async move {
            wait.await;
            Ok::<u32, ()>(n)
        }
    };
    let task = create_task(staggered_race([1, 2].map(attempt), Duration::ZERO));
    yield_now().await;
    gate.open();
    assert_eq!(task.await.unwrap(), Ok(1), "one wins, the other is dropped");
}

#[oneloop::test(virtual_time)]
async fn test_cancelled() {
    let live = Rc::new(());
    let held = hold(live.clone()).map(Ok::<(), ()>);
    let task = create_task(staggered_race([held], SECOND));
    yield_now().await;
    task.cancel();
    assert!(task.await.unwrap_err().is_cancelled());
    assert_eq!(Rc::strong_count(&live), 1);
}

#[oneloop::test(virtual_time)]
async fn the_delay_counts_from_the_last_start_and_only_the_last_failure_starts_the_next() {
    let start = now();
    let log = Log::new();
    let attempt = |n: u32, seconds: u32| {
        let log = log.clone();
        async move {
            log.push((n, (now() - start).as_secs()));
            after(seconds, Err::<(), u32>(n)).await
        }
    };
    // The first fails at 12, while the second (from 10 on) still runs. The third fails at once, so
    // the fourth starts.
    let attempts = [attempt(1, 12), attempt(2, 30), attempt(3, 0), attempt(4, 5), attempt(5, 0)];
    let errors = staggered_race(attempts, 10 * SECOND).await.unwrap_err();
    assert_eq!(errors, [1, 2, 3, 4, 5]);
    assert_eq!(log.take(), [(1, 0), (2, 10), (3, 20), (4, 20), (5, 25)]);
    assert_eq!(now() - start, 40 * SECOND);
}

#[oneloop::test(virtual_time)]
async fn a_delay_of_zero_starts_all_at_once() {
    let start = now();
    let winner = staggered_race([succeed(3, 3), succeed(2, 2), succeed(1, 1)], Duration::ZERO);
    assert_eq!((winner.await, now() - start), (Ok(1), SECOND));
}

#[oneloop::test(virtual_time)]
async fn staggered_races_run_in_each_other_and_under_foreign_wakers() {
    let inner = |n: u32| staggered_race([fail(n, n), succeed(n, n), succeed(0, 0)], SECOND);
    let raced = race([inner(5).boxed_local(), after(9, Ok(9)).boxed_local()]);
    assert_eq!(raced.await, Ok(0));
    let mut foreign: FuturesUnordered<_> = [inner(5), inner(1)].into_iter().collect();
    assert_eq!(foreign.next().await, Some(Ok(0)), "the third, after two delays");
    assert_eq!(
        foreign.next().await,
        Some(Ok(1)),
        "the second, which began when the first had failed"
    );
}

#[test]
fn outside_of_a_loop_each_says_what_to_do() {
    fn message(future: impl Future) -> String {
        let polled = catch_unwind(AssertUnwindSafe(|| drop(future.now_or_never())));
        polled.unwrap_err().downcast_ref::<String>().unwrap().clone()
    }
    let attempts = || [succeed(1, 1)];
    let all = [
        message(race(attempts())),
        message(first_ok(attempts())),
        message(staggered_race(attempts(), SECOND)),
        message(oneloop::as_completed(attempts()).next()),
    ];
    for message in all {
        assert!(
            message.ends_with("needs a running event loop: call it inside `oneloop::run`"),
            "{message}"
        );
    }
}
