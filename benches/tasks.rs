//! Tasks: the cost of creating, awaiting and switching them, and of a loop itself.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use criterion::{Criterion, criterion_group, criterion_main};
use oneloop::{create_task, task, yield_now};
use oneloop_benches::{bench, timed};

fn create_and_await(criterion: &mut Criterion) {
    bench(criterion, "create and await a task", async || {
        create_task(async {}).await.expect("it does nothing");
    });
    bench(criterion, "create and await an eager task", async || {
        let task = task::Builder::new().eager(true).create_task(async {});
        task.await.expect("it does nothing");
    });
    bench(criterion, "create and await 1000 tasks that yield once", async || {
        let tasks: Vec<_> = (0..1000).map(|_| create_task(yield_now())).collect();
        for task in tasks {
            task.await.expect("it only yields");
        }
    });
}

fn yielding(criterion: &mut Criterion) {
    bench(criterion, "yield while nothing else is runnable", yield_now);
    criterion.bench_function("yield to 1000 tasks that yield", |bencher| {
        bencher.iter_custom(|count| {
            oneloop::run(async {
                for _ in 0..1000 {
                    create_task(yield_for_ever()).detach();
                }
                timed(count, yield_now).await
            })
        });
    });
}

async fn yield_for_ever() {
    loop {
        yield_now().await;
    }
}

fn ping_pong(criterion: &mut Criterion) {
    criterion.bench_function("ping-pong of two tasks", |bencher| {
        bencher.iter_custom(|count| {
            oneloop::run(async {
                let (there, back) = (Rc::new(Slot::default()), Rc::new(Slot::default()));
                let (from, to) = (there.clone(), back.clone());
                let other = async move {
                    loop {
                        from.take().await;
                        to.put();
                    }
                };
                create_task(other).detach();
                let bounce = async || {
                    there.put();
                    back.take().await;
                };
                timed(count, bounce).await
            })
        });
    });
}

/// A slot for one token, and the waker of the task that waits for it.
#[derive(Default)]
struct Slot {
    is_full: Cell<bool>,
    waiter: Cell<Option<Waker>>,
}

impl Slot {
    fn put(&self) {
        self.is_full.set(true);
        if let Some(waiter) = self.waiter.take() {
            waiter.wake();
        }
    }

    async fn take(&self) {
        poll_fn(|cx| {
            if self.is_full.take() {
                return Poll::Ready(());
            }
            self.waiter.set(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}

fn empty_run(criterion: &mut Criterion) {
    criterion.bench_function("make, run and end a loop", |bencher| {
        bencher.iter(|| oneloop::run(async {}));
    });
}

criterion_group! {
    name = tasks;
    config = oneloop_benches::criterion();
    targets = create_and_await, yielding, ping_pong, empty_run
}
criterion_main!(tasks);
