//! The claims of asyncio's own tests of `TaskGroup`, as far as they apply here.
//!
//! They do not apply if they depend on catching a cancellation and continuing, on a second `cancel`
//! that reaches clean-up, on entering a group twice, or on the life of exception objects.

use std::cell::Cell;
use std::future::{pending, ready};
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::Duration;

use futures::FutureExt as _;
use oneloop::{create_task, sleep, task_group, time, timeout, with_cleanup, yield_now};

use crate::cleanups::Log;

const SECOND: Duration = Duration::from_secs(1);
const TENTH: Duration = Duration::from_millis(100);

/// Fails after a tenth of a second.
async fn crash_soon() -> Result<(), &'static str> {
    sleep(TENTH).await;
    Err("crashed")
}

fn text<E: Copy>(error: oneloop::GroupError<E>) -> Vec<E> {
    error.into_errors().into_iter().map(|error| *error.error()).collect()
}

#[oneloop::test(virtual_time)]
async fn children_give_their_results_when_the_group_has_ended() {
    // test_taskgroup_01
    let (mut one, mut two) = (None, None);
    task_group(async |group| {
        let first = group.create_task(async {
            sleep(TENTH).await;
            Ok(42)
        });
        let second = group.create_task(async {
            sleep(2 * TENTH).await;
            Ok(11)
        });
        (one, two) = (Some(first), Some(second));
    })
    .await;
    let (one, two) = (one.unwrap(), two.unwrap());
    assert!(one.is_finished() && two.is_finished());
    assert_eq!((one.await.unwrap(), two.await.unwrap()), (42, 11));
}

#[oneloop::test(virtual_time)]
async fn the_body_may_await_a_child_before_its_own_end() {
    // test_taskgroup_02
    let value = task_group(async |group| -> Result<i32, &str> {
        let first = group.create_task(async {
            sleep(TENTH).await;
            Ok(42)
        });
        sleep(TENTH / 2).await;
        let value = first.await.unwrap();
        let second = group.create_task(async {
            sleep(2 * TENTH).await;
            Ok(11)
        });
        Ok(value + second.await.unwrap())
    })
    .await;
    assert_eq!(value.unwrap(), 53);
}

#[oneloop::test(virtual_time)]
async fn a_cancelled_child_does_not_disturb_its_siblings() {
    // test_taskgroup_03
    let value = task_group(async |group| -> Result<i32, &str> {
        let first = group.create_task(sleep(10 * SECOND));
        let second = group.create_task(async {
            sleep(2 * TENTH).await;
            Ok(11)
        });
        sleep(TENTH).await;
        assert!(first.cancel());
        assert!(first.await.unwrap_err().is_cancelled());
        Ok(second.await.unwrap())
    })
    .await;
    assert_eq!(value.unwrap(), 11);
}

#[oneloop::test(virtual_time)]
async fn an_error_cancels_a_body_that_waits_and_a_sibling() {
    // test_taskgroup_04, test_cancel_children_on_child_error
    let (log, start) = (Log::default(), time::now());
    let result = task_group(async |group| -> Result<(), &str> {
        let _body = with_cleanup(log.clone(), async |log| log.add("body"));
        group.create_task(crash_soon());
        group.create_task(async {
            let _guard = with_cleanup(log.clone(), async |log| log.add("sibling"));
            sleep(10 * SECOND).await;
            log.add("never");
        });
        sleep(10 * SECOND).await;
        log.add("never");
        Ok(())
    })
    .await;
    assert_eq!(text(result.unwrap_err()), ["crashed"]);
    assert_eq!(time::now() - start, TENTH);
    assert_eq!(log.take(), ["body", "sibling"]);
}

#[oneloop::test(virtual_time, unhandled = "log")]
async fn an_error_of_clean_up_does_not_hide_the_first() {
    // test_taskgroup_05: asyncio puts both errors into the group. Here the error of a cleanup is
    // reported instead.
    let result = task_group(async |group| -> Result<(), &str> {
        group.create_task(crash_soon());
        group.create_task(async {
            let _guard = with_cleanup((), async |()| {
                sleep(TENTH).await;
                Err::<(), _>("while cleaning")
            });
            sleep(10 * SECOND).await;
        });
        pending().await
    })
    .await;
    assert_eq!(text(result.unwrap_err()), ["crashed"]);
}

