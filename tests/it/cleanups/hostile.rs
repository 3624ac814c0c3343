//! Hostile cleanups: busy, endless, nested, and at the very end.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use oneloop::{
    Builder, Task, Turn, create_task, current_task, gather, shield, sleep, task_group, time,
    timeout, with_cleanup, yield_now,
};

use super::Log;

const SECOND: Duration = Duration::from_secs(1);

/// A loop with virtual time that logs unhandled errors and panics.
fn builder() -> (Builder, Log) {
    let unhandled = Log::default();
    let seen = unhandled.clone();
    let builder = Builder::new().virtual_time(true).on_unhandled(move |u| seen.add(u.to_string()));
    (builder, unhandled)
}

#[oneloop::test(virtual_time)]
async fn an_outer_timeout_waits_for_the_cleanups_that_the_inner_one_waits_for() {
    let (log, start) = (Log::default(), time::now());
    let guarded = async {
        let _guard = with_cleanup(log.clone(), async |log| {
            sleep(3 * SECOND).await;
            log.add("clean");
        });
        pending::<()>().await;
    };
    let inner = timeout(SECOND, guarded);
    assert!(timeout(2 * SECOND, inner).await.is_err());
    assert_eq!(log.take(), ["clean"]);
    assert_eq!(time::now() - start, 4 * SECOND);
}

#[oneloop::test(virtual_time)]
async fn a_timeout_waits_for_what_the_cleanups_have_left_in_their_turn() {
    let (log, start) = (Log::default(), time::now());
    let guarded = async {
        let _guard = with_cleanup(log.clone(), async |log| {
            drop(with_cleanup(log, async |log| {
                sleep(SECOND).await;
                log.add("nested");
            }));
        });
        pending::<()>().await;
    };
    assert!(timeout(SECOND, guarded).await.is_err());
    assert_eq!(log.take(), ["nested"]);
    assert_eq!(time::now() - start, 2 * SECOND);
}

#[test]
fn a_cleanup_that_is_always_runnable_is_cut_off_at_the_end_of_the_loop() {
    let (builder, unhandled) = builder();
    // In real time, so the test must be short.
    builder.virtual_time(false).cleanup_timeout(Duration::from_millis(5)).run(async {
        create_task(async {
            let _guard = with_cleanup((), async |()| {
                loop {
                    yield_now().await;
                }
            });
            pending::<()>().await;
        })
        .detach();
        yield_now().await;
    });
    let reported = unhandled.take();
    assert!(reported.len() == 1 && reported[0].contains("was cut off"), "{reported:?}");
}

#[test]
fn a_drop_by_a_panic_does_not_wait_for_a_cleanup_that_is_always_runnable() {
    let (builder, unhandled) = builder();
    let mut runtime = builder.virtual_time(false).build().unwrap();
    runtime.run(async {
        create_task(async {
            let _guard = with_cleanup((), async |()| {
                loop {
                    yield_now().await;
                }
            });
            pending::<()>().await;
        })
        .detach();
        yield_now().await;
    });
    let panicked = catch_unwind(AssertUnwindSafe(move || {
        let _runtime = runtime;
        panic!("boom");
    }));
    assert!(panicked.is_err());
    assert_eq!(unhandled.take().len(), 1);
}

#[test]
fn without_time_each_of_many_tasks_that_the_end_of_the_loop_cancels_may_clean_what_need_not_wait() {
    let (builder, unhandled) = builder();
    let count = Rc::new(Cell::new(0));
    builder.cleanup_timeout(Duration::ZERO).run(async {
        for _ in 0..1000 {
            let count = count.clone();
            create_task(async move {
                let _guard = with_cleanup(count, async |count| count.set(count.get() + 1));
                pending::<()>().await;
            })
            .detach();
        }
        yield_now().await;
    });
    assert_eq!((count.get(), unhandled.take().len()), (1000, 0));
}

