//! Groups whose children and wakers use the group itself, never rest, or are inside other
//! combinators.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures::FutureExt as _;
use futures::StreamExt as _;
use futures::future::select;
use futures::stream::FuturesUnordered;
use oneloop::{
    Group, create_task, current_task, gather, sleep, task, task_group, time, timeout, with_cleanup,
    yield_now,
};

use super::hostile::{Boxed, OnDrop, names, poll_once};
use crate::cleanups::Log;

const SECOND: Duration = Duration::from_secs(1);

// Drops that come back into the group.

#[oneloop::test(virtual_time, unhandled = "log")]
async fn an_error_whose_drop_panics_beside_a_panic_does_not_abort() {
    #[derive(Debug)]
    struct Hostile;
    impl Drop for Hostile {
        fn drop(&mut self) {
            panic!("in drop");
        }
    }
    let group = task_group(async |group| -> Result<(), Hostile> {
        group.create_task(async { Err::<(), _>(Hostile) });
        group.create_task(async { panic!("boom") });
        pending().await
    });
    let payload = AssertUnwindSafe(group).catch_unwind().await.unwrap_err();
    assert_eq!(*payload.downcast_ref::<&str>().unwrap(), "boom");
}

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

#[oneloop::test(virtual_time, unhandled = "log")]
async fn of_children_whose_drops_panic_each_is_dropped_and_the_first_panic_counts() {
    let dropped = Rc::new(Cell::new(0));
    let make = || -> Boxed<()> {
        let dropped = dropped.clone();
        Box::pin(task_group(async move |group| {
            for number in 0..5 {
                let dropped = dropped.clone();
                let on_drop = OnDrop(move || {
                    dropped.set(dropped.get() + 1);
                    panic_any(number);
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

/// Each wake through it comes back into a group once.
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
            come_back.expect("it is armed")();
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
        let kept: Group<'static, Infallible> = place.take().unwrap();
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
        // These take the slots of the former ones.
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
                        let eager = task::Builder::new().eager(true).name("eager");
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
    let slow = pin!(make(10));
    let quick = pin!(make(1));
    select(slow, quick).await;
    assert_eq!(time::now() - start, 6 * SECOND);
    assert_eq!(ended, 3);
}