#[oneloop::test(virtual_time)]
async fn a_cancelled_parent_takes_its_group_and_children_along() {
    // test_taskgroup_06, test_cancellation_in_body
    let finished = Rc::new(Cell::new(0));
    let count = finished.clone();
    let parent = create_task(async move {
        let guarded = async || {
            let _guard = with_cleanup(count.clone(), async |count| {
                sleep(TENTH).await;
                count.set(count.get() + 1);
            });
            sleep(10 * SECOND).await;
        };
        task_group(async |group| {
            for _ in 0..5 {
                group.create_task(guarded());
            }
            guarded().await;
        })
        .await;
    });
    sleep(TENTH).await;
    assert!(!parent.is_finished());
    parent.cancel();
    assert!(parent.await.unwrap_err().is_cancelled());
    assert_eq!(finished.get(), 6);
}

#[oneloop::test(virtual_time)]
async fn a_parent_that_waits_for_the_end_of_its_group_can_be_cancelled() {
    // test_taskgroup_07
    let parent = create_task(task_group(async |group| {
        group.create_task(sleep(10 * SECOND));
        group.create_task(sleep(10 * SECOND));
    }));
    sleep(TENTH).await;
    parent.cancel();
    let start = time::now();
    assert!(parent.await.unwrap_err().is_cancelled());
    assert_eq!(time::now(), start);
}

#[oneloop::test(virtual_time)]
async fn the_error_of_the_body_cancels_the_children_and_comes_back() {
    // test_taskgroup_08 to _10, test_taskgroup_17
    let log = Log::default();
    let result = task_group(async |group| -> Result<(), &str> {
        group.create_task(async {
            let _guard = with_cleanup(log.clone(), async |log| log.add("child"));
            sleep(10 * SECOND).await;
        });
        yield_now().await;
        Err("body")
    })
    .await;
    assert_eq!(text(result.unwrap_err()), ["body"]);
    assert_eq!(log.take(), ["child"]);
}

#[oneloop::test(virtual_time)]
async fn errors_of_nested_groups_nest() {
    // test_taskgroup_14, test_taskgroup_13
    let result = task_group(async |outer| -> Result<(), String> {
        outer.create_task(async {
            let inner = task_group(async |inner| -> Result<(), &str> {
                inner.create_task(crash_soon());
                pending().await
            });
            inner.await.map_err(|error| format!("inner: {}", error.first().error()))
        });
        outer.create_task(async {
            sleep(10 * SECOND).await;
            Err::<(), _>("never".to_owned())
        });
        Ok(())
    })
    .await;
    assert_eq!(result.unwrap_err().into_first(), "inner: crashed");
}

#[oneloop::test(virtual_time)]
async fn an_error_of_the_outer_group_cancels_the_inner_one() {
    // test_taskgroup_11, test_taskgroup_12
    let log = Log::default();
    let result = task_group(async |outer| -> Result<(), &str> {
        outer.create_task(crash_soon());
        task_group(async |inner| {
            for name in ["a", "b"] {
                let log = log.clone();
                inner.create_task(async move {
                    let _guard = with_cleanup(log, async move |log| log.add(name));
                    sleep(10 * SECOND).await;
                });
            }
        })
        .await;
        log.add("never");
        Ok(())
    })
    .await;
    assert_eq!(text(result.unwrap_err()), ["crashed"]);
    assert_eq!(log.take(), ["a", "b"]);
}

#[oneloop::test(virtual_time)]
async fn of_two_children_that_fail_at_once_one_has_been_cancelled_before() {
    // test_taskgroup_19, test_taskgroup_21a: errors that come before the cancellation takes effect
    // are all there.
    let result = task_group(async |group| -> Result<(), &str> {
        let canceller = group.clone();
        group.create_task(async move {
            // A child that cancels itself continues until it waits, and its output counts.
            canceller.cancel();
            Err::<(), _>("first")
        });
        Ok(())
    })
    .await;
    assert_eq!(text(result.unwrap_err()), ["first"]);
}

