//! Timers: arming and cancelling them beside many others, time limits, and many sleeps.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use oneloop::time::Sleep;
use oneloop::{create_task, sleep, timeout, yield_now};
use oneloop_benches::{bench, timed};

fn arm_and_cancel(criterion: &mut Criterion) {
    criterion.bench_function("arm and cancel 1000 timers beside 10,000", |bencher| {
        bencher.iter_custom(|count| {
            oneloop::run(async {
                let hour = Duration::from_secs(3600);
                let mut others: Vec<Sleep> =
                    (0..10_000).map(|i| sleep(hour + Duration::from_millis(i))).collect();
                for other in &mut others {
                    arm(other).await;
                }
                timed(count, async || {
                    for i in 0..1000 {
                        arm(&mut sleep(Duration::from_millis(1000 + i))).await;
                    }
                    // Cancelling defers some work, which is part of its cost.
                    yield_now().await;
                })
                .await
            })
        });
    });
}

/// Polls a sleep once, which arms it.
async fn arm(sleep: &mut Sleep) {
    poll_fn(|cx| {
        assert!(Pin::new(&mut *sleep).poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
}

fn time_limits(criterion: &mut Criterion) {
    let limit = Duration::from_secs(1);
    bench(criterion, "timeout around a ready future", async || {
        timeout(limit, async {}).await.expect("it is ready");
    });
    bench(criterion, "timeout around a future that yields once", async || {
        timeout(limit, yield_now()).await.expect("it only yields");
    });
}

fn many_sleeps(criterion: &mut Criterion) {
    criterion.bench_function("10,000 tasks sleep, in virtual time", |bencher| {
        bencher.iter(|| {
            oneloop::Builder::new().virtual_time(true).run(async {
                // The deadlines are spread over a second, in no order.
                let durations = (0..10_000).map(|i| Duration::from_micros(i * 7919 % 10_000 * 100));
                let tasks: Vec<_> =
                    durations.map(|duration| create_task(sleep(duration))).collect();
                for task in tasks {
                    task.await.expect("it only sleeps");
                }
            });
        });
    });
}

criterion_group! {
    name = time;
    config = oneloop_benches::criterion();
    targets = arm_and_cancel, time_limits, many_sleeps
}
criterion_main!(time);
