//! The limits of cleanups, in time and at the ends of the loop and its thread, and their reports.

use std::future::{Future, pending, poll_fn};
use std::rc::Rc;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use oneloop::{Builder, create_task, sleep, time, with_cleanup, yield_now};

use super::Log;

const SECOND: Duration = Duration::from_secs(1);

/// A loop with virtual time that logs unhandled errors and panics.
fn builder() -> (Builder, Log) {
    let unhandled = Log::default();
    let seen = unhandled.clone();
    let builder = Builder::new().virtual_time(true).on_unhandled(move |u| {
        assert!(u.is_cleanup());
        seen.add(u.to_string());
    });
    (builder, unhandled)
}

/// Whether the report says that a cleanup was cut off, or was left too late.
fn is_in_time_no_more(line: &str) -> bool {
    line.contains("took longer than allowed")
        || line.contains("that its task had left before were cut off")
        || line.contains("because the loop had ended")
}

#[test]
fn a_cleanup_that_takes_too_long_is_cut_off_and_the_next_has_its_turn() {
    let (builder, unhandled) = builder();
    let log = Log::default();
    let took = builder.run(async {
        let start = time::now();
        let inner = log.clone();
        let task = create_task(async move {
            drop(with_cleanup((), async |()| pending::<()>().await));
            drop(with_cleanup(inner, async |log| log.add("next")));
        })
        .named("stuck");
        task.await.unwrap();
        time::now() - start
    });
    assert_eq!(took, 5 * SECOND);
    assert_eq!(log.take(), ["next"]);
    let reported = unhandled.take();
    assert_eq!(reported.len(), 1);
    assert!(
        reported[0]
            .starts_with("a cleanup of task `stuck`, created at tests/it/cleanups/limits.rs:")
            && reported[0]
                .contains("was cut off: the cleanup made at tests/it/cleanups/limits.rs:"),
        "{reported:?}"
    );
}

#[test]
fn the_limit_is_an_option_of_the_loop() {
    let (builder, unhandled) = builder();
    let took = builder.cleanup_timeout(SECOND / 2).run(async {
        let start = time::now();
        let task = create_task(async { drop(with_cleanup((), async |()| sleep(SECOND).await)) });
        task.await.unwrap();
        time::now() - start
    });
    assert_eq!(took, SECOND / 2);
    assert_eq!(unhandled.take().len(), 1);
}

#[test]
fn without_time_a_cleanup_that_has_to_wait_is_dropped_at_once() {
    let (builder, unhandled) = builder();
    let log = Log::default();
    builder.cleanup_timeout(Duration::ZERO).run(async {
        let inner = log.clone();
        let task = create_task(async move {
            drop(with_cleanup(inner.clone(), async |log| log.add("need not wait")));
            drop(with_cleanup(inner, async |log| {
                yield_now().await;
                log.add("never");
            }));
        });
        task.await.unwrap();
    });
    assert_eq!(log.take(), ["need not wait"]);
    assert_eq!(unhandled.take().len(), 1);
}

#[test]
fn all_cleanups_at_the_end_of_a_run_share_one_limit() {
    let (builder, unhandled) = builder();
    let log = Log::default();
    let inner = log.clone();
    builder.run(async move {
        create_task(async move {
            for name in ["first", "second", "third"] {
                drop(with_cleanup(inner.clone(), async move |log| {
                    sleep(3 * SECOND).await;
                    log.add(name);
                }));
            }
        })
        .detach();
        yield_now().await;
    });
    assert_eq!(log.take(), ["first"]);
    assert_eq!(unhandled.take().len(), 2, "both that are left are reported");
}

#[test]
fn an_error_of_a_cleanup_is_reported_and_the_result_stays() {
    let (builder, unhandled) = builder();
    builder.run(async {
        let task = create_task(async {
            drop(with_cleanup((), async |()| Err::<(), _>("cannot say good-bye")));
            42
        });
        assert_eq!(task.named("polite").await.unwrap(), 42);
    });
    let reported = unhandled.take();
    assert_eq!(reported.len(), 1);
    assert!(
        reported[0].starts_with("a cleanup of task `polite`")
            && reported[0].ends_with("failed: cannot say good-bye"),
        "{reported:?}"
    );
}

#[test]
fn a_panic_of_a_cleanup_is_reported_and_the_result_stays() {
    let (builder, unhandled) = builder();
    let log = Log::default();
    builder.run(async {
        let inner = log.clone();
        let task = create_task(async move {
            drop(with_cleanup((), async |()| panic!("while cleaning")));
            drop(with_cleanup(inner, async |log| log.add("next")));
            42
        });
        assert_eq!(task.await.unwrap(), 42);
    });
    assert_eq!(log.take(), ["next"]);
    let reported = unhandled.take();
    assert!(
        reported.len() == 1 && reported[0].ends_with("panicked: while cleaning"),
        "{reported:?}"
    );
}

