//! Time limits around groups, cleanups, eager tasks and other loops.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use futures::FutureExt as _;
use oneloop::time::{now, timeout_at};
use oneloop::{
    Builder, create_task, deadline, run, sleep, task, task_group, timeout, with_cleanup, yield_now,
};

const MS: Duration = Duration::from_millis(1);

#[test]
fn another_loop_that_ends_inside_a_limit_is_not_limited() {
    let seen = Rc::new(Cell::new(None));
    let log = seen.clone();
    let mut other = Builder::new().virtual_time(true).build().unwrap();
    let [task] = other.run(async {
        let task = create_task(async move {
            let _guard = with_cleanup(log, async |log| {
                let start = now();
                let late = timeout(MS, pending::<()>()).await.is_err();
                log.set(Some((late, now() - start < 2 * MS, deadline())));
            });
            pending::<()>().await;
        });
        yield_now().await;
        [task]
    });
    let ended = Builder::new().virtual_time(true).run(timeout(MS, async {
        sleep(MS / 2).await;
        drop(other);
    }));
    assert!(ended.is_ok());
    drop(task);
    assert_eq!(seen.get(), Some((true, true, None)));
}

#[test]
fn a_loop_that_runs_inside_a_limit_of_no_loop_is_not_limited() {
    let limited = timeout(MS, async { (deadline().is_some(), run(async { deadline() })) });
    assert_eq!(limited.now_or_never().unwrap().unwrap(), (true, None));
}

#[oneloop::test(virtual_time)]
async fn the_limits_of_a_group_count_for_its_children_and_no_others_do() {
    let start = now();
    let limit = start + 10 * MS;
    let at = |at| timeout_at(at, yield_now());
    let in_time = timeout_at(limit, async {
        task_group(async |group| {
            group.create_task(async {
                assert_eq!(deadline(), Some(limit));
                sleep(3 * MS).await;
                assert_eq!(deadline(), Some(limit));
                let eager = task::Builder::new().eager(true).create_task(async { deadline() });
                assert_eq!(eager.await.unwrap(), None);
                let guard = with_cleanup((), async |()| {
                    sleep(MS).await;
                    assert_eq!(deadline(), None);
                });
                drop(guard);
            });
            timeout(MS, async {
                group.create_task(async {
                    sleep(2 * MS).await;
                    assert_eq!(deadline(), Some(limit));
                });
                assert_eq!(deadline(), Some(start + MS));
                at(now() + MS / 2).await.unwrap();
            })
            .await
            .unwrap();
        })
        .await;
    });
    in_time.await.unwrap();
}

#[oneloop::test(virtual_time)]
async fn a_limit_in_the_cleanup_of_what_was_late_is_kept() {
    let start = now();
    let late = timeout(MS, async {
        task_group(async |group| {
            group.create_task(async {
                let _guard = with_cleanup((), async |()| {
                    assert!(timeout(MS, pending::<()>()).await.is_err());
                    let at_once = task_group(async |group| {
                        group.create_task(async {
                            assert!(timeout_at(now(), pending::<()>()).await.is_err());
                        });
                    });
                    assert!(timeout(MS, at_once).await.is_ok());
                });
                pending::<()>().await;
            });
        })
        .await;
    });
    assert!(late.await.is_err());
    assert!(now() - start < 3 * MS);
}
