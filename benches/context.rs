//! Context variables, time limits and cancel tokens: their cost if nothing is limited or cancelled.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use oneloop::task::{Context, ContextVar};
use oneloop::{CancelToken, create_task, deadline, timeout, yield_now};
use oneloop_benches::{bench, timed};

static REQUEST: ContextVar<u64> = ContextVar::new("request");

/// Like [`bench`], but with a context variable set.
fn bench_in_context(criterion: &mut Criterion, name: &str, mut body: impl AsyncFnMut()) {
    criterion.bench_function(name, |bencher| {
        bencher.iter_custom(|count| {
            oneloop::run(async {
                REQUEST.set(1);
                timed(count, &mut body).await
            })
        });
    });
}

fn variables(criterion: &mut Criterion) {
    bench_in_context(criterion, "get a context variable", async || {
        black_box(REQUEST.get());
    });
    bench_in_context(criterion, "set a context variable", async || REQUEST.set(black_box(2)));
    bench_in_context(criterion, "copy the current context", async || {
        black_box(Context::current());
    });
    bench_in_context(criterion, "create and await a task that has a context", async || {
        create_task(async {}).await.expect("it does nothing");
    });
    bench_in_context(criterion, "scope around a ready future", async || {
        REQUEST.scope(3, async {}).await;
    });
    bench_in_context(criterion, "scope around a future that yields once", async || {
        REQUEST.scope(3, yield_now()).await;
    });
}

fn limits(criterion: &mut Criterion) {
    let limit = Duration::from_secs(1);
    bench(criterion, "timeout around a ready future", async || {
        timeout(black_box(limit), async {}).await.expect("it is ready");
    });
    bench(criterion, "ask for the deadline inside a timeout", async || {
        let asks = timeout(black_box(limit), async { deadline() });
        black_box(asks.await.expect("it is ready"));
    });
}

fn tokens(criterion: &mut Criterion) {
    let token = CancelToken::new();
    bench(criterion, "run_until_cancelled of a ready future", async || {
        token.run_until_cancelled(async {}).await.expect("nobody cancels it");
    });
    bench(criterion, "run_until_cancelled of a future that yields once", async || {
        token.run_until_cancelled(yield_now()).await.expect("nobody cancels it");
    });
    criterion.bench_function("ask whether a token is cancelled", |bencher| {
        bencher.iter(|| token.is_cancelled());
    });
    criterion.bench_function("make and drop a child of a token", |bencher| {
        bencher.iter(|| token.child());
    });
    criterion.bench_function("cancel 1000 children", |bencher| {
        bencher.iter(|| {
            let token = CancelToken::new();
            let children: Vec<_> = (0..1000).map(|_| token.child()).collect();
            token.cancel();
            children
        });
    });
}

criterion_group! {
    name = context;
    config = oneloop_benches::criterion();
    targets = variables, limits, tokens
}
criterion_main!(context);
