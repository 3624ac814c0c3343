//! Trio's promises about nurseries, `nursery.start` and cancel scopes around them.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use oneloop::task::Ready;
use oneloop::{
    Group, all_tasks, current_task, sleep, task_group, time, timeout, with_cleanup, yield_now,
};

use crate::cleanups::Log;

const SECOND: Duration = Duration::from_secs(1);

#[oneloop::test(virtual_time)]
async fn a_group_stays_open_as_long_as_one_child_runs() {
    let log = RefCell::new(Vec::new());
    task_group(async |group| {
        for (name, seconds) in [("slow", 3), ("quick", 1)] {
            let log = &log;
            group.create_task(async move {
                sleep(seconds * SECOND).await;
                log.borrow_mut().push(name);
            });
        }
        log.borrow_mut().push("body");
    })
    .await;
    assert_eq!(log.into_inner(), ["body", "quick", "slow"]);
}

#[oneloop::test(virtual_time)]
async fn a_group_may_be_passed_down_so_that_a_callee_creates_tasks_in_its_callers_life() {
    fn serve<'env>(group: &Group<'env, &'static str>, count: &'env Cell<u32>) {
        for _ in 0..3 {
            group.create_task(async {
                sleep(SECOND).await;
                count.set(count.get() + 1);
            });
        }
    }
    let count = Cell::new(0);
    task_group(async |group| -> Result<(), &'static str> {
        serve(&group, &count);
        assert_eq!(count.get(), 0);
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(count.get(), 3);
}

#[oneloop::test(virtual_time)]
async fn a_child_belongs_to_its_group_and_not_to_who_created_it() {
    // The creator's own time limit does not apply to the child.
    let done = Cell::new(false);
    task_group(async |group| {
        let outer = group.clone();
        let done = &done;
        let short = timeout(SECOND, async move {
            outer.create_task(async {
                sleep(3 * SECOND).await;
                done.set(true);
            });
            pending::<()>().await;
        });
        assert!(short.await.is_err());
    })
    .await;
    assert!(done.get());
}

#[oneloop::test(virtual_time)]
async fn one_error_is_a_group_error_too() {
    let result = task_group(async |group| -> Result<(), &str> {
        group.create_task(async { Err::<(), _>("alone") });
        Ok(())
    })
    .await;
    let error = result.unwrap_err();
    assert_eq!(error.errors().len(), 1);
    assert_eq!(*error.first().error(), "alone");
}

#[oneloop::test(virtual_time)]
async fn a_cancelled_scope_stays_cancelled_so_a_later_wait_ends_at_once() {
    let start = time::now();
    let log = Log::default();
    task_group(async |group| {
        let inner = group.clone();
        group.create_task(async move {
            inner.cancel();
            sleep(SECOND).await;
            unreachable!("nothing can swallow the cancel");
        });
        group.cancelled().await;
        group.cancelled().await;
        log.add("body");
    })
    .await;
    assert_eq!(log.take(), ["body"]);
    assert_eq!(time::now(), start);
}

#[oneloop::test(virtual_time)]
async fn a_cleanup_with_a_limit_takes_so_long_and_no_longer() {
    let (log, start) = (Log::default(), time::now());
    let guarded = async {
        let _guard = with_cleanup((), async |()| {
            let told = timeout(SECOND, sleep(10 * SECOND)).await;
            assert!(told.is_err());
        });
        pending::<()>().await;
        log.add("never");
    };
    assert!(timeout(SECOND, guarded).await.is_err());
    assert_eq!(time::now() - start, 2 * SECOND);
    assert_eq!(log.take(), [""; 0]);
}

#[oneloop::test(virtual_time)]
async fn a_limit_of_time_on_a_group_is_one_on_all_its_children() {
    let (ended, start) = (Cell::new(0), time::now());
    let group = task_group(async |group| {
        for _ in 0..10 {
            group.create_task(async {
                pending::<()>().await;
                ended.set(ended.get() + 1);
            });
        }
    });
    assert!(timeout(SECOND, group).await.is_err());
    assert_eq!((ended.get(), time::now() - start), (0, SECOND));
    assert_eq!(all_tasks().len(), 1);
}

#[oneloop::test(virtual_time)]
async fn the_first_result_wins_and_cancels_the_others() {
    // The race of Trio's documentation.
    let winner = RefCell::new(None);
    task_group(async |group| {
        for seconds in [3, 1, 2] {
            let (group_of_child, winner) = (group.clone(), &winner);
            group.create_task(async move {
                sleep(seconds * SECOND).await;
                winner.borrow_mut().get_or_insert(seconds);
                group_of_child.cancel();
            });
        }
    })
    .await;
    assert_eq!(winner.into_inner(), Some(1));
}

