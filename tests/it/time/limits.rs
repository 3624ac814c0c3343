//! `timeout`, `timeout_at` and `wait_for`.

use std::cell::Cell;
use std::future::{pending, poll_fn, ready};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use oneloop::time::now;
use oneloop::{
    TimeoutError, call_soon, create_task, current_task, deadline, gather, move_on_after,
    move_on_at, sleep, task, timeout, timeout_at, wait_for, yield_now,
};

use crate::tasks::{Log, counted, on_drop, poll_once, throw};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(60 * 60);

// Time limits.

#[oneloop::test(virtual_time)]
async fn a_ready_future_wins_even_over_no_time_at_all() {
    assert_eq!(timeout(Duration::ZERO, ready(1)).await, Ok(1));
    let past = now();
    sleep(SECOND).await;
    assert_eq!(timeout_at(past, ready(2)).await, Ok(2));
    let start = now();
    assert!(timeout(Duration::ZERO, sleep(SECOND)).await.is_err());
    assert!(timeout_at(start, sleep(SECOND)).await.is_err());
    assert_eq!(now(), start);
    let late = timeout(SECOND, async {
        sleep(SECOND).await;
        "in time"
    });
    assert_eq!(late.await, Ok("in time"), "both are due; the future is asked first");
}

#[oneloop::test(virtual_time)]
async fn the_future_is_dropped_before_the_error_is_seen() {
    let log = Log::new();
    let guarded = || {
        let dropped = log.clone();
        async move {
            let _guard = on_drop(move || dropped.push(current_task().unwrap().name()));
            pending::<()>().await;
        }
    };
    assert!(timeout(SECOND, guarded()).await.is_err());
    assert_eq!(log.take(), ["main"]);

    let mut held = Box::pin(timeout(SECOND, guarded()));
    assert!(held.as_mut().await.is_err());
    assert_eq!(log.take(), ["main"], "also if the `Timeout` lives on");
}

#[oneloop::test(virtual_time)]
async fn of_nested_limits_the_earlier_one_ends_the_wait() {
    let start = now();
    let inner_first = timeout(2 * SECOND, timeout(SECOND, pending::<()>())).await;
    assert!(inner_first.unwrap().is_err());
    assert_eq!(now() - start, SECOND);
    let outer_first = timeout(SECOND, timeout(2 * SECOND, pending::<()>())).await;
    assert!(outer_first.is_err());
    assert_eq!(now() - start, 2 * SECOND);
}

#[oneloop::test(virtual_time)]
async fn of_limits_that_are_due_at_once_the_outermost_ends_the_wait() {
    let start = now();
    let both = timeout(SECOND, timeout(SECOND, pending::<()>())).await;
    assert!(both.is_err());
    assert_eq!(now() - start, SECOND);

    let until = now() + SECOND;
    let rest = Rc::new(Cell::new(false));
    let outermost = timeout_at(until, async {
        let middle = move_on_at(until, async {
            wait_for(pending::<()>(), SECOND).await.unwrap_err();
            rest.set(true);
        });
        middle.await;
        rest.set(true);
    });
    assert!(outermost.await.is_err());
    assert!(!rest.get(), "what comes after an inner one has no time left");
    assert_eq!(now(), until);
}

#[oneloop::test(virtual_time)]
async fn inner_limits_that_are_due_with_an_outer_one_let_it_through_a_gather() {
    let start = now();
    let polls = Rc::new(Cell::new(0));
    let members =
        (0..10).map(|_| counted(&polls, timeout(SECOND, pending::<()>()))).collect::<Vec<_>>();
    assert!(timeout(SECOND, gather(members)).await.is_err());
    assert_eq!(now() - start, SECOND);
    assert_eq!(polls.get(), 20, "once at first, and once when all were due");
}

#[oneloop::test(virtual_time)]
async fn limits_that_are_both_overdue_when_their_task_runs_are_due_at_once() {
    // CPython's `test_nested_timeouts_loop_busy`: the task runs only when both have passed.
    let start = now();
    let mut nested = Box::pin(timeout(2 * SECOND, timeout(SECOND, pending::<()>())));
    assert!(poll_once(&mut nested).await.is_pending());
    sleep(3 * SECOND).await;
    assert!(nested.await.is_err());
    assert_eq!(now() - start, 3 * SECOND);
}

