//! Several futures at once inside one task: a few of different types, and many of one.

use std::convert::Infallible;
use std::future::ready;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use oneloop::{gather, try_gather, yield_now};
use oneloop_benches::bench;

fn a_few(criterion: &mut Criterion) {
    bench(criterion, "gather! of 3 ready futures", async || {
        black_box(gather!(ready(1), ready("2"), ready('3')).await);
    });
    bench(criterion, "gather! of 3 futures that yield once", async || {
        gather!(yield_now(), yield_now(), yield_now()).await;
    });
}

fn many(criterion: &mut Criterion) {
    bench(criterion, "gather of 1000 futures that yield once", async || {
        black_box(gather((0..1000).map(|_| yield_now())).await);
    });
    bench(criterion, "try_gather of 1000 futures that yield once", async || {
        let futures = (0..1000).map(async |number| {
            yield_now().await;
            Ok::<u32, Infallible>(number)
        });
        let Ok(numbers) = try_gather(futures).await;
        black_box(numbers);
    });
    bench(criterion, "try_gather of 1000 futures whose first fails", async || {
        let futures = (0..1000).map(async |number| {
            yield_now().await;
            if number == 0 { Err("the first") } else { Ok(number) }
        });
        assert!(try_gather(futures).await.is_err());
    });
}

criterion_group! {
    name = gathers;
    config = oneloop_benches::criterion();
    targets = a_few, many
}
criterion_main!(gathers);
