//! Locks and similar primitives: their cost without waiters, and the cost of handing them over.

use std::rc::Rc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use oneloop::sync::{
    Barrier, CapacityLimiter, Condition, Event, Lock, OnceCell, RwLock, Semaphore, WaitQueue,
};
use oneloop::{create_task, gather, yield_now};
use oneloop_benches::{bench, timed};

/// How many tasks share a primitive.
const TASKS: usize = 8;

fn uncontended(criterion: &mut Criterion) {
    let lock = Lock::new(0_u64);
    bench(criterion, "lock and unlock", async || *lock.lock().await += 1);
    let lock = Rc::new(lock);
    bench(criterion, "lock and unlock with an owned guard", async || {
        *Rc::clone(&lock).lock_owned().await += 1;
    });
    let lock = RwLock::new(0_u64);
    bench(criterion, "lock for reading and unlock", async || {
        let value = lock.read().await;
        assert_eq!(*value, 0);
    });
    let semaphore = Semaphore::new(1);
    bench(criterion, "acquire and release a permit", async || drop(semaphore.acquire().await));
    let limiter = CapacityLimiter::new(1);
    bench(criterion, "borrow and give back a token", async || drop(limiter.acquire().await));
    let event = Event::new();
    event.set();
    bench(criterion, "wait for an event that is set", async || event.wait().await);
    let cell = OnceCell::from(1);
    bench(criterion, "get what a cell has", async || {
        assert_eq!(*cell.get_or_init(async || 2).await, 1);
    });
}

/// Measures `count` rounds, in each of which `TASKS` tasks call `body` once.
fn shared<S: 'static>(
    criterion: &mut Criterion,
    name: &str,
    make: impl Fn() -> S,
    body: impl AsyncFn(&S) + Copy + 'static,
) {
    criterion.bench_function(name, |bencher| {
        bencher.iter_custom(|count| {
            oneloop::run(async {
                let shared = Rc::new(make());
                let work = async || {
                    let tasks = (0..TASKS).map(|_| {
                        let shared = Rc::clone(&shared);
                        create_task(async move {
                            for _ in 0..count {
                                body(&shared).await;
                            }
                        })
                    });
                    let tasks: Vec<_> = tasks.collect();
                    gather(tasks).await;
                };
                timed(1, work).await
            })
        });
    });
}

fn contended(criterion: &mut Criterion) {
    let locks = async |lock: &Lock<u64>| {
        let mut value = lock.lock().await;
        yield_now().await;
        *value += 1;
    };
    shared(criterion, "8 tasks that lock in turn", || Lock::new(0_u64), locks);
    let acquires = async |semaphore: &Semaphore| {
        let _permit = semaphore.acquire().await;
        yield_now().await;
    };
    shared(criterion, "8 tasks that share 3 permits", || Semaphore::new(3), acquires);
    let waits = async |barrier: &Barrier| assert!(barrier.wait().await.is_ok());
    shared(criterion, "8 tasks that meet at a barrier", || Barrier::new(TASKS), waits);
}

/// Measures `call`, while another task repeatedly waits with `wait`.
fn answered<S: 'static>(
    criterion: &mut Criterion,
    name: &str,
    make: impl Fn() -> S,
    wait: impl AsyncFn(&S) + Copy + 'static,
    call: impl AsyncFn(&S) + Copy,
) {
    criterion.bench_function(name, |bencher| {
        bencher.iter_custom(|count| -> Duration {
            oneloop::run(async {
                let shared = Rc::new(make());
                let other = Rc::clone(&shared);
                let waiter = create_task(async move {
                    loop {
                        wait(&other).await;
                    }
                });
                yield_now().await;
                let time = timed(count, async || {
                    call(&shared).await;
                    yield_now().await;
                });
                let time = time.await;
                waiter.cancel();
                time
            })
        });
    });
}

fn waking(criterion: &mut Criterion) {
    let call = async |event: &Event| {
        event.set();
        event.clear();
    };
    answered(
        criterion,
        "set an event for which one waits",
        Event::new,
        async |e: &Event| e.wait().await,
        call,
    );
    let call = async |queue: &WaitQueue| assert!(queue.wake_one());
    answered(
        criterion,
        "wake one that waits",
        WaitQueue::new,
        async |q: &WaitQueue| q.wait().await,
        call,
    );
    let wait = async |(lock, condition): &(Lock<()>, Condition)| {
        drop(condition.wait(lock.lock().await).await);
    };
    let call = async |(_, condition): &(Lock<()>, Condition)| assert!(condition.notify_one());
    let make = || (Lock::new(()), Condition::new());
    answered(criterion, "notify one that waits for a condition", make, wait, call);
}

criterion_group! {
    name = sync;
    config = oneloop_benches::criterion();
    targets = uncontended, contended, waking
}
criterion_main!(sync);