#[test]
fn without_a_limit_a_cleanup_takes_its_time() {
    let (builder, unhandled) = builder();
    let log = Log::default();
    builder.cleanup_timeout(Duration::MAX).run(async {
        let log = log.clone();
        create_task(async move {
            let _guard = with_cleanup(log, async |log| {
                sleep(100_000 * SECOND).await;
                log.add("clean");
            });
            pending::<()>().await;
        })
        .detach();
        yield_now().await;
    });
    assert_eq!(log.take(), ["clean"]);
    assert_eq!(unhandled.take(), [""; 0]);
}

/// Uses everything that a program may use in a cleanup.
async fn use_everything(log: Log) {
    let total = Cell::new(0);
    task_group(async |group| {
        for seconds in 1..4 {
            let (total, log) = (&total, log.clone());
            group.create_task(async move {
                drop(with_cleanup(log, async |log| {
                    sleep(SECOND / 4).await;
                    log.add("child's");
                }));
                sleep(seconds * SECOND / 4).await;
                total.set(total.get() + seconds);
            });
        }
    })
    .await;
    let (one, two) = gather!(async { 1 }, async {
        yield_now().await;
        2
    })
    .await;
    total.set(total.get() + one + two);
    assert!(timeout(SECOND / 4, pending::<()>()).await.is_err());
    shield(sleep(SECOND / 4)).await;
    log.add(format!("total {}", total.get()));
    log.add(create_task(async { "created" }).await.expect("tasks may be created"));
}

#[test]
fn a_cleanup_may_use_groups_gather_timeouts_and_shields_also_when_the_loop_ends() {
    let all = ["child's", "child's", "child's", "total 9"];
    let (builder, unhandled) = builder();
    let log = Log::default();
    builder.run(async {
        let inner = log.clone();
        create_task(async move { drop(with_cleanup(inner, use_everything)) }).await.unwrap();
        assert_eq!(log.take(), [&all[..], &["created"]].concat());
        let inner = log.clone();
        create_task(async move {
            let _guard = with_cleanup(inner, use_everything);
            pending::<()>().await;
        })
        .detach();
        yield_now().await;
    });
    assert_eq!(log.take(), [&all[..], &["created"]].concat());
    assert_eq!(unhandled.take(), [""; 0]);
}

#[test]
fn a_cleanup_may_wait_for_a_task_that_the_end_of_the_loop_has_cancelled() {
    let (builder, unhandled) = builder();
    let log = Log::default();
    builder.run(async {
        let other = create_task({
            let log = log.clone();
            async move {
                let _guard = with_cleanup(log, async |log| {
                    sleep(SECOND).await;
                    log.add("other is clean");
                });
                pending::<()>().await;
            }
        });
        let log = log.clone();
        create_task(async move {
            let _guard = with_cleanup((log, other), async |(log, other)| {
                assert!(other.await.unwrap_err().is_cancelled());
                log.add("waited");
            });
            pending::<()>().await;
        })
        .detach();
        yield_now().await;
    });
    assert_eq!(log.take(), ["other is clean", "waited"]);
    assert_eq!(unhandled.take(), [""; 0]);
}

#[oneloop::test(virtual_time)]
async fn a_cleanup_may_cancel_its_own_task_and_drop_its_last_handle() {
    let log = Log::default();
    let place = Rc::new(RefCell::new(None));
    let (inner, handle) = (log.clone(), place.clone());
    let task = create_task(async move {
        drop(with_cleanup((), async move |()| {
            let task: Task<Log> = handle.take().unwrap();
            assert!(task.cancel() && current_task().unwrap().cancel());
            yield_now().await;
            assert!(!task.is_finished());
            drop(task);
            yield_now().await;
            inner.add("clean");
        }));
        yield_now().await;
        unreachable!("its cleanup has cancelled it")
    });
    place.replace(Some(task));
    sleep(SECOND).await;
    assert_eq!(log.take(), ["clean"]);
    assert_eq!(oneloop::all_tasks().len(), 1);

    // The output, which no code can take any more, has a guard too.
    let place = Rc::new(RefCell::new(None));
    let (inner, handle) = (log.clone(), place.clone());
    let task = create_task(async move {
        drop(with_cleanup((), async move |()| drop(handle.take())));
        with_cleanup(inner, async |log| log.add("the output's"))
    });
    place.replace(Some(task));
    sleep(SECOND).await;
    assert_eq!(log.take(), ["the output's"]);
    assert_eq!(oneloop::all_tasks().len(), 1);
}

