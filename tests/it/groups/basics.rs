//! The basic promises of a group.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use oneloop::task::{Ready, TaskError};
use oneloop::{
    CancelReason, Task, TaskRef, all_tasks, create_task, current_task, sleep, task_group, time,
    timeout, with_cleanup, yield_now,
};

use crate::cleanups::Log;

const SECOND: Duration = Duration::from_secs(1);

#[oneloop::test(virtual_time)]
async fn a_group_ends_when_its_children_have() {
    let start = time::now();
    task_group(async |group| {
        group.create_task(sleep(SECOND));
        group.create_task(sleep(2 * SECOND));
    })
    .await;
    assert_eq!(time::now() - start, 2 * SECOND);
}

#[oneloop::test(virtual_time)]
async fn children_borrow_what_was_declared_before_the_group() {
    let words = vec!["a".to_owned(), "bc".to_owned()];
    let total = Cell::new(0);
    let log = RefCell::new(Vec::new());
    task_group(async |group| {
        for word in &words {
            group.create_task(async {
                yield_now().await;
                total.set(total.get() + word.len());
                log.borrow_mut().push(word.as_str());
            });
        }
    })
    .await;
    assert_eq!(total.get(), 3);
    assert_eq!(*log.borrow(), ["a", "bc"]);
}

#[oneloop::test(virtual_time)]
async fn a_child_is_a_task_with_name_place_and_parent() {
    task_group(async |group| {
        let child = group.create_task(async { Ok(current_task().unwrap()) }).named("child");
        let listed: Vec<_> = all_tasks().iter().map(TaskRef::name).collect();
        assert_eq!(listed, ["main", "child"]);
        let me = current_task().unwrap();
        assert_eq!(me.name(), "main", "the body runs as the task that awaits the group");
        let key = child.key();
        let seen = child.await.unwrap();
        assert_eq!(seen.key(), key);
        let listed = all_tasks().into_iter().any(|task| task.key() == key);
        assert!(!listed, "it has ended");
    })
    .await;
    task_group(async |group| {
        group.create_task(async {
            let me = current_task().unwrap();
            assert_eq!(me.parent(), Some(all_tasks()[0]));
            assert!(me.place().unwrap().file().ends_with("basics.rs"));
        });
    })
    .await;
}

#[oneloop::test(virtual_time)]
async fn the_handle_gives_the_value_of_an_ok() {
    let sum = task_group(async |group| -> Result<u32, String> {
        let two: Task<u32> = group.create_task(async { Ok(2) });
        let three: Task<u32> = group.create_task(async {
            sleep(SECOND).await;
            Ok(3)
        });
        let unit: Task<()> = group.create_task(async {});
        unit.await.unwrap();
        Ok(two.await.unwrap() + three.await.unwrap())
    })
    .await;
    assert_eq!(sum.unwrap(), 5);
}

#[oneloop::test(virtual_time)]
async fn the_first_error_cancels_siblings_and_body() {
    let log = Log::default();
    let start = time::now();
    let result = task_group(async |group| -> Result<(), &str> {
        group.create_task(async {
            sleep(SECOND).await;
            Err::<(), _>("no")
        });
        group.create_task(async {
            let _guard = with_cleanup(log.clone(), async |log| {
                sleep(SECOND).await;
                log.add("child cleaned");
            });
            pending::<()>().await;
        });
        let _guard = with_cleanup(log.clone(), async |log| {
            sleep(2 * SECOND).await;
            log.add("body cleaned");
        });
        pending().await
    })
    .await;
    let error = result.unwrap_err();
    assert_eq!(*error.first().error(), "no");
    assert_eq!(error.errors().len(), 1);
    assert_eq!(log.take(), ["child cleaned", "body cleaned"]);
    assert_eq!(time::now() - start, 3 * SECOND, "it waits for the cleanups");
}

