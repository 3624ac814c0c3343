//! The order in which tasks run, the effects of wakes, and plain calls.

use std::cell::Cell;
use std::future::{pending, poll_fn, ready};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use futures::FutureExt;
use oneloop::task;
use oneloop::time::now;
use oneloop::{Builder, Task, call_later, call_soon, create_task, gather, sleep, yield_now};

use super::{Gate, Log, counted};

const SECOND: Duration = Duration::from_secs(1);

#[oneloop::test(virtual_time)]
async fn the_caller_goes_first_and_first_steps_come_in_the_order_of_creation() {
    let log = Log::new();
    let step = |n| {
        let log = log.clone();
        create_task(async move { log.push(n) })
    };
    let tasks = [0, 1, 2].map(step);
    assert_eq!(log.take(), []);
    yield_now().await;
    assert_eq!(log.take(), [0, 1, 2]);
    assert!(tasks.iter().all(Task::is_finished));
}

#[oneloop::test(virtual_time)]
async fn tasks_that_yield_take_turns() {
    let log = Log::new();
    let turns = |n| {
        let log = log.clone();
        create_task(async move {
            for _ in 0..3 {
                log.push(n);
                yield_now().await;
            }
        })
    };
    let tasks = [0, 1, 2].map(turns);
    gather(tasks).await;
    assert_eq!(log.take(), [0, 1, 2, 0, 1, 2, 0, 1, 2]);
}

#[oneloop::test(virtual_time)]
async fn a_sleep_of_zero_lets_each_other_task_run_once() {
    let log = Log::new();
    let turns = |n| {
        let log = log.clone();
        create_task(async move {
            for _ in 0..2 {
                log.push(n);
                sleep(Duration::ZERO).await;
            }
        })
    };
    let tasks = [0, 1, 2].map(turns);
    gather(tasks).await;
    assert_eq!(log.take(), [0, 1, 2, 0, 1, 2]);
}

#[oneloop::test(virtual_time)]
async fn a_joiner_resumes_in_the_next_pass_and_not_inline() {
    let log = Log::new();
    let [by_worker, by_joiner, by_bystander] = [log.clone(), log.clone(), log.clone()];
    let worker = create_task(async move {
        yield_now().await;
        by_worker.push("done");
    });
    let joiner = create_task(async move {
        worker.await.unwrap();
        by_joiner.push("joined");
    });
    let bystander = create_task(async move {
        yield_now().await;
        by_bystander.push("bystander");
    });
    joiner.await.unwrap();
    bystander.await.unwrap();
    assert_eq!(log.take(), ["done", "bystander", "joined"]);
}

// Wakes.

#[oneloop::test(virtual_time)]
async fn a_wake_during_the_own_poll_runs_the_task_again_exactly_once() {
    let polls = Rc::new(Cell::new(0));
    let mut is_first = true;
    let task = create_task(counted(
        &polls,
        poll_fn(move |cx| {
            if is_first {
                is_first = false;
                // By reference, by value, and by a clone.
                cx.waker().wake_by_ref();
                let clone = cx.waker().clone();
                clone.wake();
                cx.waker().wake_by_ref();
            }
            Poll::<()>::Pending
        }),
    ));
    sleep(SECOND).await;
    assert_eq!(polls.get(), 2);
    task.cancel();
}

#[oneloop::test(virtual_time)]
async fn many_wakes_make_one_poll() {
    let (gate, polls) = (Gate::default(), Rc::new(Cell::new(0)));
    let task = create_task(counted(&polls, gate.wait()));
    yield_now().await;
    for _ in 0..1000 {
        gate.wake();
    }
    sleep(SECOND).await;
    assert_eq!(polls.get(), 2);
    gate.open();
    task.await.unwrap();
    assert_eq!(polls.get(), 3);
}

#[oneloop::test(virtual_time)]
async fn a_wake_after_the_end_is_harmless_also_to_the_next_tenant() {
    let gate = Gate::default();
    let polls = Rc::new(Cell::new(0));
    let task = create_task(gate.wait());
    yield_now().await;
    gate.open();
    gate.wake();
    task.await.unwrap();
    gate.wake();
    let successor = create_task(counted(&polls, pending::<()>()));
    yield_now().await;
    for _ in 0..3 {
        gate.wake();
        yield_now().await;
    }
    assert_eq!(polls.get(), 1);
    successor.cancel();
    gate.wake();
    assert!(successor.await.unwrap_err().is_cancelled());
}

#[test]
fn a_wake_after_the_loop_is_harmless() {
    let gate = Gate::default();
    let waiting = gate.clone();
    Builder::new().virtual_time(true).run(async move {
        let task = create_task(waiting.wait());
        yield_now().await;
        drop(task);
    });
    gate.wake();
    Builder::new().virtual_time(true).run(async move {
        gate.wake();
        yield_now().await;
        gate.open();
    });
}

// Calls.

#[oneloop::test(virtual_time)]
async fn call_soon_calls_in_order_after_what_is_runnable() {
    let log = Log::new();
    let pusher = |what| {
        let log = log.clone();
        move || log.push(what)
    };
    let task = create_task(ready(pusher("task")).map(|push| push()));
    let calls =
        [call_soon(pusher("first")), call_soon(pusher("never")), call_soon(pusher("second"))];
    assert!(calls[1].cancel());
    assert!(log.take().is_empty());
    yield_now().await;
    assert_eq!(log.take(), ["task", "first", "second"]);
    assert!(calls.iter().all(task::CallHandle::is_finished));
    assert!(!calls[0].cancel());
    task.await.unwrap();
}

#[oneloop::test(virtual_time)]
async fn call_later_calls_by_deadline_and_among_equals_in_order() {
    let log = Log::new();
    let pusher = |what| {
        let log = log.clone();
        move || log.push((what, now()))
    };
    let start = now();
    call_later(3 * SECOND, pusher("late"));
    call_later(SECOND, pusher("early"));
    call_later(SECOND, pusher("early too"));
    call_later(Duration::ZERO, pusher("at once"));
    let never = call_later(2 * SECOND, pusher("never"));
    sleep(SECOND + SECOND / 2).await;
    assert!(never.cancel());
    sleep(3 * SECOND).await;
    let expected = [("at once", 0), ("early", 1), ("early too", 1), ("late", 3)];
    let expected = expected.map(|(what, seconds)| (what, start + seconds * SECOND));
    assert_eq!(log.take(), expected);
}

#[oneloop::test(virtual_time)]
async fn call_later_counts_from_the_call() {
    let log = Log::new();
    let start = now();
    let called = log.clone();
    call_later(2 * SECOND, move || called.push(now() - start));
    sleep(3 * SECOND).await;
    assert_eq!(log.take(), [2 * SECOND]);
}

#[oneloop::test(virtual_time)]
async fn what_a_cancelled_call_holds_is_dropped() {
    let live = Rc::new(());
    let [soon, later] = [live.clone(), live.clone()];
    let calls = [call_soon(move || drop(soon)), call_later(SECOND, move || drop(later))];
    yield_now().await;
    assert_eq!(Rc::strong_count(&live), 2);
    assert_eq!(calls.map(|call| call.cancel()), [false, true]);
    yield_now().await;
    assert_eq!(Rc::strong_count(&live), 1);
}
