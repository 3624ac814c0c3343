//! Groups in bad company: dropped, leaked and moved half way, with children and wakers that come back into the group.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures::FutureExt as _;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;

use oneloop::{
    Builder, Group, Runtime, Task, TaskRef, all_tasks, create_task, current_task, gather, sleep,
    task_group, time, timeout, with_cleanup, yield_now,
};

use crate::cleanups::Log;

const SECOND: Duration = Duration::from_secs(1);

type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;

/// Calls `f` when dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Polls `future` once; it is expected to wait.
async fn poll_once<F: Future + ?Sized>(future: &mut Pin<Box<F>>) {
    poll_fn(|cx| {
        assert!(future.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
}

fn names() -> Vec<String> {
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
        // Another group takes the place of the first; a wake of a child of the first must not reach it.
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
    // Before the first poll there is nothing; later there are those that wait, are held back, clean, or have not begun.
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
    let handle = oneloop::run(async {
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
        handle
    });
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
            let _held = held;
            sleep(SECOND).await;
        });
        let late = group.clone();
        *inner.borrow_mut() = Some(move || drop(late.create_task(async {})));
        pending::<()>().await;
    }));
    home.run(poll_once(&mut group));
    let message = |payload: Box<dyn std::any::Any + Send>| *payload.downcast::<String>().unwrap();
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
    let kept: Group<'_, std::convert::Infallible> = {
        let place = Cell::new(None);
        task_group(async |group| place.set(Some(group))).await;
        place.take().unwrap()
    };
    assert!(kept.create_task(async {}).await.unwrap_err().is_cancelled());
    assert!(kept.try_create_task(async {}).is_err());
    assert!(kept.start(async |ready: oneloop::task::Ready<()>| ready.set(())).await.is_err());
    kept.set_limit(1);
    assert_eq!((kept.len(), names().len()), (0, 1));

    // Dropped after just so many polls that the group has ended, but has not yet said so.
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
        let kept: Group<'_, std::convert::Infallible> = place.take().unwrap();
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
    let group: Group<'static, std::convert::Infallible> = place.take().unwrap();
    group.cancel();
    assert!(group.is_cancelled() && group.is_empty());
    assert_eq!(format!("{group:?}"), "Group { len: 0, is_cancelled: true, .. }");
}

