//! The budget of a poll: a loop over operations that are always ready lets other tasks run soon.

#![expect(clippy::unwrap_used, reason = "these are tests, and their helpers")]

use std::cell::Cell;
use std::future::{Ready, pending, poll_fn, ready};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::future::select_all;
use futures::{FutureExt, StreamExt, stream};
use oneloop::net::{TcpStream, UdpSocket, lookup_host};
use oneloop::sync::{
    Barrier, CapacityLimiter, Condition, Event, Lock, OnceCell, Queue, RwLock, Semaphore,
    broadcast, channel, oneshot, promise, watch,
};
use oneloop::task::{CancelToken, TaskSet, unconstrained};
use oneloop::{
    Builder, ContextVar, Handle, Task, as_completed, create_task, first_ok, gather, interval, race,
    run, select, shield, sleep, staggered_race, task_group, thread, time, timeout, with_cleanup,
    yield_now,
};

const SECOND: Duration = Duration::from_secs(1);

/// Repeats `operation`, which is always ready, until another task has had its turn.
async fn check(name: &str, mut operation: impl AsyncFnMut()) {
    let other = create_task(async {});
    for done in 0.. {
        if other.is_finished() {
            return;
        }
        assert!(done <= 128, "{name} lets nobody else run");
        operation().await;
    }
}

#[oneloop::test(virtual_time)]
async fn locks_that_are_free_let_others_run() {
    let (lock, semaphore, event) = (Lock::new(0), Rc::new(Semaphore::new(1)), Event::new());
    let lock = Rc::new(lock);
    let (shared, limiter) = (RwLock::new(0), CapacityLimiter::new(1));
    let (cell, alone, condition) = (OnceCell::from(1), Barrier::new(1), Condition::new());
    event.set();
    check("`Lock::lock`", async || drop(lock.lock().await)).await;
    check("`Lock::lock_owned`", async || drop(Rc::clone(&lock).lock_owned().await)).await;
    check("`Semaphore::acquire`", async || drop(semaphore.acquire().await)).await;
    check("`acquire_many`", async || drop(semaphore.acquire_many(1).await)).await;
    check("`acquire_owned`", async || drop(Rc::clone(&semaphore).acquire_owned().await)).await;
    check("`RwLock::read`", async || drop(shared.read().await)).await;
    check("`RwLock::write`", async || drop(shared.write().await)).await;
    check("`CapacityLimiter`", async || drop(limiter.acquire().await)).await;
    check("`OnceCell`", async || assert_eq!(*cell.get_or_init(async || 2).await, 1)).await;
    check("`Event::wait`", async || event.wait().await).await;
    check("`Barrier::wait`", async || assert_eq!(alone.wait().await, Ok(0))).await;
    let mut guard = Some(lock.lock().await);
    check("`Condition::wait_for`", async || {
        guard = Some(condition.wait_for(guard.take().unwrap(), |_| true).await);
    })
    .await;
}

#[oneloop::test(virtual_time)]
async fn channels_that_hold_items_let_others_run() {
    let queue = Queue::unbounded();
    check("`Queue::put`", async || queue.put(1).await.unwrap()).await;
    (0..200).for_each(|item| queue.try_put(item).unwrap());
    check("`Queue::get`", async || {
        let _ = queue.get().await;
    })
    .await;
    (0..200).for_each(|item| queue.try_put(item).unwrap());
    check("`Queue::stream`", async || {
        let _ = queue.stream().next().await;
    })
    .await;
    let empty = Queue::<u8>::unbounded();
    check("`Queue::join`", async || empty.join().await).await;
    let (sender, mut receiver) = channel(200);
    check("`channel`, send", async || sender.send(1).await.unwrap()).await;
    let fill = || (0..300).take_while(|&item| sender.try_send(item).is_ok()).for_each(drop);
    fill();
    check("`channel`, recv", async || {
        let _ = receiver.recv().await;
    })
    .await;
    fill();
    check("`channel`, stream", async || {
        let _ = StreamExt::next(&mut receiver).await;
    })
    .await;
    let (news, mut reader) = broadcast::channel(256);
    (0..200).for_each(|item| assert!(news.send(item).is_ok()));
    check("`broadcast`", async || {
        let _ = reader.recv().await;
    })
    .await;
    let (state, mut seen) = watch::channel(0);
    check("`watch`, changed", async || {
        state.send(1);
        seen.changed().await.unwrap();
    })
    .await;
    check("`watch`, wait_for", async || drop(seen.wait_for(|_| true).await)).await;
    check("`oneshot`", async || {
        let (sender, receiver) = oneshot::channel();
        sender.send(1).unwrap();
        receiver.await.unwrap();
    })
    .await;
    let (resolver, promised) = promise();
    resolver.set_result(1).unwrap();
    check("`promise`", async || {
        let _ = promised.wait().await;
    })
    .await;
    let (sender, mut receiver) = thread::channel(200);
    check("`thread::channel`, send", async || sender.send_async(1).await.unwrap()).await;
    (0..300).take_while(|&item| sender.try_send(item).is_ok()).for_each(drop);
    check("`thread::channel`, recv", async || {
        let _ = receiver.recv().await;
    })
    .await;
}