#[oneloop::test(virtual_time)]
async fn all_errors_come_back_in_order_and_that_of_the_body_last() {
    let result = task_group(async |group| -> Result<(), &str> {
        for error in ["first", "second"] {
            group.create_task(async move { Err::<(), _>(error) }).named(error);
        }
        Err("body")
    })
    .await;
    // The body fails before its children run, which cancels them.
    let error = result.unwrap_err();
    assert_eq!(error.into_errors().len(), 1);

    let result = task_group(async |group| -> Result<(), &str> {
        for error in ["first", "second"] {
            group.create_task(async move { Err::<(), _>(error) }).named(error);
        }
        group.create_task(async {
            yield_now().await;
            Err::<(), _>("too late: it was woken after the first error")
        });
        yield_now().await;
        Err("body")
    })
    .await;
    let error = result.unwrap_err();
    assert_eq!(error.first().task_name(), "first");
    let errors: Vec<_> = error.into_errors().into_iter().map(TaskError::into_error).collect();
    assert_eq!(errors, ["first", "second", "body"]);
}

#[oneloop::test(virtual_time)]
async fn children_that_were_woken_together_all_give_their_errors() {
    let result = task_group(async |group| -> Result<(), u32> {
        for error in 0..200 {
            group.create_task(async move {
                sleep(SECOND).await;
                Err::<(), _>(error)
            });
        }
        pending().await
    })
    .await;
    let errors = result.unwrap_err().into_errors();
    let errors: Vec<_> = errors.into_iter().map(TaskError::into_error).collect();
    assert_eq!(errors, (0..200).collect::<Vec<_>>());
}

#[oneloop::test(virtual_time)]
async fn a_panic_is_raised_again_after_the_siblings_are_gone() {
    let log = Log::default();
    let group = task_group(async |group| {
        group.create_task(async { panic!("boom") });
        group.create_task(async {
            let _guard = with_cleanup(log.clone(), async |log| {
                sleep(SECOND).await;
                log.add("clean");
            });
            pending::<()>().await;
        });
        pending::<()>().await;
    });
    let caught = futures::FutureExt::catch_unwind(AssertUnwindSafe(group)).await;
    assert_eq!(*caught.unwrap_err().downcast_ref::<&str>().unwrap(), "boom");
    assert_eq!(log.take(), ["clean"]);
}

#[oneloop::test(virtual_time)]
async fn a_child_cancelled_by_itself_is_no_error() {
    task_group(async |group| {
        let child = group.create_task(pending::<()>());
        child.cancel();
        assert!(child.await.unwrap_err().is_cancelled());
    })
    .await;
}

#[oneloop::test(virtual_time)]
async fn a_handle_says_why_there_is_no_value() {
    let place: Cell<Option<Task<()>>> = Cell::new(None);
    let why = async || {
        let error = place.take().unwrap().await.unwrap_err();
        let name = format!("task `{}` ", error.task_name());
        (error.reason(), error.is_failed(), error.to_string().replace(&name, "it "))
    };
    task_group(async |group| {
        place.set(Some(group.create_task(pending::<()>())));
        group.cancel();
    })
    .await;
    let reason = Some(CancelReason::GroupCancelled);
    assert_eq!(why().await, (reason, false, "it was cancelled with its group".to_owned()));

    let group = task_group(async |group| {
        place.set(Some(group.create_task(pending::<()>())));
    });
    assert!(timeout(Duration::ZERO, group).await.is_err());
    let reason = Some(CancelReason::GroupDropped);
    let text = "it was cancelled because its group was dropped".to_owned();
    assert_eq!(why().await, (reason, false, text));

    let failed = task_group(async |group| {
        place.set(Some(group.create_task(async { Err::<(), _>("no") })));
        Ok(())
    });
    assert!(failed.await.is_err());
    assert_eq!(why().await, (None, true, "it failed, and its group has the error".to_owned()));

    let asked = create_task(pending::<()>());
    asked.cancel();
    place.set(Some(asked));
    let reason = Some(CancelReason::Requested);
    assert_eq!(why().await, (reason, false, "it was cancelled by request".to_owned()));
}

#[oneloop::test(virtual_time)]
async fn cancelling_the_group_cancels_the_children_and_not_the_body() {
    let value = task_group(async |group| -> Result<u32, String> {
        let child = group.create_task(pending::<()>());
        group.cancel();
        assert!(group.is_cancelled());
        group.cancelled().await;
        let error = child.await.unwrap_err();
        assert!(error.is_cancelled());
        let late = group.create_task(async { unreachable!("the group is closed") });
        assert!(late.await.unwrap_err().is_cancelled());
        assert!(group.try_create_task(async {}).is_err());
        Ok(42)
    })
    .await;
    assert_eq!(value.unwrap(), 42);
}

