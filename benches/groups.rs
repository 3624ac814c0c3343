//! Task groups and cleanups: the cost of a child, a guard, and a shield.

use std::future::ready;

use criterion::{Criterion, criterion_group, criterion_main};
use oneloop::{create_task, shield, task_group, with_cleanup, yield_now};
use oneloop_benches::bench;

fn groups(criterion: &mut Criterion) {
    for count in [100, 10_000] {
        bench(criterion, &format!("a group of {count} children that yield once"), async || {
            task_group(async |group| {
                for _ in 0..count {
                    group.create_task(yield_now());
                }
            })
            .await;
        });
    }
}

fn cleanups(criterion: &mut Criterion) {
    bench(criterion, "make and disarm a guard", async || {
        with_cleanup((), async |()| ()).disarm();
    });
    bench(criterion, "make and drop 100 guards, and await their cleanups", async || {
        let task = create_task(async {
            for _ in 0..100 {
                drop(with_cleanup((), async |()| ()));
            }
        });
        task.await.expect("it does nothing");
    });
    bench(criterion, "shield a ready future", async || shield(ready(())).await);
}

criterion_group! {
    name = benches;
    config = oneloop_benches::criterion();
    targets = groups, cleanups
}
criterion_main!(benches);