#[oneloop::test(virtual_time)]
async fn an_inner_limit_does_not_wait_for_an_outer_one_that_is_still_to_come() {
    let polls = Rc::new(Cell::new(0));
    let inner = timeout(SECOND, counted(&polls, pending::<()>()));
    assert!(timeout(2 * SECOND, inner).await.unwrap().is_err());
    assert_eq!(polls.get(), 2);
    // A limit around the task that awaits it does not apply to the task itself.
    let task = create_task(timeout(SECOND, pending::<()>()));
    yield_now().await;
    assert!(timeout(SECOND, task).await.unwrap().unwrap().is_err());
}

#[oneloop::test(virtual_time)]
async fn what_is_ready_wins_over_limits_that_are_due_at_once() {
    let result = timeout(SECOND, timeout(SECOND, sleep(SECOND))).await;
    assert_eq!(result, Ok(Ok(())));
}

// Moving on.

#[oneloop::test(virtual_time)]
async fn moving_on_drops_what_is_too_late_and_is_no_error() {
    let start = now();
    assert_eq!(move_on_after(SECOND, ready(1)).await, Some(1));
    assert_eq!(move_on_after(Duration::ZERO, ready(2)).await, Some(2));
    let log = Log::new();
    let dropped = log.clone();
    let late = move_on_after(SECOND, async {
        let _guard = on_drop(move || dropped.push("dropped"));
        pending::<()>().await;
    });
    assert_eq!(late.await, None);
    assert_eq!(log.take(), ["dropped"]);
    assert_eq!(move_on_at(start + 2 * SECOND, pending::<()>()).await, None);
    assert_eq!(now() - start, 2 * SECOND);
}

// The deadline of the code that runs.

#[oneloop::test(virtual_time)]
async fn the_deadline_is_the_earliest_of_all_limits_around() {
    let start = now();
    assert_eq!(deadline(), None);
    let innermost = timeout_at(start + 5 * SECOND, async {
        assert_eq!(deadline(), Some(start + 2 * SECOND));
        sleep(SECOND).await;
        assert_eq!(deadline(), Some(start + 2 * SECOND));
    });
    let inner = move_on_after(2 * SECOND, async {
        assert_eq!(deadline(), Some(start + 2 * SECOND));
        innermost.await.unwrap();
        assert_eq!(deadline(), Some(start + 2 * SECOND));
    });
    let outer = wait_for(
        async {
            assert_eq!(deadline(), Some(start + 3 * SECOND));
            inner.await.unwrap();
            assert_eq!(deadline(), Some(start + 3 * SECOND));
            move_on_at(start + HOUR, async {
                assert_eq!(deadline(), Some(start + 3 * SECOND));
            })
            .await;
        },
        3 * SECOND,
    );
    outer.await.unwrap();
    assert_eq!(deadline(), None);
}

#[oneloop::test(virtual_time)]
async fn no_limit_is_no_deadline_and_no_time_is_a_deadline_that_has_come() {
    timeout(Duration::MAX, async {
        assert_eq!(deadline(), None);
        yield_now().await;
        assert_eq!(deadline(), None);
    })
    .await
    .unwrap();
    let start = now();
    sleep(SECOND).await;
    timeout(Duration::ZERO, async { assert_eq!(deadline(), Some(now())) }).await.unwrap();
    let (first, second) = (Cell::new(None), Cell::new(None));
    let expired = timeout_at(start, async {
        first.set(deadline());
        yield_now().await;
        second.set(deadline());
    });
    assert!(expired.await.is_err());
    assert_eq!([first.get(), second.get()], [Some(start), None], "it is polled once");
}

#[oneloop::test(virtual_time)]
async fn without_time_a_future_is_polled_once() {
    let polls = Rc::new(Cell::new(0));
    assert!(timeout(Duration::ZERO, counted(&polls, yield_now())).await.is_err());
    let past = now();
    sleep(SECOND).await;
    assert!(timeout_at(past, counted(&polls, yield_now())).await.is_err());
    assert_eq!(polls.get(), 2);
}

