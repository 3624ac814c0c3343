//! Waiting for the first of several: `select!`, the races, `wait`, and sets of tasks.

use std::future::{pending, ready};
use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use oneloop::task::All;
use oneloop::{TaskSet, as_completed, create_task, first_ok, race, select, wait, yield_now};
use oneloop_benches::bench;

fn selects(criterion: &mut Criterion) {
    bench(criterion, "select! of 3, the third is ready", async || {
        let output = select! {
            output = pending::<u32>() => output,
            () = pending() => 0,
            output = ready(black_box(1)) => output,
        };
        black_box(output);
    });
    bench(criterion, "select! of 3 in random order, the third is ready", async || {
        let output = select! {
            random;
            output = pending::<u32>() => output,
            () = pending() => 0,
            output = ready(black_box(1)) => output,
        };
        black_box(output);
    });
    bench(criterion, "select! of 3, the third yields once", async || {
        select! {
            () = pending() => {}
            () = pending() => {}
            () = yield_now() => {}
        }
    });
}

async fn numbered(number: u32) -> u32 {
    yield_now().await;
    number
}

fn races(criterion: &mut Criterion) {
    bench(criterion, "race of 10 that yield once", async || {
        black_box(race((0..10).map(numbered)).await);
    });
    bench(criterion, "first_ok of 10 of which the last succeeds", async || {
        let attempts = (0..10).map(|number| ready(if number == 9 { Ok(number) } else { Err(()) }));
        black_box(first_ok(attempts).await).expect("the last one succeeds");
    });
    bench(criterion, "as_completed of 1000 that yield once", async || {
        let mut outputs = as_completed((0..1000).map(numbered));
        while let Some(output) = outputs.next().await {
            black_box(output);
        }
    });
}

const MANY: u32 = 10_000;

fn tasks(criterion: &mut Criterion) {
    bench(criterion, "wait for all of 10000 tasks that yield once", async || {
        let mut tasks: Vec<_> = (0..MANY).map(|number| create_task(numbered(number))).collect();
        for task in wait(&mut tasks, All).await {
            black_box(task.await).expect("it only yields");
        }
    });
    bench(criterion, "TaskSet of 10000 tasks that yield once", async || {
        let mut tasks = TaskSet::new();
        for number in 0..MANY {
            tasks.create_task(numbered(number));
        }
        while let Some(result) = tasks.next().await {
            black_box(result).expect("it only yields");
        }
    });
    bench(criterion, "TaskSet of 100 tasks, 10000 one after another", async || {
        let mut tasks = TaskSet::new();
        for number in 0..MANY {
            if number >= 100 {
                black_box(tasks.next().await);
            }
            tasks.create_task(numbered(number));
        }
        tasks.cancel_and_wait(Duration::from_secs(5)).await;
    });
}

criterion_group! {
    name = waiting;
    config = oneloop_benches::criterion();
    targets = selects, races, tasks
}
criterion_main!(waiting);