#[oneloop::test(virtual_time)]
async fn start_gives_what_the_child_has_set_while_the_child_goes_on() {
    let (log, start) = (Log::default(), time::now());
    task_group(async |group| {
        let log = &log;
        let port = group.start(async move |ready: Ready<u16>| {
            sleep(SECOND).await;
            ready.set(8080);
            sleep(SECOND).await;
            log.add("served");
        });
        assert_eq!(port.await.unwrap(), 8080);
        assert_eq!(time::now() - start, SECOND);
    })
    .await;
    assert_eq!(time::now() - start, 2 * SECOND);
    assert_eq!(log.take(), ["served"]);
}

#[oneloop::test(virtual_time)]
async fn start_gives_a_child_that_is_ready_and_ends_at_once_its_value() {
    task_group(async |group| {
        let value = group.start(async |ready: Ready<u8>| ready.set(1)).await;
        assert_eq!(value.unwrap(), 1);
        assert!(group.is_empty());
    })
    .await;
}

#[oneloop::test(virtual_time)]
async fn an_error_before_it_is_ready_comes_back_from_start_and_the_group_goes_on() {
    let result = task_group(async |group| -> Result<&str, &str> {
        let sibling = group.create_task(async {
            sleep(SECOND).await;
            Ok("sibling")
        });
        let error = group.start(async |_ready: Ready<()>| {
            yield_now().await;
            Err::<(), _>("early")
        });
        let error = error.await.unwrap_err();
        assert!(error.is_failed() && !error.is_cancelled() && !error.is_never_ready());
        assert_eq!(error.into_error(), Some("early"));
        Ok(sibling.await.unwrap())
    })
    .await;
    assert_eq!(result.unwrap(), "sibling");
}

#[oneloop::test(virtual_time)]
async fn an_error_after_it_is_ready_is_the_groups() {
    let result = task_group(async |group| -> Result<(), &str> {
        let started = group.start(async |ready: Ready<()>| {
            ready.set(());
            Err::<(), _>("late, although in the same step")
        });
        started.await.unwrap();
        pending().await
    })
    .await;
    assert_eq!(result.unwrap_err().into_first(), "late, although in the same step");
}

#[oneloop::test(virtual_time)]
async fn a_start_that_is_given_up_cancels_the_child_with_its_cleanups() {
    let log = Log::default();
    task_group(async |group| {
        let starting = group.start({
            let log = log.clone();
            async move |_ready: Ready<()>| {
                let _guard = with_cleanup(log, async |log| {
                    sleep(SECOND).await;
                    log.add("clean");
                });
                pending::<()>().await;
            }
        });
        let start = time::now();
        assert!(timeout(SECOND, starting).await.is_err());
        assert_eq!(time::now() - start, 2 * SECOND, "it has waited for the child's end");
        assert!(group.is_empty());
    })
    .await;
    assert_eq!(log.take(), ["clean"]);
}

#[oneloop::test(virtual_time)]
async fn a_child_that_never_says_that_it_is_ready_is_an_error_of_start() {
    task_group(async |group| {
        let never = group.start(async |ready: Ready<()>| drop(ready)).await.unwrap_err();
        assert!(never.is_never_ready());
        let child = Rc::new(RefCell::new(None));
        let place = child.clone();
        let cancelled = group.start(async move |ready: Ready<()>| {
            *place.borrow_mut() = current_task();
            pending::<()>().await;
            drop(ready);
        });
        let canceller = async {
            sleep(SECOND).await;
            child.borrow().as_ref().unwrap().cancel();
        };
        let (cancelled, ()) = oneloop::gather!(cancelled, canceller).await;
        assert!(cancelled.unwrap_err().is_cancelled());
        group.cancel();
        let closed = group.start(async |ready: Ready<()>| ready.set(())).await.unwrap_err();
        assert!(closed.is_cancelled());
    })
    .await;
}

#[oneloop::test(virtual_time)]
async fn a_ready_that_is_set_elsewhere_counts_too() {
    task_group(async |group| {
        let helper = group.clone();
        let value = group.start(async move |ready: Ready<&str>| {
            helper.create_task(async move {
                sleep(SECOND).await;
                ready.set("by a sibling");
            });
            sleep(2 * SECOND).await;
        });
        assert_eq!(value.await.unwrap(), "by a sibling");
    })
    .await;
}