#[test]
fn a_limit_counts_from_the_start_of_the_first_poll() {
    oneloop::run(async {
        let ms = Duration::from_millis;
        let block = || thread::sleep(ms(40));
        let late = timeout(ms(10), async {
            block();
            sleep(ms(1)).await;
        });
        assert!(late.await.is_err());
        let ready = timeout(ms(10), async {
            block();
            yield_now().await;
        });
        assert!(ready.await.is_ok(), "what need not wait is ready when it is asked again");
    });
}

#[test]
fn the_deadline_is_fixed_in_the_first_poll() {
    oneloop::run(async {
        let start = now();
        let hour = timeout(HOUR, async {
            let first = deadline().unwrap();
            thread::sleep(Duration::from_millis(15));
            let inner = timeout(2 * HOUR, async { deadline().unwrap() }).await.unwrap();
            let second = deadline().unwrap();
            yield_now().await;
            [first, inner, second, deadline().unwrap()]
        });
        let seen = hour.await.unwrap();
        assert_eq!(seen, [seen[0]; 4]);
        assert!(seen[0] >= start + HOUR);
    });
}

#[oneloop::test(virtual_time)]
async fn members_of_a_gather_have_the_deadline_and_other_tasks_have_not() {
    let until = now() + SECOND;
    timeout_at(until, async {
        let members = (async { deadline() }, async {
            yield_now().await;
            deadline()
        });
        assert_eq!(gather!(members.0, members.1).await, (Some(until), Some(until)));
        let seen = Rc::new(Cell::new(Some(until)));
        let in_eager = seen.clone();
        let eager = async move { in_eager.set(deadline()) };
        task::Builder::new().eager(true).create_task(eager).await.unwrap();
        assert_eq!(seen.get(), None);
        assert_eq!(deadline(), Some(until), "it is back after the eager task");
        assert_eq!(create_task(async { deadline() }).await.unwrap(), None);
        seen.set(Some(until));
        let in_call = seen.clone();
        call_soon(move || in_call.set(deadline()));
        yield_now().await;
        assert_eq!(seen.get(), None);
    })
    .await
    .unwrap();
}

#[oneloop::test(virtual_time)]
async fn a_panic_inside_a_limit_puts_the_outer_deadline_back() {
    let until = now() + HOUR;
    timeout_at(until, async {
        for limit in [SECOND, Duration::ZERO] {
            let mut panics = Box::pin(timeout(limit, async { throw("inside") }));
            let poll = poll_fn(|cx| {
                let poll = AssertUnwindSafe(|| panics.as_mut().poll(cx).is_ready());
                Poll::Ready(catch_unwind(poll).is_err())
            });
            assert!(poll.await);
            assert_eq!(deadline(), Some(until));
        }
    })
    .await
    .unwrap();
    assert_eq!(deadline(), None);
}

#[test]
fn a_deadline_can_be_asked_for_where_no_loop_runs() {
    assert_eq!(deadline(), None);
    let mut limited = pin!(timeout(SECOND, async { deadline() }));
    let poll = limited.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(poll, Poll::Ready(Ok(Some(until))) if until > now()));
    assert_eq!(deadline(), None);
}

#[oneloop::test(virtual_time)]
async fn a_body_that_stays_busy_past_both_limits_stops_at_the_outer_one() {
    let start = now();
    let result = timeout_at(start + 2 * SECOND, async {
        let _inner = timeout_at(start + SECOND, pending::<()>()).await;
        sleep(HOUR).await;
    });
    assert!(result.await.is_err());
    assert_eq!(now() - start, 2 * SECOND);
}

#[oneloop::test(virtual_time)]
async fn wait_for_on_a_task_detaches_it_when_the_time_is_up() {
    let done = Rc::new(Cell::new(false));
    let flag = done.clone();
    let task = create_task(async move {
        sleep(2 * SECOND).await;
        flag.set(true);
        "output"
    });
    assert!(wait_for(task, SECOND).await.is_err());
    assert!(!done.get());
    sleep(2 * SECOND).await;
    assert!(done.get());
    assert_eq!(wait_for(create_task(ready("output")), SECOND).await.unwrap().unwrap(), "output");
}

#[oneloop::test(virtual_time)]
async fn a_timeout_error_becomes_an_io_error() {
    async fn limited() -> io::Result<()> {
        timeout(SECOND, pending::<()>()).await?;
        Ok(())
    }
    let error = limited().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(error.to_string(), "the time limit has passed");
    assert!(error.get_ref().unwrap().is::<TimeoutError>());
}
