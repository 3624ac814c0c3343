//! Guards: every way to drop one, the code that waits for the cleanup, and the order of cleanups.

use std::cell::Cell;
use std::future::{pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use oneloop::{
    Cleanup, TaskRef, create_task, current_task, sleep, task, time, timeout, with_cleanup,
    yield_now,
};

use super::Log;

const SECOND: Duration = Duration::from_secs(1);

/// A guard whose cleanup takes a second.
fn slow(log: &Log, name: &'static str) -> Cleanup<Log> {
    with_cleanup(log.clone(), async move |log| {
        log.add(format!("{name} begins"));
        sleep(SECOND).await;
        log.add(format!("{name} ends"));
    })
}

#[oneloop::test(virtual_time)]
async fn a_task_ends_after_its_cleanups() {
    let (log, start) = (Log::default(), time::now());
    let inner = log.clone();
    let task = create_task(async move {
        let _guard = slow(&inner, "a");
        "output"
    });
    yield_now().await;
    assert!(!task.is_finished(), "its future is ready, but a cleanup is left");
    assert_eq!(task.await.unwrap(), "output");
    assert_eq!(log.take(), ["a begins", "a ends"]);
    assert_eq!(time::now() - start, SECOND);
}

#[oneloop::test(virtual_time)]
async fn cleanups_run_one_after_another_in_the_order_of_the_drops() {
    let log = Log::default();
    let inner = log.clone();
    let task = create_task(async move {
        let first = slow(&inner, "first");
        let second = slow(&inner, "second");
        drop(second);
        drop(first);
        drop(slow(&inner, "third"));
    });
    task.await.unwrap();
    assert_eq!(
        log.take(),
        [
            "second begins",
            "second ends",
            "first begins",
            "first ends",
            "third begins",
            "third ends"
        ]
    );
}

#[oneloop::test(virtual_time)]
async fn a_cancelled_task_cleans_before_its_handle_is_ready() {
    let log = Log::default();
    let inner = log.clone();
    let task = create_task(async move {
        let _guard = slow(&inner, "a");
        pending::<()>().await;
    });
    yield_now().await;
    assert!(task.cancel());
    yield_now().await;
    assert!(!task.is_finished());
    assert!(task.cancel(), "it has not ended");
    assert!(task.await.unwrap_err().is_cancelled());
    assert_eq!(log.take(), ["a begins", "a ends"], "the second cancel did not reach the cleanup");
}

#[oneloop::test(virtual_time)]
async fn a_cleanup_runs_after_a_panic_and_the_panic_is_what_counts() {
    let log = Log::default();
    let inner = log.clone();
    let task = create_task(async move {
        let _guard = slow(&inner, "a");
        panic!("boom");
    });
    let error = task.await.unwrap_err();
    assert!(error.is_panic() && error.to_string().contains("boom"), "{error}");
    assert_eq!(log.take(), ["a begins", "a ends"]);
}

#[oneloop::test(virtual_time)]
async fn a_cleanup_runs_after_a_question_mark() {
    async fn fail(log: Log) -> Result<(), String> {
        let _guard = slow(&log, "a");
        ready(Err("no".to_owned())).await?;
        Ok(())
    }
    let log = Log::default();
    assert_eq!(create_task(fail(log.clone())).await.unwrap().unwrap_err(), "no");
    assert_eq!(log.take(), ["a begins", "a ends"]);
}

#[oneloop::test(virtual_time)]
async fn a_timeout_waits_for_the_cleanups_of_what_it_dropped() {
    let (log, start) = (Log::default(), time::now());
    let guarded = async {
        let _guard = slow(&log, "a");
        pending::<()>().await;
    };
    assert!(timeout(SECOND, guarded).await.is_err());
    assert_eq!(log.take(), ["a begins", "a ends"]);
    assert_eq!(time::now() - start, 2 * SECOND, "as with asyncio, it takes longer than its limit");
}

#[oneloop::test(virtual_time)]
async fn a_timeout_does_not_wait_for_the_cleanups_of_others() {
    let log = Log::default();
    drop(slow(&log, "mine, but earlier"));
    let start = time::now();
    let late = timeout(Duration::from_millis(1), pending::<()>()).await;
    assert!(late.is_err());
    assert_eq!(time::now() - start, Duration::from_millis(1));
}

#[oneloop::test(virtual_time)]
async fn a_timeout_waits_for_the_cleanups_for_which_what_it_dropped_has_waited() {
    let (log, start) = (Log::default(), time::now());
    let guarded = async {
        let _guard = slow(&log, "a");
        pending::<()>().await;
    };
    let inner = timeout(SECOND, guarded);
    assert!(timeout(SECOND + SECOND / 2, inner).await.is_err());
    assert_eq!(log.take(), ["a begins", "a ends"]);
    assert_eq!(time::now() - start, 2 * SECOND);
}

#[oneloop::test(virtual_time)]
async fn a_timeout_inside_a_cleanup_waits_for_the_cleanups_that_it_dropped() {
    let log = Log::default();
    let inner = log.clone();
    let task = create_task(async move {
        drop(with_cleanup(inner.clone(), async |log| {
            let guarded = async {
                let _guard = slow(&log, "nested");
                pending::<()>().await;
            };
            assert!(timeout(SECOND, guarded).await.is_err());
            log.add("outer ends");
        }));
        drop(slow(&inner, "next"));
    });
    task.await.unwrap();
    assert_eq!(
        log.take(),
        ["nested begins", "nested ends", "outer ends", "next begins", "next ends"]
    );
}

#[oneloop::test(virtual_time)]
async fn what_a_cleanup_leaves_comes_before_the_next_cleanup() {
    let log = Log::default();
    let inner = log.clone();
    let task = create_task(async move {
        drop(with_cleanup(inner.clone(), async |log| drop(slow(&log, "nested"))));
        drop(slow(&inner, "next"));
    });
    task.await.unwrap();
    assert_eq!(log.take(), ["nested begins", "nested ends", "next begins", "next ends"]);
}

#[oneloop::test(virtual_time)]
async fn a_cleanup_runs_beside_its_task_and_as_that_task() {
    let log = Log::default();
    let inner = log.clone();
    let task = create_task(async move {
        drop(with_cleanup(inner.clone(), async |log| {
            sleep(SECOND).await;
            log.add(format!("cleanup of {}", current_task().unwrap().name()));
        }));
        sleep(SECOND / 2).await;
        inner.add("body");
        sleep(SECOND).await;
    })
    .named("worker");
    let listed = || oneloop::all_tasks().iter().map(TaskRef::name).collect::<Vec<_>>();
    yield_now().await;
    yield_now().await;
    assert_eq!(listed(), ["main", "worker"], "a cleanup is no task of the user's");
    task.await.unwrap();
    assert_eq!(log.take(), ["body", "cleanup of worker"]);
}

#[test]
fn run_waits_for_the_cleanups_of_main() {
    let log = Log::default();
    let builder = oneloop::Builder::new().virtual_time(true);
    builder.run(async {
        let _guard = slow(&log, "main's");
    });
    assert_eq!(log.take(), ["main's begins", "main's ends"]);
}

#[test]
fn run_waits_for_the_cleanups_of_main_that_panicked() {
    let log = Log::default();
    let builder = oneloop::Builder::new().virtual_time(true);
    let main = async {
        let _guard = slow(&log, "main's");
        panic!("boom");
    };
    let payload = catch_unwind(AssertUnwindSafe(|| builder.run(main))).unwrap_err();
    assert_eq!(*payload.downcast_ref::<&str>().unwrap(), "boom");
    assert_eq!(log.take(), ["main's begins", "main's ends"]);
}

#[test]
fn run_cancels_the_other_tasks_and_waits_for_their_cleanups_together() {
    let log = Log::default();
    let end = oneloop::Builder::new().virtual_time(true).run(async {
        for name in ["a", "b"] {
            let log = log.clone();
            create_task(async move {
                let _guard = slow(&log, name);
                pending::<()>().await;
            })
            .detach();
        }
        yield_now().await;
        time::now()
    });
    let _ = end;
    assert_eq!(log.take(), ["a begins", "b begins", "a ends", "b ends"]);
}

#[test]
fn a_runtime_waits_for_the_cleanups_of_main_at_the_end_of_each_run() {
    let log = Log::default();
    let mut runtime = oneloop::Builder::new().virtual_time(true).build().unwrap();
    runtime.run(async { drop(slow(&log, "first")) });
    assert_eq!(log.take(), ["first begins", "first ends"]);
    let inner = log.clone();
    let task = runtime.create_task(async move {
        let _guard = slow(&inner, "task's");
        pending::<()>().await;
    });
    runtime.run(yield_now());
    assert_eq!(log.take(), [""; 0], "other tasks go on in the next run");
    runtime.shutdown();
    assert_eq!(log.take(), ["task's begins", "task's ends"]);
    drop(task);
}

#[test]
fn a_runtime_that_is_dropped_by_a_panic_does_not_wait() {
    let (log, unhandled) = (Log::default(), Log::default());
    let seen = unhandled.clone();
    let builder = oneloop::Builder::new().virtual_time(true);
    let mut runtime = builder.on_unhandled(move |u| seen.add(u.to_string())).build().unwrap();
    let inner = log.clone();
    runtime
        .create_task(async move {
            let _guard = slow(&inner, "task's");
            pending::<()>().await;
        })
        .detach();
    runtime.run(yield_now());
    let panicked = catch_unwind(AssertUnwindSafe(move || {
        let _runtime = runtime;
        panic!("boom");
    }));
    assert!(panicked.is_err());
    assert_eq!(log.take(), ["task's begins"]);
    let reported = unhandled.take();
    assert!(reported.len() == 1 && reported[0].contains("was cut off"), "{reported:?}");
}

#[oneloop::test(virtual_time)]
async fn finish_runs_the_cleanup_in_line() {
    let log = Log::default();
    slow(&log, "a").finish().await;
    assert_eq!(log.take(), ["a begins", "a ends"]);
}

#[oneloop::test(virtual_time)]
async fn finish_gives_the_output_of_the_cleanup() {
    async fn commit(is_good: bool) -> Result<u32, String> {
        let transaction = with_cleanup(is_good, async |is_good| {
            yield_now().await;
            if is_good { Ok(42) } else { Err("no commit") }
        });
        Ok(transaction.finish().await?)
    }
    assert_eq!(commit(true).await, Ok(42));
    assert_eq!(commit(false).await, Err("no commit".to_owned()));
    let guard: Cleanup<&str> = with_cleanup("value", async |_| ());
    let () = guard.finish().await;
}

#[test]
#[should_panic(expected = "cannot run here, because its loop does not")]
fn a_finish_after_the_loop_panics() {
    let guard = oneloop::run(async { with_cleanup("value", async |_| ()) });
    oneloop::run(guard.finish());
}

#[oneloop::test(virtual_time)]
async fn a_finish_that_is_dropped_half_way_goes_on_as_a_cleanup() {
    let log = Log::default();
    let late = timeout(SECOND / 2, slow(&log, "a").finish()).await;
    assert!(late.is_err());
    assert_eq!(log.take(), ["a begins", "a ends"]);
}

#[oneloop::test(virtual_time)]
async fn a_disarmed_guard_gives_its_value_back_and_cleans_nothing() {
    let log = Log::default();
    let task = create_task({
        let log = log.clone();
        async move { slow(&log, "a").disarm().add("mine") }
    });
    task.await.unwrap();
    assert_eq!(log.take(), ["mine"]);
}

#[oneloop::test(virtual_time)]
async fn a_guard_derefs_to_its_value() {
    let mut guard = with_cleanup(vec![1], async |_| ());
    guard.push(2);
    assert_eq!(*guard, [1, 2]);
    assert_eq!(format!("{guard:?}"), "Cleanup([1, 2])");
}

#[oneloop::test(virtual_time)]
async fn a_guard_that_leaves_its_task_belongs_to_who_drops_it() {
    let log = Log::default();
    let inner = log.clone();
    let maker = create_task(async move { slow(&inner, "a") });
    let guard = maker.await.unwrap();
    let task = create_task(async move { drop(guard) });
    yield_now().await;
    assert!(!task.is_finished());
    task.await.unwrap();
    assert_eq!(log.take(), ["a begins", "a ends"]);
}

#[oneloop::test(virtual_time)]
async fn an_output_that_nobody_takes_leaves_its_cleanup_to_main() {
    let log = Log::default();
    let inner = log.clone();
    drop(create_task(async move { slow(&inner, "a") }));
    sleep(2 * SECOND).await;
    assert_eq!(log.take(), ["a begins", "a ends"]);
}

#[oneloop::test(virtual_time)]
async fn cleanups_of_members_of_a_gather_belong_to_the_task_and_run_side_by_side() {
    let log = Log::default();
    let inner = log.clone();
    let task = create_task(async move {
        let member = async |name| {
            let _guard = slow(&inner, name);
        };
        oneloop::gather!(member("a"), member("b")).await;
        inner.add("gathered");
    });
    task.await.unwrap();
    assert_eq!(log.take(), ["gathered", "a begins", "b begins", "a ends", "b ends"]);
}

#[oneloop::test(virtual_time)]
async fn ten_thousand_cleanups_each_run_once() {
    let count = Rc::new(Cell::new(0));
    let inner = count.clone();
    let task = create_task(async move {
        for _ in 0..10_000 {
            drop(with_cleanup(inner.clone(), async |count| count.set(count.get() + 1)));
        }
    });
    task.await.unwrap();
    assert_eq!(count.get(), 10_000);
}

#[oneloop::test(virtual_time)]
async fn an_eager_task_cleans_too() {
    let log = Log::default();
    let inner = log.clone();
    let task = task::Builder::new().eager(true).create_task(async move {
        let _guard = slow(&inner, "a");
    });
    assert!(!task.is_finished());
    assert_eq!(current_task().unwrap().name(), "main");
    task.await.unwrap();
    assert_eq!(log.take(), ["a begins", "a ends"]);
}

#[oneloop::test(virtual_time)]
async fn a_foreign_waker_can_wait_for_a_task_that_cleans() {
    use futures::StreamExt as _;
    use futures::stream::FuturesUnordered;
    let log = Log::default();
    let mut both: FuturesUnordered<_> = ["a", "b"]
        .into_iter()
        .map(|name| {
            let log = log.clone();
            timeout(SECOND, async move {
                let _guard = slow(&log, name);
                pending::<()>().await;
            })
        })
        .collect();
    while let Some(result) = both.next().await {
        assert!(result.is_err());
    }
    assert_eq!(log.take(), ["a begins", "a ends", "b begins", "b ends"]);
}
