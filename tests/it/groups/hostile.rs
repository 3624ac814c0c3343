//! Groups in bad company: dropped, leaked and moved half way, with children and wakers that come back into the group.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use oneloop::{
    Builder, Task, TaskRef, all_tasks, sleep, task_group, time, timeout, with_cleanup, yield_now,
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
async fn poll_once<T>(future: &mut Boxed<T>) {
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