#[oneloop::test(virtual_time)]
async fn futures_around_what_is_ready_let_others_run() {
    static VAR: ContextVar<u8> = ContextVar::new("var");
    check("`timeout`", async || timeout(SECOND, ready(())).await.unwrap()).await;
    check("`timeout` of nothing", async || {
        let _ = timeout(SECOND, async {}).await;
    })
    .await;
    check("`select!`", async || select! { () = ready(()) => {}, () = pending() => {} }).await;
    check("`race`", async || race([ready(())]).await).await;
    check("`gather`", async || drop(gather([ready(())]).await)).await;
    check("`gather!`", async || {
        let _ = oneloop::gather!(ready(()), ready(())).await;
    })
    .await;
    check("`task_group`", async || task_group(async |_| ()).await).await;
    check("`scope`", async || VAR.scope(1, ready(())).await).await;
    let (open, over) = (CancelToken::new(), CancelToken::new());
    over.cancel();
    check("`run_until_cancelled`", async || {
        let _ = open.run_until_cancelled(ready(())).await;
    })
    .await;
    check("`cancelled`", async || over.cancelled().await).await;
    let mut ended: Vec<_> = (0..200).map(|_| create_task(async {})).collect();
    yield_now().await;
    while !ended.iter().all(Task::is_finished) {
        yield_now().await;
    }
    check("a `Task`", async || ended.pop().unwrap().await.unwrap()).await;
    let mut set: TaskSet<()> = TaskSet::new();
    for _ in 0..200 {
        set.create_task(async {});
    }
    sleep(SECOND).await;
    check("`TaskSet::next`", async || drop(set.next().await)).await;
    let mut late = interval(Duration::from_nanos(1));
    sleep(SECOND).await;
    check("`interval`", async || {
        let _ = late.tick().await;
    })
    .await;
    check("`sleep` of nothing", async || sleep(Duration::ZERO).await).await;
    check("`sleep_until` the past", async || oneloop::sleep_until(time::now()).await).await;
}

#[oneloop::test(virtual_time)]
async fn attempts_shields_and_ended_sets_let_others_run() {
    check("`first_ok`", async || assert_eq!(first_ok([ready(Ok::<_, ()>(1))]).await, Ok(1))).await;
    check("`staggered_race`", async || {
        assert_eq!(staggered_race([ready(Ok::<_, ()>(1))], SECOND).await, Ok(1));
    })
    .await;
    check("`shield`", async || assert_eq!(shield(ready(1)).await, 1)).await;
    check("`Cleanup::finish`", async || with_cleanup((), async |()| ()).finish().await).await;
    let mut nothing = as_completed(Vec::<Ready<i32>>::new());
    check("`AsCompleted::next`", async || assert_eq!(nothing.next().await, None)).await;
    let mut tasks = TaskSet::<()>::new();
    check("`TaskSet::next`", async || assert!(tasks.next().await.is_none())).await;
    let mut elapsed = pin!(sleep(SECOND));
    elapsed.as_mut().await;
    check("an elapsed `Sleep`", async || elapsed.as_mut().await).await;
}

#[oneloop::test]
async fn addresses_that_need_no_lookup_let_others_run() {
    check("`lookup_host`", async || drop(lookup_host("127.0.0.1:80").await.unwrap())).await;
    check("`TcpStream::connect`", async || drop(TcpStream::connect("no port").await)).await;
    check("`UdpSocket::bind`", async || drop(UdpSocket::bind("127.0.0.1:0").await.unwrap())).await;
}

#[oneloop::test(virtual_time)]
async fn unconstrained_lifts_the_budget_for_its_future_alone() {
    let (queue, other) = (Queue::unbounded(), create_task(async {}));
    unconstrained(async {
        for item in 0..1000 {
            queue.put(item).await.unwrap();
        }
    })
    .await;
    assert!(!other.is_finished());
    check("what comes after it", async || queue.put(1).await.unwrap()).await;
}

