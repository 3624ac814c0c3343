//! Code that waits for tasks while groups are dropped, and values that cancelled tasks hold.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use oneloop::sync::{Lock, Queue, Semaphore};
use oneloop::task::{All, FirstCompleted};
use oneloop::{
    Builder, JoinError, Runtime, Task, TaskSet, all_tasks, create_task, gather, sleep, task_group,
    timeout, wait, with_cleanup, yield_now,
};

const MS: Duration = Duration::from_millis(1);

/// Polls `future` once.
async fn poll_once(future: impl Future) {
    let mut future = pin!(future);
    poll_fn(|cx| {
        assert!(future.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
}

#[oneloop::test(virtual_time)]
async fn children_of_a_group_that_is_dropped_end_after_their_cleanups_for_those_that_wait() {
    let clean = Rc::new(Cell::new(0));
    let (mut tasks, set) = (Vec::new(), RefCell::new(TaskSet::new()));
    let log = &clean;
    let handles = RefCell::new(&mut tasks);
    let group = task_group(async |group| {
        for index in 0..4 {
            let clean = log.clone();
            let child = group.create_task(async move {
                let _guard = with_cleanup(clean, async |clean| {
                    sleep(MS).await;
                    clean.set(clean.get() + 1);
                });
                if index < 2 { pending().await } else { sleep(2 * MS).await }
            });
            if index % 2 == 0 {
                handles.borrow_mut().push(child);
            } else {
                set.borrow_mut().add(child);
            }
        }
        pending::<()>().await;
    });
    let late = timeout(2 * MS + MS / 2, group).await;
    assert!(late.is_err());
    // The timeout has waited for all of them.
    assert_eq!(clean.get(), 4);
    let mut set = set.into_inner();
    let ended = wait(&mut tasks, All).await;
    let results = gather(ended).await;
    assert!(results[0].as_ref().is_err_and(JoinError::is_cancelled));
    assert!(results[1].is_ok());
    // The dropped children have left their cleanups to this task, and ended at once.
    assert!(set.next().await.unwrap().is_err());
    assert!(set.next().await.unwrap().is_ok());
    assert_eq!(all_tasks().len(), 1);
}

#[oneloop::test(virtual_time)]
async fn entries_of_a_wait_that_was_dropped_mean_nothing_to_the_next_group_or_gather() {
    let mut tasks: Vec<_> = (1..6).chain([1000]).map(|ms| create_task(sleep(ms * MS))).collect();
    for _ in 0..3 {
        poll_once(wait(&mut tasks, All)).await;
        let polls = Cell::new(0);
        let polls = &polls;
        // These have the ready lists of the dropped ones.
        task_group(async |group| {
            group.create_task(async move {
                polls.set(polls.get() + 1);
                sleep(MS).await;
                polls.set(polls.get() + 1);
            });
        })
        .await;
        assert_eq!(polls.get(), 2);
        poll_once(wait(&mut tasks, All)).await;
        gather([sleep(MS), sleep(MS)]).await;
        poll_once(wait(&mut tasks, All)).await;
        let mut set = TaskSet::new();
        set.create_task(sleep(MS / 2));
        assert!(set.next().await.unwrap().is_ok() && set.is_empty());
    }
    assert_eq!(wait(&mut tasks, FirstCompleted).await.len(), 5);
}

#[test]
fn those_who_wait_for_children_of_a_leaked_group_are_told_when_the_loop_ends() {
    let mut runtime = Runtime::new().unwrap();
    let [child] = runtime.run(async {
        let child = Rc::new(RefCell::new(None::<Task<()>>));
        let place = child.clone();
        let mut group = Box::pin(task_group(async move |group| {
            *place.borrow_mut() = Some(group.create_task(pending::<()>()));
            pending::<()>().await;
        }));
        poll_fn(|cx| Poll::Ready(group.as_mut().poll(cx).is_pending())).await;
        Box::leak(Box::new(group));
        let taken = child.borrow_mut().take();
        [taken.unwrap()]
    });
    let mut set = TaskSet::new();
    runtime.run(async { yield_now().await });
    runtime.run(async { set.add(child) });
    drop(runtime);
    assert!(oneloop::run(set.next()).unwrap().unwrap_err().is_cancelled());
}

#[oneloop::test(virtual_time)]
async fn what_a_cancelled_child_holds_comes_back_also_from_its_cleanup() {
    let lock = Rc::new(Lock::new(0));
    let permits = Semaphore::new(1);
    let queue = Queue::unbounded();
    queue.try_put(7).unwrap();
    let (lock, permits, queue) = (&lock, &permits, &queue);
    task_group(async |group| {
        let holder = group.create_task(async {
            let held = lock.clone().lock_owned().await;
            let _permit = permits.acquire().await;
            let _item = queue.get().await;
            let _guard = with_cleanup(held, async |mut held| {
                sleep(3 * MS).await;
                *held += 1;
            });
            pending::<()>().await;
        });
        let next = group.create_task(async {
            yield_now().await;
            let _permit = permits.acquire().await;
            *lock.lock().await += 1;
        });
        sleep(MS).await;
        assert!(holder.cancel_and_wait(10 * MS).await.is_err());
        assert_eq!(*lock.lock().await, 2);
        next.await.unwrap();
    })
    .await;
}

#[test]
fn a_child_is_cancelled_by_another_thread_while_its_group_runs() {
    oneloop::run(async {
        let clean = Rc::new(Cell::new(false));
        let log = clean.clone();
        task_group(async move |group| {
            let child = group.create_task(async move {
                let _guard = with_cleanup(log, async |log| {
                    yield_now().await;
                    log.set(true);
                });
                pending::<()>().await;
            });
            yield_now().await;
            thread::spawn(move || assert!(child.cancel())).join().unwrap();
        })
        .await;
        assert!(clean.get());
        assert_eq!(all_tasks().len(), 1);
    });
}

#[test]
fn a_loop_in_a_thread_local_ends_with_its_groups_and_cleanups() {
    thread_local! {
        static LOOP: RefCell<Option<Runtime>> = const { RefCell::new(None) };
    }
    let clean = Arc::new(AtomicBool::new(false));
    let log = clean.clone();
    let end = move || {
        let mut runtime = Builder::new().virtual_time(true).build().unwrap();
        runtime.run(async {
            create_task(task_group(async move |group| {
                group.create_task(async move {
                    let _guard = with_cleanup(log, async |log| {
                        task_group(async |group| {
                            group.create_task(sleep(MS));
                        })
                        .await;
                        log.store(true, Ordering::Relaxed);
                    });
                    pending::<()>().await;
                });
            }))
            .detach();
            sleep(MS).await;
        });
        LOOP.set(Some(runtime));
    };
    thread::spawn(end).join().unwrap();
    assert!(clean.load(Ordering::Relaxed));
}
