//! `timeout`, `timeout_at` and `wait_for`.

use std::cell::Cell;
use std::future::{pending, ready};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use oneloop::time::now;
use oneloop::{TimeoutError, create_task, current_task, sleep, timeout, timeout_at, wait_for};

use crate::tasks::{Log, on_drop};

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
    let both = timeout(SECOND, timeout(SECOND, pending::<()>())).await;
    assert!(both.unwrap().is_err(), "the inner one is ready, and what is ready wins");
    assert_eq!(now() - start, 3 * SECOND);
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