#[oneloop::test(virtual_time)]
async fn a_panic_of_the_body_is_raised_again_when_all_children_are_gone() {
    // test_taskgroup_20
    let log = Log::default();
    let group = task_group(async |group| -> Result<(), &str> {
        group.create_task(crash_soon());
        group.create_task(async {
            let _guard = with_cleanup(log.clone(), async |log| {
                sleep(SECOND).await;
                log.add("clean");
            });
            pending::<()>().await;
        });
        sleep(TENTH / 2).await;
        panic!("KeyboardInterrupt")
    });
    let payload = AssertUnwindSafe(group).catch_unwind().await.unwrap_err();
    assert_eq!(*payload.downcast_ref::<&str>().unwrap(), "KeyboardInterrupt");
    assert_eq!(log.take(), ["clean"]);
}

#[oneloop::test(virtual_time, unhandled = "log")]
async fn a_panic_is_raised_bare_although_there_are_errors() {
    // test_taskgroup_20a
    let group = task_group(async |group| -> Result<(), &str> {
        let other = group.clone();
        group.create_task(async move {
            other.create_task(async { panic!("late") });
            yield_now().await;
            unreachable!("the panic cancels it")
        });
        pending().await
    });
    let payload = AssertUnwindSafe(group).catch_unwind().await.unwrap_err();
    assert_eq!(*payload.downcast_ref::<&str>().unwrap(), "late");
}

#[oneloop::test(virtual_time)]
async fn a_child_may_create_children_while_the_group_ends() {
    // test_taskgroup_24
    let (log, start) = (Log::default(), time::now());
    task_group(async |group| {
        let inner = group.clone();
        let log = &log;
        group.create_task(async move {
            sleep(TENTH).await;
            inner.create_task(async {
                sleep(TENTH).await;
                log.add("grandchild");
            });
        });
    })
    .await;
    assert_eq!(log.take(), ["grandchild"]);
    assert_eq!(time::now() - start, 2 * TENTH);
}

#[oneloop::test(virtual_time)]
async fn a_grandchild_that_fails_cancels_all() {
    // test_taskgroup_25, test_taskgroup_26
    let result = task_group(async |group| -> Result<(), &str> {
        let inner = group.clone();
        group.create_task(async move {
            inner.create_task(crash_soon());
            sleep(10 * SECOND).await;
        });
        Ok(())
    })
    .await;
    assert_eq!(text(result.unwrap_err()), ["crashed"]);
}

#[oneloop::test(virtual_time)]
async fn a_failed_group_takes_no_more_children_and_drops_their_futures() {
    // test_taskgroup_no_create_task_after_failure, test_coro_closed_when_tg_closed
    let value = Rc::new(());
    let result = task_group(async |group| -> Result<(), &str> {
        let late = group.clone();
        let value = value.clone();
        group.create_task(crash_soon());
        group.create_task(async move {
            let _guard = with_cleanup((late.clone(), value), async |(_, value)| drop(value));
            pending::<()>().await;
        });
        group.cancelled().await;
        unreachable!("the body goes before the group can tell it")
    })
    .await;
    assert_eq!(text(result.unwrap_err()), ["crashed"]);
    assert_eq!(Rc::strong_count(&value), 1);

    task_group(async |group| {
        group.cancel();
        let held = value.clone();
        let late = group.create_task(async move { drop(held) });
        assert!(late.is_finished());
        assert_eq!(Rc::strong_count(&value), 2, "the future is not dropped inside its creator");
        yield_now().await;
        yield_now().await;
        assert_eq!(Rc::strong_count(&value), 1);
        let future = group.try_create_task(ready(())).unwrap_err();
        future.await;
    })
    .await;
}