#[oneloop::test(virtual_time)]
async fn what_waits_costs_nothing_so_that_each_of_many_is_polled() {
    let (queue, full) = (Queue::<u8>::unbounded(), Queue::new(1));
    let mut waiting: Vec<Pin<Box<dyn Future<Output = ()>>>> = Vec::new();
    for _ in 0..300 {
        waiting.push(Box::pin(async {
            let _ = queue.get().await;
        }));
    }
    waiting.push(Box::pin(async { full.put(1).await.unwrap() }));
    let mut all = pin!(select_all(waiting));
    let polled = poll_fn(|cx| Poll::Ready(all.as_mut().poll(cx))).await;
    let Poll::Ready(((), index, _)) = polled else { panic!("the last one is ready") };
    assert_eq!(index, 300);
}

/// The simplest executor.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
}

#[test]
fn without_a_loop_there_is_no_limit() {
    block_on(async {
        let queue = Queue::unbounded();
        let lock = Lock::new(0);
        for item in 0..10_000 {
            assert!(queue.put(item).now_or_never().is_some());
            assert!(lock.lock().now_or_never().is_some());
        }
    });
}

#[test]
fn an_executor_inside_a_task_gets_on() {
    run(async {
        let queue = Queue::unbounded();
        let sum = block_on(async {
            for item in 0..1000 {
                queue.put(item).await.unwrap();
            }
            let items = stream::iter(0..1000).then(async |_| queue.get().await.unwrap());
            items.fold(0, async |sum, item| sum + item).await
        });
        assert_eq!(sum, 499_500);
    });
}

#[test]
fn a_budget_is_over_with_its_run() {
    let queue = Queue::unbounded();
    run(async { while queue.put(1).now_or_never().is_some() {} });
    assert!(queue.put(1).now_or_never().is_some());
}

/// An old wake of this task is in the queue, before the wakes of others.
async fn with_an_old_wake() -> Rc<Cell<bool>> {
    poll_fn(|cx| {
        cx.waker().wake_by_ref();
        Poll::Ready(())
    })
    .await;
    let flag = Rc::new(Cell::new(false));
    let has_run = Rc::clone(&flag);
    create_task(async move { has_run.set(true) }).detach();
    flag
}

#[oneloop::test(virtual_time)]
async fn yield_now_lets_others_run_also_where_an_old_wake_is_left() {
    let other_has_run = with_an_old_wake().await;
    yield_now().await;
    assert!(other_has_run.get());
}

#[oneloop::test(virtual_time)]
async fn a_sleep_of_nothing_lets_others_run_also_where_an_old_wake_is_left() {
    let other_has_run = with_an_old_wake().await;
    sleep(Duration::ZERO).await;
    assert!(other_has_run.get());
    let other_has_run = with_an_old_wake().await;
    oneloop::sleep_until(time::now()).await;
    assert!(other_has_run.get());
}

/// `busy` yields on a loop that looks around after each poll, as if every poll took long.
fn goes_behind_what_a_look_finds(busy: impl AsyncFn()) {
    let has_run = Arc::new(AtomicBool::new(false));
    Builder::new().look_around_every(Duration::ZERO).run(async {
        // The first round begins as if polls were short.
        for _ in 0..100 {
            yield_now().await;
        }
        let flag = Arc::clone(&has_run);
        let create =
            move || create_task(async move { flag.store(true, Ordering::Relaxed) }).detach();
        Handle::current().call_soon_threadsafe(create).unwrap();
        busy().await;
        assert!(has_run.load(Ordering::Relaxed), "what a look around woke comes first");
    });
}

#[test]
fn where_polls_take_long_a_task_that_yields_goes_behind_what_the_next_look_finds() {
    goes_behind_what_a_look_finds(async || yield_now().await);
}

#[test]
fn so_does_a_busy_member_of_a_gather_or_a_group() {
    goes_behind_what_a_look_finds(async || {
        let _ = oneloop::gather!(yield_now(), yield_now()).await;
    });
    goes_behind_what_a_look_finds(async || {
        task_group(async |group| {
            group.create_task(async { yield_now().await });
        })
        .await;
    });
}

#[test]
fn a_task_that_yields_waits_for_one_look_only() {
    Builder::new().look_around_every(Duration::ZERO).run(async {
        let busy = create_task(async {
            loop {
                yield_now().await;
            }
        });
        for _ in 0..1000 {
            yield_now().await;
        }
        busy.cancel();
    });
}