#[test]
fn a_value_whose_drop_panics_in_a_cleanup_that_is_cut_off_is_reported() {
    struct Hostile;
    impl Drop for Hostile {
        fn drop(&mut self) {
            panic!("in drop");
        }
    }
    let (builder, unhandled) = builder();
    builder.run(async {
        let task = create_task(async {
            drop(with_cleanup(Hostile, async |_hostile| pending::<()>().await));
        });
        task.await.unwrap();
    });
    let reported = unhandled.take();
    assert_eq!(reported.len(), 2, "{reported:?}");
    assert!(reported[0].contains("cut off") && reported[1].ends_with("panicked: in drop"));
}

#[test]
fn a_guard_that_is_dropped_after_its_loop_drops_its_value_and_says_so() {
    let log = Log::default();
    let guard = oneloop::run(async { with_cleanup(log.clone(), async |_| unreachable!()) });
    guard.add("still a value");
    drop(guard);
    assert_eq!(log.take(), ["still a value"]);
    assert_eq!(Rc::strong_count(&log.0), 1, "the value was dropped");
}

#[test]
fn a_guard_that_is_dropped_on_another_thread_is_reported_by_the_loop_there() {
    let (there, unhandled) = builder();
    let guard = oneloop::run(async {
        let guard = with_cleanup("value", async |_| unreachable!());
        thread::scope(|scope| {
            scope.spawn(|| drop(guard));
        });
        with_cleanup("value", async |_| unreachable!())
    });
    there.run(async { drop(guard) });
    let reported = unhandled.take();
    assert!(
        reported.len() == 1 && reported[0].starts_with("a cleanup was skipped:"),
        "{reported:?}"
    );
}

#[oneloop::test(virtual_time)]
async fn cancel_and_wait_waits_for_the_cleanups_within_its_grace() {
    let (log, start) = (Log::default(), time::now());
    let inner = log.clone();
    let task = create_task(async move {
        let _guard = with_cleanup(inner, async |log| {
            sleep(SECOND).await;
            log.add("clean");
        });
        pending::<()>().await;
    });
    yield_now().await;
    assert!(task.cancel_and_wait(2 * SECOND).await.unwrap_err().is_cancelled());
    assert_eq!(log.take(), ["clean"]);
    assert_eq!(time::now() - start, SECOND);
}

#[test]
fn cancel_and_wait_drops_the_cleanups_after_its_grace() {
    for grace in [Duration::ZERO, SECOND / 2] {
        let (builder, unhandled) = builder();
        let took = builder.run(async {
            let task = create_task(async {
                let _first = with_cleanup((), async |()| sleep(SECOND).await);
                let _second = with_cleanup((), async |()| {
                    drop(with_cleanup((), async |()| sleep(SECOND).await));
                    pending::<()>().await;
                });
                pending::<()>().await;
            });
            yield_now().await;
            let start = time::now();
            let error = task.cancel_and_wait(grace).await.unwrap_err();
            assert!(error.is_cancelled());
            time::now() - start
        });
        assert_eq!(took, grace);
        let reported = unhandled.take();
        assert!(reported.len() >= 2, "{grace:?}: {reported:?}");
        assert!(reported.iter().all(|line| is_in_time_no_more(line)), "{reported:?}");
    }
}

#[oneloop::test(virtual_time)]
async fn cancel_and_wait_does_not_lose_an_output() {
    let task = create_task(async { 42 });
    yield_now().await;
    assert_eq!(task.cancel_and_wait(SECOND).await.unwrap(), 42);
}

#[test]
fn a_cleanup_that_leaves_another_for_ever_ends_with_the_loop() {
    fn again() {
        drop(with_cleanup((), async |()| {
            yield_now().await;
            again();
        }));
    }
    let (builder, unhandled) = builder();
    // In real time, so the limit has to be zero.
    builder.virtual_time(false).cleanup_timeout(Duration::ZERO).run(async {
        create_task(async { again() }).detach();
        yield_now().await;
    });
    let reported = unhandled.take();
    assert!(reported.iter().all(|line| is_in_time_no_more(line)), "{reported:?}");
}

#[test]
fn a_cleanup_that_comes_after_the_end_of_the_loop_is_told_so() {
    let (builder, unhandled) = builder();
    let mut runtime = builder.build().unwrap();
    // The loop drops its output at the very end.
    let task = runtime.create_task(async {
        let guard = with_cleanup((), async |()| pending::<()>().await);
        let mut begun = Box::pin(guard.finish());
        poll_fn(|cx| Poll::Ready(begun.as_mut().poll(cx).is_pending())).await.then_some(begun)
    });
    runtime.run(yield_now());
    runtime.shutdown();
    drop(task);
    let reported = unhandled.take();
    let [line] = &reported[..] else { panic!("{reported:?}") };
    assert!(
        line.contains("was skipped: the cleanup made at tests/it/cleanups/limits.rs:"),
        "{line}"
    );
    assert!(line.contains("did not run, because the loop had ended"), "{line}");
}
