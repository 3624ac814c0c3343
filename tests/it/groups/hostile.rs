//! Groups in difficult situations: dropped, leaked and moved half way, with handles that live
//! longer.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::fmt;
use std::future::{pending, poll_fn, ready};
use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use futures::FutureExt as _;

use oneloop::task::Ready;
use oneloop::{
    Builder, Group, Runtime, Task, TaskRef, all_tasks, create_task, current_task, sleep,
    task_group, time, timeout, with_cleanup, yield_now,
};

use crate::cleanups::Log;

const SECOND: Duration = Duration::from_secs(1);

pub(super) type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;

/// Calls `f` when dropped.
pub(super) struct OnDrop<F: FnMut()>(pub(super) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Polls `future` once. It must wait.
pub(super) async fn poll_once<F: Future + ?Sized>(future: &mut Pin<Box<F>>) {
    poll_fn(|cx| {
        assert!(future.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
}

pub(super) fn names() -> Vec<String> {
    all_tasks().iter().map(TaskRef::name).collect()
}

// Dropped half way.

#[oneloop::test(virtual_time)]
async fn a_dropped_group_waits_for_the_cleanups_of_a_child_that_still_waits() {
    let log = Log::default();
    let start = time::now();
    let group = task_group(async |group| {
        group.create_task(async {
            drop(with_cleanup(log.clone(), async |log| {
                sleep(3 * SECOND).await;
                log.add("clean");
            }));
            pending::<()>().await;
        });
    });
    assert!(timeout(SECOND, group).await.is_err());
    assert_eq!(log.take(), ["clean"]);
    assert_eq!(time::now() - start, 3 * SECOND);
    assert_eq!(names(), ["main"]);
}

#[oneloop::test(virtual_time)]
async fn the_wait_for_a_dropped_group_lasts_as_long_as_its_childs_cleanups_may() {
    let (log, start) = (Log::default(), time::now());
    let group = task_group(async |group| {
        group.create_task(async {
            for name in ["first", "second"] {
                drop(with_cleanup(log.clone(), async move |log| {
                    sleep(4 * SECOND).await;
                    log.add(name);
                }));
            }
        });
        pending::<()>().await;
    });
    assert!(timeout(SECOND, group).await.is_err());
    assert_eq!(log.take(), ["first", "second"], "each within its 5 seconds");
    assert_eq!(time::now() - start, 8 * SECOND);
}

#[test]
fn a_group_may_be_dropped_between_two_runs_of_its_loop() {
    let mut runtime = Builder::new().virtual_time(true).build().unwrap();
    let dropped = Rc::new(Cell::new(0));
    let handle = Rc::new(RefCell::new(None));
    let (inner, place) = (dropped.clone(), handle.clone());
    let mut group: Boxed<()> = Box::pin(task_group(async move |group| {
        let (count, tick) = (inner.clone(), inner);
        *place.borrow_mut() = Some(group.create_task(async move {
            let _on_drop = OnDrop(|| count.set(count.get() + 1));
            sleep(SECOND).await;
        }));
        group.create_task(async move {
            let _on_drop = OnDrop(|| tick.set(tick.get() + 1));
            pending::<()>().await;
        });
        pending::<()>().await;
    }));
    runtime.run(async {
        poll_once(&mut group).await;
        yield_now().await;
        poll_once(&mut group).await;
        assert_eq!(names().len(), 3);
    });
    drop(group);
    assert_eq!(dropped.get(), 2);
    runtime.run(async {
        // Another group takes the place of the first; a wake of a child of the first must not reach
        // it.
        let start = time::now();
        task_group(async |group| {
            group.create_task(sleep(2 * SECOND));
            group.create_task(sleep(2 * SECOND));
        })
        .await;
        assert_eq!(time::now() - start, 2 * SECOND);
        let task: Task<()> = handle.take().unwrap();
        assert!(timeout(SECOND, task).await.unwrap().unwrap_err().is_cancelled());
        assert_eq!(names(), ["main"]);
    });
}

#[oneloop::test(virtual_time)]
async fn a_group_drops_each_future_once_in_whichever_state_it_is_dropped() {
    let dropped = Cell::new(0);
    // Before the first poll there are no children. Later some wait, are held back, clean up, or
    // have not begun.
    for polls in 0..4 {
        dropped.set(0);
        let created = Cell::new(0);
        let child = async |seconds| {
            let _on_drop = OnDrop(|| dropped.set(dropped.get() + 1));
            let _guard = with_cleanup((), async |()| sleep(SECOND).await);
            sleep(seconds * SECOND).await;
        };
        let mut group = Box::pin(task_group(async |group| {
            group.set_limit(2);
            for seconds in 0..4 {
                let counted = child(seconds);
                group.create_task(async {
                    created.set(created.get() + 1);
                    counted.await;
                });
                yield_now().await;
            }
            pending::<()>().await;
        }));
        for _ in 0..polls {
            poll_once(&mut group).await;
            sleep(SECOND / 2).await;
        }
        drop(group);
        assert_eq!(dropped.get(), created.get(), "after {polls} polls");
        sleep(10 * SECOND).await;
        assert_eq!(names(), ["main"], "after {polls} polls");
    }
}

#[oneloop::test(virtual_time)]
async fn ten_thousand_children_go_with_their_group() {
    let dropped = Rc::new(Cell::new(0));
    let count = dropped.clone();
    let mut group: Boxed<()> = Box::pin(task_group(async move |group| {
        for _ in 0..10_000 {
            let count = count.clone();
            let on_drop = OnDrop(move || count.set(count.get() + 1));
            group.create_task(async move {
                let _on_drop = on_drop;
                pending::<()>().await;
            });
        }
    }));
    poll_once(&mut group).await;
    drop(group);
    assert_eq!(dropped.get(), 10_000);
    assert_eq!(names(), ["main"]);
}

#[test]
fn a_leaked_groups_handles_are_cancelled_with_the_loop() {
    let kept = Rc::new(Cell::new(None));
    oneloop::run(async {
        let place = Rc::new(Cell::new(None));
        let inner = place.clone();
        let mut group: Boxed<()> = Box::pin(task_group(async move |group| {
            inner.set(Some(group.create_task(async {
                pending::<()>().await;
                Ok(Rc::new(1))
            })));
            pending::<()>().await;
        }));
        poll_once(&mut group).await;
        #[expect(clippy::mem_forget, reason = "that is what is tested")]
        mem::forget(group);
        let handle: Task<Rc<i32>> = place.take().unwrap();
        assert!(handle.cancel(), "it is asked");
        yield_now().await;
        assert!(!handle.is_finished(), "but nobody polls its group");
        kept.set(Some(handle));
    });
    let handle = kept.take().unwrap();
    assert!(handle.is_finished() && !handle.cancel());
    let error = oneloop::run(handle).unwrap_err();
    assert!(error.is_cancelled());
}

#[test]
fn a_group_goes_on_in_a_later_run_of_its_loop() {
    let mut runtime = Builder::new().virtual_time(true).build().unwrap();
    let mut group: Boxed<u32> = Box::pin(async {
        let result = task_group(async |group| -> Result<u32, &str> {
            let one = group.create_task(async {
                sleep(SECOND).await;
                Ok(1)
            });
            Ok(one.await.unwrap())
        });
        result.await.unwrap()
    });
    runtime.run(poll_once(&mut group));
    runtime.run(yield_now());
    assert_eq!(runtime.run(group), 1);
}

#[test]
fn a_group_polled_on_another_loop_says_where_it_belongs_and_leaves_nothing() {
    let mut home = Builder::new().virtual_time(true).build().unwrap();
    let mut away = Runtime::new().unwrap();
    let place = Rc::new(RefCell::new(None));
    let (inner, value) = (place.clone(), Rc::new(()));
    let held = value.clone();
    let mut group: Boxed<()> = Box::pin(task_group(async move |group| {
        group.create_task(async move {
            sleep(SECOND).await;
            drop(held);
        });
        let late = group.clone();
        *inner.borrow_mut() = Some(move || drop(late.create_task(async {})));
        pending::<()>().await;
    }));
    home.run(poll_once(&mut group));
    let message = |payload: Box<dyn Any + Send>| *payload.downcast::<String>().unwrap();
    let panicked =
        catch_unwind(AssertUnwindSafe(|| away.run(async { place.borrow().as_ref().unwrap()() })));
    assert!(message(panicked.unwrap_err()).starts_with("this task group belongs to a `Runtime`"));
    let panicked = catch_unwind(AssertUnwindSafe(|| away.run(group)));
    assert!(message(panicked.unwrap_err()).starts_with("this task group belongs to a `Runtime`"));
    assert_eq!(Rc::strong_count(&value), 1, "the child was dropped with the group");
    home.run(async {
        sleep(2 * SECOND).await;
        assert_eq!(names(), ["main"]);
    });
}

#[oneloop::test(virtual_time)]
async fn a_group_may_move_to_another_task_half_way() {
    let log = Log::default();
    let inner = log.clone();
    let mut group: Boxed<()> = Box::pin(task_group(async move |group| {
        let log = inner.clone();
        group
            .create_task(async move {
                sleep(SECOND).await;
                log.add(current_task().unwrap().name());
            })
            .named("child");
        sleep(2 * SECOND).await;
        inner.add(current_task().unwrap().name());
        drop(with_cleanup(inner, async |log| log.add(current_task().unwrap().name())));
    }));
    poll_once(&mut group).await;
    create_task(group).named("other").await.unwrap();
    assert_eq!(log.take(), ["child", "other", "other"]);
}

// Handles.

#[oneloop::test(virtual_time)]
async fn a_group_handle_that_outlives_its_group_creates_cancelled_tasks() {
    let kept: Group<'_, Infallible> = {
        let place = Cell::new(None);
        task_group(async |group| place.set(Some(group))).await;
        place.take().unwrap()
    };
    assert!(kept.create_task(async {}).await.unwrap_err().is_cancelled());
    assert!(kept.try_create_task(async {}).is_err());
    assert!(kept.start(async |ready: Ready<()>| ready.set(())).await.is_err());
    kept.set_limit(1);
    assert_eq!((kept.len(), names().len()), (0, 1));

    // Dropped after exactly as many polls as end the group, before it has returned.
    for extra in 0..8 {
        let place = Rc::new(Cell::new(None));
        let inner = place.clone();
        let mut group: Boxed<()> = Box::pin(task_group(async move |group| {
            for _ in 0..60 + extra {
                group.create_task(async {});
            }
            inner.set(Some(group));
        }));
        let _ready = poll_fn(|cx| Poll::Ready(group.as_mut().poll(cx))).await;
        drop(group);
        let kept: Group<'_, Infallible> = place.take().unwrap();
        assert!(kept.create_task(async {}).await.unwrap_err().is_cancelled(), "{extra}");
    }
}

#[test]
fn a_group_handle_that_outlives_its_loop_can_be_cancelled_and_dropped() {
    let place = Rc::new(RefCell::new(None));
    let inner = place.clone();
    oneloop::run(task_group(async move |group| {
        group.create_task(async {});
        *inner.borrow_mut() = Some(group);
    }));
    let group: Group<'static, Infallible> = place.take().unwrap();
    group.cancel();
    assert!(group.is_cancelled() && group.is_empty());
    assert_eq!(format!("{group:?}"), "Group { len: 0, is_cancelled: true, .. }");
}

#[oneloop::test(virtual_time)]
async fn a_body_whose_call_panics_leaves_no_child() {
    let place = Cell::new(None);
    let value = Rc::new(());
    let held = value.clone();
    let group = task_group(|group: Group<'_, Infallible>| {
        place.set(Some(group.create_task(async move { drop(held) })));
        assert!(group.is_empty(), "boom");
        ready(())
    });
    let payload = AssertUnwindSafe(group).catch_unwind().await.unwrap_err();
    assert_eq!(*payload.downcast_ref::<&str>().unwrap(), "boom");
    assert_eq!(Rc::strong_count(&value), 1);
    assert!(place.take().unwrap().await.unwrap_err().is_cancelled());
    assert_eq!(names(), ["main"]);
}

#[oneloop::test(virtual_time)]
async fn a_child_that_awaits_its_own_handle_says_so_and_its_group_ends() {
    let place = Rc::new(Cell::new(None));
    let inner = place.clone();
    let group = task_group(async |group| {
        let child: Task<()> = group.create_task(async move {
            let own: Task<()> = inner.take().unwrap();
            own.await.unwrap();
        });
        place.set(Some(child));
    });
    let payload = AssertUnwindSafe(group).catch_unwind().await.unwrap_err();
    assert!(payload.downcast_ref::<String>().unwrap().contains("awaits itself"));
    assert_eq!(names(), ["main"]);
}

#[oneloop::test(virtual_time)]
async fn a_child_is_cancelled_from_another_thread_by_a_sibling_or_while_it_is_held_back() {
    let ran = Cell::new(0);
    task_group(async |group| {
        group.set_limit(1);
        let first = group.create_task(pending::<()>());
        let held = group.create_task(async { ran.set(ran.get() + 1) });
        let last = group.create_task(async { ran.set(ran.get() + 1) });
        assert!(held.cancel());
        assert!(held.await.unwrap_err().is_cancelled());
        assert_eq!(group.len(), 2);
        let handle = &first;
        thread::scope(|scope| {
            scope.spawn(move || assert!(handle.cancel()));
        });
        assert!(first.await.unwrap_err().is_cancelled());
        last.await.unwrap();
        assert_eq!(ran.get(), 1);

        group.set_limit(10);
        let victim = Rc::new(Cell::new(None));
        let inner = victim.clone();
        let sibling = group.create_task(async move {
            let victim: Task<()> = inner.take().unwrap();
            assert!(victim.cancel());
            assert!(!victim.is_finished(), "it is dropped in its own turn");
            assert!(victim.await.unwrap_err().is_cancelled());
        });
        victim.set(Some(group.create_task(async { ran.set(10) })));
        sibling.await.unwrap();
        assert_eq!(ran.get(), 1, "the victim has never begun");
        let me = group.create_task(async {
            current_task().unwrap().cancel();
            Ok("its output counts")
        });
        assert_eq!(me.await.unwrap(), "its output counts");
    })
    .await;
}

#[oneloop::test(virtual_time)]
async fn held_children_that_are_cancelled_neither_start_nor_take_a_place() {
    let order = RefCell::new(Vec::new());
    task_group(async |group| {
        group.set_limit(1);
        let handles: Vec<_> = (0..6)
            .map(|number| {
                let order = &order;
                group.create_task(async move {
                    order.borrow_mut().push(number);
                    sleep(SECOND).await;
                })
            })
            .collect();
        for number in [1, 3, 4] {
            handles[number].cancel();
        }
        sleep(SECOND / 2).await;
        // New children take the entries of the former ones.
        for number in 6..9 {
            let order = &order;
            group.create_task(async move {
                order.borrow_mut().push(number);
                sleep(SECOND).await;
            });
        }
    })
    .await;
    assert_eq!(order.into_inner(), [0, 2, 5, 6, 7, 8]);
}

#[oneloop::test(virtual_time)]
async fn a_child_that_has_just_cleaned_is_not_mistaken_for_who_has_its_slot_now() {
    for drops in [true, false] {
        let place = Rc::new(RefCell::new(None));
        let inner = place.clone();
        let mut group: Boxed<()> = Box::pin(task_group(async move |group| {
            group.create_task(async {
                drop(with_cleanup((), async |()| sleep(SECOND).await));
            });
            *inner.borrow_mut() = Some(group.clone());
            pending::<()>().await;
        }));
        poll_once(&mut group).await;
        let before = names().len();
        sleep(2 * SECOND).await;
        assert_eq!(names().len(), before - 1, "the child has ended, and its group has not seen it");
        let others: Vec<_> = (0..3).map(|_| create_task(sleep(SECOND))).collect();
        let kept: Group<'static, Infallible> = place.take().unwrap();
        if drops {
            drop(group);
        } else {
            kept.cancel();
        }
        for other in others {
            other.await.unwrap();
        }
    }
}

/// Drops a group by a time limit while one child has failed and another one cleans up. Returns the
/// reports.
fn reported_of_dropped_group<E: fmt::Debug + 'static>(
    fail: impl Fn() -> Result<(), E>,
    keeps_handle: bool,
) -> Vec<String> {
    let log = Rc::new(RefCell::new(Vec::new()));
    let seen = log.clone();
    let hook = move |u: &oneloop::Unhandled| seen.borrow_mut().push(u.to_string());
    Builder::new().virtual_time(true).on_unhandled(hook).run(async {
        let group = task_group(async |group| -> Result<(), E> {
            group.create_task(async {
                let _guard = with_cleanup((), async |()| sleep(2 * SECOND).await);
                pending::<()>().await;
            });
            let failing = group.create_task(async { fail() }).named("failing");
            let _kept = keeps_handle.then_some(failing);
            pending().await
        });
        assert!(timeout(SECOND, group).await.is_err());
        sleep(10 * SECOND).await;
    });
    log.take()
}

#[test]
fn what_a_dropped_group_had_to_tell_is_reported_once() {
    #[derive(Debug)]
    struct Custom;
    for keeps_handle in [false, true] {
        let reported = [
            reported_of_dropped_group(|| Err("no route"), keeps_handle),
            reported_of_dropped_group(|| Err(io::Error::other("no route")), keeps_handle),
            reported_of_dropped_group(|| Err(Custom), keeps_handle),
            reported_of_dropped_group(|| -> Result<(), ()> { panic!("boom") }, keeps_handle),
        ];
        for (lines, says) in reported.iter().zip(["no route", "no route", "Custom", "boom"]) {
            let [line] = &lines[..] else { panic!("{says}, {keeps_handle}: {lines:?}") };
            assert!(line.contains("`failing`") && line.contains(says), "{line}");
        }
    }
}

#[test]
fn errors_beside_a_panic_are_reported() {
    let log = Rc::new(RefCell::new(Vec::new()));
    let seen = log.clone();
    let hook = move |u: &oneloop::Unhandled| seen.borrow_mut().push(u.to_string());
    let builder = Builder::new().virtual_time(true).on_unhandled(hook);
    let run = || {
        builder.run(async {
            let group = task_group(async |group| -> Result<(), &str> {
                group.create_task(async { Err::<(), _>("first") });
                group.create_task(async { panic!("second") });
                group.create_task(async { panic!("third") });
                pending().await
            });
            drop(group.await);
        });
    };
    assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
    let reported = log.take();
    assert_eq!(reported.len(), 2, "{reported:?}");
    assert!(reported[0].contains("third") && reported[1].contains("first"), "{reported:?}");
}