#[oneloop::test(virtual_time)]
async fn a_guard_may_be_made_and_dropped_in_a_drop() {
    struct Late(Log);
    impl Drop for Late {
        fn drop(&mut self) {
            drop(with_cleanup(self.0.clone(), async |log| {
                sleep(SECOND).await;
                log.add("clean");
            }));
        }
    }
    let log = Log::default();
    let start = time::now();
    let late = Late(log.clone());
    let guarded = async move {
        let _late = late;
        pending::<()>().await;
    };
    assert!(timeout(SECOND, guarded).await.is_err());
    assert_eq!(log.take(), ["clean"]);
    assert_eq!(time::now() - start, 2 * SECOND);
}

#[test]
fn guards_that_are_dropped_while_the_loop_closes_are_cleaned_or_reported() {
    let (builder, unhandled) = builder();
    let log = Log::default();
    builder.run(async {
        let guard = |name: &'static str| {
            with_cleanup(log.clone(), async move |log| {
                sleep(SECOND).await;
                log.add(name);
            })
        };
        // In the output of an ended task whose handle is leaked, in a task, and in a call.
        let ended = create_task({
            let guard = guard("never: it goes with the loop");
            async move { guard }
        });
        let pending_task = create_task({
            let guard = guard("task's");
            async move {
                let _guard = guard;
                pending::<()>().await;
            }
        });
        yield_now().await;
        let never_begun = create_task({
            let guard = guard("never begun");
            async move { drop(guard) }
        });
        #[expect(clippy::mem_forget, reason = "handles that outlive the loop")]
        for handle in [pending_task, never_begun] {
            mem::forget(handle);
        }
        #[expect(clippy::mem_forget, reason = "a handle that outlives the loop")]
        mem::forget(ended);
    });
    assert_eq!(log.take(), ["never begun", "task's"], "in the order of the run queue");
    let reported = unhandled.take();
    assert!(reported.len() == 1 && reported[0].contains("cleanup"), "{reported:?}");
}

#[test]
fn cleanups_run_in_the_turns_of_a_host() {
    let (builder, unhandled) = builder();
    let log = Log::default();
    let mut runtime = builder.build().unwrap();
    let inner = log.clone();
    let task = runtime.create_task(async move {
        let _guard = with_cleanup(inner, async |log| {
            sleep(SECOND).await;
            log.add("clean");
        });
        sleep(SECOND).await;
    });
    let mut turns = 0;
    while runtime.turn() == Turn::Busy {
        turns += 1;
        assert!(turns < 100);
    }
    assert_eq!(log.take(), ["clean"]);
    assert!(runtime.run(task).is_ok());
    let inner = log.clone();
    runtime
        .create_task(async move {
            let _guard = with_cleanup(inner, async |log| {
                sleep(SECOND).await;
                log.add("at the end");
            });
            pending::<()>().await;
        })
        .detach();
    let _turn = runtime.turn();
    runtime.shutdown();
    assert_eq!(log.take(), ["at the end"]);
    assert_eq!(unhandled.take(), [""; 0]);
}

#[oneloop::test(virtual_time, unhandled = "log")]
async fn the_grace_of_cancel_and_wait_reaches_the_cleanups_of_a_dropped_groups_child() {
    let log = Log::default();
    let inner = log.clone();
    let task = create_task(task_group(async move |group| {
        group.create_task(async move {
            for name in ["first", "second"] {
                drop(with_cleanup(inner.clone(), async move |log| {
                    sleep(3 * SECOND).await;
                    log.add(name);
                }));
            }
            pending::<()>().await;
        });
    }));
    yield_now().await;
    let start = time::now();
    assert!(task.cancel_and_wait(4 * SECOND).await.unwrap_err().is_cancelled());
    assert_eq!(time::now() - start, 4 * SECOND);
    sleep(10 * SECOND).await;
    assert_eq!(log.take(), ["first"], "the second was cut off");
    assert_eq!(oneloop::all_tasks().len(), 1);
}

