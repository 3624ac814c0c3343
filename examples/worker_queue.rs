//! Workers that share a bounded queue, like the example in the documentation of `asyncio.Queue`.
//!
//! Ends by itself: `cargo run --example worker_queue`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use oneloop::sync::Queue;
use oneloop::sync::queue::PutError;
use oneloop::time::now;
use oneloop::{GroupError, sleep, task_group};

/// Works until the queue is closed and drained.
async fn worker(name: &str, queue: &Queue<Duration>) {
    while let Some(nap) = queue.get().await {
        sleep(nap).await;
        queue.task_done();
        println!("{name} has slept for {nap:?}");
    }
    println!("{name} goes home");
}

fn main() -> Result<(), GroupError<PutError<Duration>>> {
    oneloop::run(async {
        // With four items in the queue, `put` waits, so the producer is no faster than the workers.
        let queue = Queue::new(4);
        let naps = (1..=12).map(|n| Duration::from_millis(40 * (n % 5) + 20));
        let start = now();
        task_group(async |group| {
            for name in ["Alice", "Bob", "Carol"] {
                group.create_task(worker(name, &queue));
            }
            for nap in naps.clone() {
                queue.put(nap).await?;
            }
            println!("all naps are queued, {} still wait", queue.len());
            queue.join().await; // waits until every item is done
            let slept: Duration = naps.sum();
            println!("three workers slept for {slept:?} in {:.1?}", now() - start);
            queue.close(); // ends the workers, and so the group
            Ok(())
        })
        .await
    })
}