#[oneloop::test(virtual_time)]
async fn a_child_creates_children() {
    let count = Cell::new(0);
    task_group(async |group| {
        let inner = group.clone();
        let count = &count;
        group.create_task(async move {
            for _ in 0..3 {
                yield_now().await;
                inner.create_task(async { count.set(count.get() + 1) });
            }
        });
    })
    .await;
    assert_eq!(count.get(), 3);
}

#[oneloop::test(virtual_time)]
async fn a_timeout_around_a_group_waits_for_the_cleanups_of_children_and_body() {
    let log = Log::default();
    let start = time::now();
    let group = task_group(async |group| {
        let cleaned = async |name: &'static str| {
            let _guard = with_cleanup(log.clone(), async move |log| {
                sleep(SECOND).await;
                log.add(name);
            });
            pending::<()>().await;
        };
        group.create_task(cleaned("child"));
        cleaned("body").await;
    });
    assert!(timeout(SECOND, group).await.is_err());
    assert_eq!(log.take(), ["body", "child"]);
    assert_eq!(time::now() - start, 2 * SECOND, "they run side by side");
}

#[oneloop::test(virtual_time)]
async fn a_dropped_group_leaves_the_wait_for_a_child_that_cleans() {
    let log = Log::default();
    let inner = log.clone();
    let task = create_task(async move {
        let log = inner;
        let group = task_group(async |group| {
            group.create_task(async {
                let _guard = with_cleanup(log.clone(), async |log| {
                    sleep(10 * SECOND / 4).await;
                    log.add("clean");
                });
            });
            pending::<()>().await;
        });
        timeout(SECOND, group).await.is_err()
    });
    let start = time::now();
    assert!(task.await.unwrap());
    assert_eq!(log.take(), ["clean"]);
    assert_eq!(time::now() - start, 10 * SECOND / 4);
}

#[oneloop::test(virtual_time)]
async fn a_limit_of_0_is_refused_and_the_group_goes_on() {
    let is_done = Cell::new(false);
    task_group(async |group| {
        let refused = catch_unwind(AssertUnwindSafe(|| group.set_limit(0))).unwrap_err();
        assert!(refused.downcast_ref::<&str>().unwrap().contains("pass 1 or more"));
        group.create_task(async { is_done.set(true) });
    })
    .await;
    assert!(is_done.get());
}

#[oneloop::test(virtual_time)]
async fn a_limit_holds_children_back() {
    let (running, most) = (Cell::new(0), Cell::new(0));
    let start = time::now();
    task_group(async |group| {
        group.set_limit(3);
        for _ in 0..10 {
            group.create_task(async {
                running.set(running.get() + 1);
                most.set(most.get().max(running.get()));
                sleep(SECOND).await;
                running.set(running.get() - 1);
            });
        }
        assert_eq!(group.len(), 10);
    })
    .await;
    assert_eq!(most.get(), 3);
    assert_eq!(time::now() - start, 4 * SECOND);
}

#[oneloop::test(virtual_time)]
async fn start_waits_until_the_child_is_ready() {
    let result = task_group(async |group| -> Result<(), &str> {
        let value = group.start(async |ready| {
            sleep(SECOND).await;
            ready.set(42);
            sleep(SECOND).await;
        });
        assert_eq!(value.await.unwrap(), 42);
        assert_eq!(group.len(), 1, "the child goes on");

        let failed = group.start(async |_ready: Ready<()>| Err::<(), _>("early"));
        assert_eq!(failed.await.unwrap_err().into_error(), Some("early"));
        let never = group.start(async |ready: Ready<()>| drop(ready)).await;
        assert!(never.unwrap_err().is_never_ready());
        let late = group
            .start(async |ready| {
                ready.set(());
                yield_now().await;
                Err::<(), _>("late")
            })
            .await;
        late.unwrap();
        pending().await
    })
    .await;
    assert_eq!(result.unwrap_err().into_first(), "late");
}

