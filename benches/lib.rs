//! What the benchmarks beside this file share: how long they measure, and the stop-watch inside the loop.

use std::time::{Duration, Instant};

use criterion::Criterion;

/// About a second for each benchmark: enough to see a change of some per cent.
pub fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
}

/// Measures `body`, called again and again by the main future of a loop.
pub fn bench(criterion: &mut Criterion, name: &str, mut body: impl AsyncFnMut()) {
    criterion.bench_function(name, |bencher| {
        bencher.iter_custom(|count| oneloop::run(timed(count, &mut body)));
    });
}

/// How long `count` calls of `body` take: for `iter_custom`, where something has to be prepared on the loop.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub async fn timed(count: u64, mut body: impl AsyncFnMut()) -> Duration {
    let start = Instant::now();
    for _ in 0..count {
        body().await;
    }
    start.elapsed()
}
