//! Helpers that the benchmarks share: how long to measure, and a stop-watch inside the loop.

use std::time::{Duration, Instant};

use criterion::Criterion;

/// Measures for about a second per benchmark, enough to see a change of a few per cent.
pub fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
}

/// Measures `body`, which the main future of a loop calls repeatedly.
pub fn bench(criterion: &mut Criterion, name: &str, mut body: impl AsyncFnMut()) {
    criterion.bench_function(name, |bencher| {
        bencher.iter_custom(|count| oneloop::run(timed(count, &mut body)));
    });
}

/// Returns how long `count` calls of `body` take. For `iter_custom`, where the loop needs
/// preparation.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub async fn timed(count: u64, mut body: impl AsyncFnMut()) -> Duration {
    let start = Instant::now();
    for _ in 0..count {
        body().await;
    }
    start.elapsed()
}