#[oneloop::test(virtual_time)]
async fn a_child_that_was_started_names_the_place_of_the_call() {
    let result = task_group(async |group| -> Result<(), &str> {
        let started = group.start(async |ready| {
            ready.set(());
            yield_now().await;
            Err::<(), _>("late")
        });
        started.await.unwrap();
        pending().await
    })
    .await;
    assert!(result.unwrap_err().first().place().file().ends_with("basics.rs"));
}

#[oneloop::test(virtual_time)]
async fn an_early_error_that_nobody_takes_is_the_groups() {
    async fn fail_after_a_second<V>(_ready: Ready<V>) -> Result<(), &'static str> {
        sleep(SECOND).await;
        Err("early")
    }
    // A sibling cancels the starter at the same moment ...
    let result = task_group(async |group| -> Result<(), &str> {
        group.create_task(async {
            sleep(SECOND).await;
            Err::<(), _>("sibling")
        });
        group.start(fail_after_a_second::<()>).await.unwrap_err();
        Ok(())
    })
    .await;
    let errors = result.unwrap_err().into_errors().into_iter().map(TaskError::into_error);
    assert_eq!(errors.collect::<Vec<_>>(), ["sibling", "early"]);

    // ... or the starter has given up.
    let result = task_group(async |group| -> Result<(), &str> {
        let mut start = Box::pin(group.start(fail_after_a_second::<()>));
        assert!(futures::FutureExt::now_or_never(&mut start).is_none());
        sleep(2 * SECOND).await;
        drop(start);
        pending().await
    })
    .await;
    let error = result.unwrap_err();
    assert!(error.first().place().file().ends_with("basics.rs"));
    assert_eq!(error.into_first(), "early");
}

#[oneloop::test(virtual_time)]
async fn join_waits_until_no_child_is_left() {
    let start = time::now();
    task_group(async |group| {
        group.join().await;
        group.create_task(sleep(SECOND));
        group.create_task(sleep(2 * SECOND));
        group.join().await;
        assert!(group.is_empty());
        assert_eq!(time::now() - start, 2 * SECOND);
        let stuck = group.create_task(pending::<()>());
        let (joined, cancelled) = oneloop::gather!(timeout(SECOND, group.join()), async {
            yield_now().await;
            stuck.cancel()
        })
        .await;
        assert!(joined.is_ok() && cancelled);
    })
    .await;
}

#[oneloop::test(virtual_time)]
async fn groups_nest_and_sit_inside_other_combinators() {
    let count = Cell::new(0);
    let nested = || {
        task_group(async |group| {
            for _ in 0..3 {
                group.create_task(async {
                    task_group(async |inner| {
                        for _ in 0..3 {
                            inner.create_task(async {
                                yield_now().await;
                                count.set(count.get() + 1);
                            });
                        }
                    })
                    .await;
                });
            }
        })
    };
    oneloop::gather!(nested(), nested()).await;
    let mut unordered: FuturesUnordered<_> = (0..2).map(|_| nested()).collect();
    while unordered.next().await.is_some() {}
    assert_eq!(count.get(), 36);
}

#[test]
fn a_leaked_group_does_not_hold_up_the_end_of_the_loop() {
    oneloop::run(async {
        let mut group = Box::pin(task_group(async |group| {
            group.create_task(pending::<()>());
            pending::<()>().await;
        }));
        assert!(futures::FutureExt::now_or_never(&mut group).is_none());
        assert!(futures::FutureExt::now_or_never(&mut group).is_none());
        #[expect(clippy::mem_forget, reason = "that is what is tested")]
        mem::forget(group);
    });
}

#[test]
fn a_group_outside_a_loop_says_what_to_do() {
    let group = task_group(async |_group| ());
    let polled = catch_unwind(AssertUnwindSafe(|| futures::FutureExt::now_or_never(group)));
    let payload = polled.unwrap_err();
    let message = payload.downcast_ref::<String>().unwrap();
    assert_eq!(message, "`task_group` needs a running event loop: call it inside `oneloop::run`");
}