#[oneloop::test(virtual_time)]
async fn a_body_whose_call_panics_leaves_no_child() {
    let place = Cell::new(None);
    let value = Rc::new(());
    let held = value.clone();
    let group = task_group(|group: Group<'_, std::convert::Infallible>| {
        place.set(Some(group.create_task(async move { drop(held) })));
        assert!(group.is_empty(), "boom");
        std::future::ready(())
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
        std::thread::scope(|scope| {
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
        // New ones take the entries of those that are gone.
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

// Drops that come back into the group.

#[oneloop::test(virtual_time)]
async fn a_childs_drop_may_create_children_cancel_the_group_and_drop_handles() {
    for way in 0..3 {
        let handles = Rc::new(RefCell::new(Vec::new()));
        let refused = Rc::new(Cell::new(0));
        let mut group: Boxed<()> = Box::pin({
            let (handles, refused) = (handles.clone(), refused.clone());
            task_group(async move |group| {
                for _ in 0..5 {
                    let (group_of_child, handles_of_child, refused) =
                        (group.clone(), handles.clone(), refused.clone());
                    let on_drop = OnDrop(move || {
                        group_of_child.cancel();
                        let late = group_of_child.create_task(async { unreachable!("closed") });
                        refused.set(refused.get() + usize::from(late.is_finished()));
                        handles_of_child.borrow_mut().pop();
                        group_of_child.set_limit(1);
                    });
                    handles.borrow_mut().push(group.create_task(async move {
                        let _on_drop = on_drop;
                        pending::<()>().await;
                    }));
                }
                group.cancelled().await;
            })
        });
        poll_once(&mut group).await;
        match way {
            0 => drop(group),
            1 => {
                handles.borrow()[0].cancel();
                group.await;
            }
            _ => assert!(timeout(SECOND, group).await.is_err()),
        }
        assert_eq!((refused.get(), handles.borrow().len()), (5, 0), "{way}");
        assert_eq!(names(), ["main"]);
    }
}

#[oneloop::test(virtual_time)]
async fn of_children_whose_drops_panic_each_is_dropped_and_the_first_panic_counts() {
    let dropped = Rc::new(Cell::new(0));
    let make = || -> Boxed<()> {
        let dropped = dropped.clone();
        Box::pin(task_group(async move |group| {
            for number in 0..5 {
                let dropped = dropped.clone();
                let on_drop = OnDrop(move || {
                    dropped.set(dropped.get() + 1);
                    std::panic::panic_any(number);
                });
                group.create_task(async move {
                    let _on_drop = on_drop;
                    pending::<()>().await;
                });
            }
            group.cancelled().await;
        }))
    };
    let mut group = make();
    poll_once(&mut group).await;
    let payload = catch_unwind(AssertUnwindSafe(|| drop(group))).unwrap_err();
    assert_eq!((*payload.downcast_ref::<i32>().unwrap(), dropped.take()), (0, 5));

    let mut group = make();
    poll_once(&mut group).await;
    let unwinding = catch_unwind(AssertUnwindSafe(move || {
        let _group = group;
        panic!("outer");
    }));
    assert_eq!(*unwinding.unwrap_err().downcast_ref::<&str>().unwrap(), "outer");
    assert_eq!(dropped.take(), 5);
    assert_eq!(names(), ["main"]);
}

// Wakers and fairness.

/// Wakes through it come back into a group, once each.
struct Hostile {
    wakes: AtomicUsize,
    is_armed: AtomicBool,
}

thread_local! {
    static COME_BACK: RefCell<Option<Rc<dyn Fn()>>> = const { RefCell::new(None) };
}

impl Wake for Hostile {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::Relaxed);
        if self.is_armed.swap(false, Ordering::Relaxed) {
            let come_back = COME_BACK.with_borrow(Clone::clone);
            come_back.unwrap()();
            self.is_armed.store(true, Ordering::Relaxed);
        }
    }
}

#[oneloop::test(virtual_time)]
async fn a_foreign_waker_may_create_children_and_cancel_the_group_when_it_is_woken() {
    for cancels in [false, true] {
        let hostile =
            Arc::new(Hostile { wakes: AtomicUsize::new(0), is_armed: AtomicBool::new(true) });
        let waker = Waker::from(hostile.clone());
        let ran = Rc::new(Cell::new(0));
        let place = Rc::new(RefCell::new(None));
        let (inner, count) = (place.clone(), ran.clone());
        let mut group: Boxed<()> = Box::pin(task_group(async move |group| {
            *inner.borrow_mut() = Some(group.clone());
            group.create_task(async move {
                sleep(SECOND).await;
                count.set(count.get() + 1);
            });
            pending::<()>().await;
        }));
        let mut cx = Context::from_waker(&waker);
        assert!(group.as_mut().poll(&mut cx).is_pending());
        let kept: Group<'static, std::convert::Infallible> = place.take().unwrap();
        let (again, count) = (kept.clone(), ran.clone());
        COME_BACK.set(Some(Rc::new(move || {
            let count = count.clone();
            again.create_task(async move { count.set(count.get() + 1) });
            if cancels {
                again.cancel();
            }
        })));
        kept.create_task(async {});
        sleep(2 * SECOND).await;
        assert!(hostile.wakes.load(Ordering::Relaxed) > 0);
        let before = kept.len();
        assert!(group.as_mut().poll(&mut cx).is_pending());
        assert!(before > 2 - usize::from(cancels) && kept.is_empty());
        assert_eq!(ran.get(), if cancels { 0 } else { 2 });
        drop(group);
        drop(kept);
        COME_BACK.set(None);
        assert_eq!(names(), ["main"]);
    }
}

#[oneloop::test(virtual_time)]
async fn a_child_that_is_always_ready_starves_nobody() {
    let turns = Rc::new(Cell::new(0));
    let outside = turns.clone();
    let other = create_task(async move {
        for _ in 0..10 {
            outside.set(outside.get() + 1);
            yield_now().await;
        }
    });
    let polls = Cell::new(0);
    task_group(async |group| {
        let busy = group.create_task(poll_fn(|cx| {
            polls.set(polls.get() + 1);
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        }));
        let sibling = group.create_task(async {
            for _ in 0..10 {
                yield_now().await;
            }
        });
        sibling.await.unwrap();
        other.await.unwrap();
        busy.cancel();
    })
    .await;
    assert_eq!(turns.get(), 10);
    assert!(polls.get() < 12 * 64, "{}", polls.get());
}

#[oneloop::test(virtual_time)]
async fn a_child_that_is_woken_while_it_becomes_ready_is_not_polled_again() {
    let polls = Cell::new(0);
    task_group(async |group| {
        for keep in [false, true] {
            let child = group.create_task(poll_fn(|cx| {
                polls.set(polls.get() + 1);
                cx.waker().wake_by_ref();
                Poll::Ready(())
            }));
            if keep {
                child.await.unwrap();
            }
        }
        // These take the slots of those.
        for _ in 0..10 {
            group.create_task(yield_now()).await.unwrap();
        }
    })
    .await;
    assert_eq!(polls.get(), 2);
    assert_eq!(names(), ["main"]);
}

#[oneloop::test(virtual_time)]
async fn after_each_poll_of_a_child_its_outer_task_is_current_again() {
    let name = || current_task().unwrap().name();
    let cleaned = Log::default();
    let outer = create_task({
        let cleaned = cleaned.clone();
        async move {
            let caught = AssertUnwindSafe(task_group(async |group| {
                group
                    .create_task(async {
                        yield_now().await;
                        let eager = oneloop::task::Builder::new().eager(true).name("eager");
                        let eager = eager.create_task(async move {
                            let first = name();
                            yield_now().await;
                            (first, name())
                        });
                        assert_eq!(name(), "child", "an eager task was polled inside");
                        let (first, second) = eager.await.unwrap();
                        assert_eq!((first.as_str(), second.as_str()), ("eager", "eager"));
                        drop(with_cleanup(cleaned.clone(), async move |log| log.add(name())));
                    })
                    .named("child");
                for _ in 0..5 {
                    assert_eq!(name(), "outer");
                    yield_now().await;
                }
                sleep(SECOND).await;
                group.create_task(async { panic!("boom") });
                drop(with_cleanup(cleaned.clone(), async move |log| log.add(name())));
                sleep(SECOND).await;
            }));
            assert!(caught.catch_unwind().await.is_err());
            assert_eq!(name(), "outer");
        }
    })
    .named("outer");
    outer.await.unwrap();
    assert_eq!(cleaned.take(), ["child", "outer"]);
}

// Combinators.

#[oneloop::test(virtual_time)]
async fn groups_inside_other_combinators_are_woken_by_their_children() {
    let make = |seconds: u32| {
        task_group(async move |group| {
            group.create_task(sleep(seconds * SECOND)).await.unwrap();
        })
    };
    let start = time::now();
    gather!(make(1), make(2)).await;
    assert_eq!(time::now() - start, 2 * SECOND);
    let mut groups: FuturesUnordered<_> = (1..4).map(make).collect();
    let mut ended = 0;
    while groups.next().await.is_some() {
        ended += 1;
        assert_eq!(time::now() - start, (2 + ended) * SECOND);
    }
    // As in `select!`: the loser is dropped half way.
    let slow = std::pin::pin!(make(10));
    let quick = std::pin::pin!(make(1));
    futures::future::select(slow, quick).await;
    assert_eq!(time::now() - start, 6 * SECOND);
    assert_eq!(ended, 3);
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
        let kept: Group<'static, std::convert::Infallible> = place.take().unwrap();
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