#[oneloop::test(virtual_time, unhandled = "log")]
async fn a_cancelled_parent_cleans_although_a_child_has_failed_at_the_same_time() {
    // test_error_and_cancel, test_taskgroup_15
    let log = Log::default();
    let inner = log.clone();
    let parent = create_task(async move {
        task_group(async |group| -> Result<(), &str> {
            group.create_task(crash_soon());
            group.create_task(async {
                let _guard = with_cleanup(inner.clone(), async |log| {
                    sleep(SECOND).await;
                    log.add("clean");
                });
                pending::<()>().await;
            });
            pending().await
        })
        .await
    });
    // While the group waits for the cleanup after its failure.
    sleep(TENTH + SECOND / 2).await;
    assert!(parent.cancel());
    assert!(parent.await.unwrap_err().is_cancelled(), "the request is not lost");
    assert_eq!(log.take(), ["clean"]);
}

#[oneloop::test(virtual_time)]
async fn a_timeout_around_nested_groups_cancels_both() {
    // test_nested_groups_both_cancelled
    let log = Log::default();
    let nested = task_group(async |outer| {
        outer.create_task(async {
            let _guard = with_cleanup(log.clone(), async |log| log.add("outer"));
            pending::<()>().await;
        });
        task_group(async |inner| {
            inner.create_task(async {
                let _guard = with_cleanup(log.clone(), async |log| log.add("inner"));
                pending::<()>().await;
            });
        })
        .await;
    });
    assert!(timeout(SECOND, nested).await.is_err());
    assert_eq!(log.take(), ["inner", "outer"]);
}

#[oneloop::test(virtual_time)]
async fn cancelling_the_group_ends_it_without_an_error() {
    // test_taskgroup_cancel_children, test_taskgroup_cancel_idempotent,
    // test_taskgroup_body_cancel_*
    let start = time::now();
    let result = task_group(async |group| -> Result<(), &str> {
        group.create_task(sleep(10 * SECOND));
        group.create_task(sleep(10 * SECOND));
        sleep(TENTH).await;
        group.cancel();
        group.cancel();
        Ok(())
    })
    .await;
    assert_eq!(result.map_err(text), Ok(()));
    assert_eq!(time::now() - start, TENTH);
}

#[oneloop::test(virtual_time)]
async fn a_child_may_cancel_its_group() {
    // test_taskgroup_cancel_from_child
    let result = task_group(async |group| -> Result<&str, &str> {
        let canceller = group.clone();
        let child = group.create_task(async move {
            sleep(TENTH).await;
            canceller.cancel();
            sleep(10 * SECOND).await;
        });
        group.create_task(sleep(10 * SECOND));
        group.cancelled().await;
        assert!(child.await.unwrap_err().is_cancelled());
        Ok("body")
    })
    .await;
    assert_eq!(result.map_err(text), Ok("body"));
}

#[oneloop::test(virtual_time)]
async fn cancelling_before_a_child_has_begun_leaves_it_unbegun() {
    // test_taskgroup_cancel_before_create_task, test_taskgroup_cancel_before_enter
    let began = Cell::new(false);
    task_group(async |group| {
        group.create_task(async { began.set(true) });
        group.cancel();
    })
    .await;
    assert!(!began.get());
}

#[oneloop::test(virtual_time)]
async fn cancelling_a_group_that_has_ended_does_nothing() {
    // test_taskgroup_cancel_after_exit
    let mut kept = None;
    task_group(async |group| kept = Some(group)).await;
    let group = kept.unwrap();
    group.cancel();
    assert!(group.is_cancelled() && group.is_empty());
}

#[oneloop::test(virtual_time)]
async fn errors_after_a_cancel_are_raised_all_the_same() {
    // test_taskgroup_cancel_with_error_after, test_taskgroup_body_cancel_with_raise
    let result = task_group(async |group| -> Result<(), &str> {
        group.create_task(sleep(10 * SECOND));
        group.cancel();
        yield_now().await;
        Err("after")
    })
    .await;
    assert_eq!(text(result.unwrap_err()), ["after"]);
}

#[oneloop::test(virtual_time)]
async fn a_name_is_the_childs_and_the_error_tells_it() {
    // test_name
    let result = task_group(async |group| -> Result<(), &str> {
        let child = group.create_task(crash_soon()).named("yolo");
        assert_eq!(child.name(), "yolo");
        let error = child.await.unwrap_err();
        unreachable!("{error}: the body goes first")
    })
    .await;
    assert_eq!(result.unwrap_err().first().task_name(), "yolo");
}