#[oneloop::test(virtual_time, unhandled = "log")]
async fn an_outer_timeout_waits_for_the_body_of_a_group_that_has_failed() {
    let (log, start) = (Log::default(), time::now());
    let group = task_group(async |group| -> Result<(), &str> {
        group.create_task(async { Err::<(), _>("early") });
        let _guard = with_cleanup(log.clone(), async |log| {
            sleep(3 * SECOND).await;
            log.add("clean");
        });
        pending().await
    });
    assert!(timeout(SECOND, group).await.is_err());
    assert_eq!(log.take(), ["clean"]);
    assert_eq!(time::now() - start, 3 * SECOND);
}

#[oneloop::test(virtual_time, unhandled = "log")]
async fn a_timeout_in_a_cleanup_that_is_cut_off_in_its_turn_hangs_nobody() {
    let task = create_task(async {
        drop(with_cleanup((), async |()| {
            let stuck = async {
                let _guard = with_cleanup((), async |()| pending::<()>().await);
                pending::<()>().await;
            };
            let _late = timeout(SECOND, stuck).await;
        }));
    });
    let start = time::now();
    task.await.unwrap();
    assert!(time::now() - start <= 6 * SECOND);
    assert_eq!(oneloop::all_tasks().len(), 1);
}

#[test]
fn cleanups_at_the_end_of_the_loop_may_use_tasks_and_calls() {
    let (builder, unhandled) = builder();
    let log = Log::default();
    builder.run(async {
        let guard = with_cleanup(log.clone(), async |log| {
            log.add(create_task(async { 42 }).await.unwrap().to_string());
            for delay in [Duration::ZERO, SECOND] {
                let log = log.clone();
                oneloop::call_later(delay, move || log.add(format!("called after {delay:?}")));
            }
            let inner = log.clone();
            oneloop::call_soon(move || inner.add("called soon"));
            let inner = log.clone();
            // It is cancelled when no cleanup remains, and has a cleanup itself.
            create_task(async move {
                let _guard = with_cleanup(inner, async |log| {
                    sleep(SECOND).await;
                    log.add(create_task(async { "the last task" }).await.unwrap());
                });
                pending::<()>().await;
            })
            .detach();
            sleep(2 * SECOND).await;
        });
        create_task(async move {
            let _guard = guard;
            pending::<()>().await;
        })
        .detach();
        yield_now().await;
    });
    let all = ["42", "called soon", "called after 0ns", "called after 1s", "the last task"];
    let mut said = log.take();
    said[1..3].sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!(said, all);
    assert_eq!(unhandled.take(), [""; 0]);
}

#[test]
fn tasks_that_cleanups_create_for_ever_come_to_an_end_with_the_loop() {
    fn again(count: &Rc<Cell<u32>>) {
        let count = count.clone();
        create_task(async move {
            let _guard = with_cleanup(count, async |count| {
                count.set(count.get() + 1);
                again(&count);
            });
            pending::<()>().await;
        })
        .detach();
    }
    let (builder, _unhandled) = builder();
    let count = Rc::new(Cell::new(0));
    builder.run(async {
        again(&count);
        yield_now().await;
    });
    assert!((1..1000).contains(&count.get()), "{}", count.get());
}

#[test]
fn tasks_that_a_cleanup_has_created_are_cut_off_with_it() {
    let (builder, unhandled) = builder();
    let value = Rc::new(());
    builder.run(async {
        let value = value.clone();
        create_task(async move {
            let _guard = with_cleanup(value, async |value| {
                let stuck = create_task(async move {
                    pending::<()>().await;
                    drop(value);
                });
                drop(stuck.await);
            });
            pending::<()>().await;
        })
        .detach();
        yield_now().await;
    });
    assert_eq!(Rc::strong_count(&value), 1);
    assert_eq!(unhandled.take().len(), 1);
}
