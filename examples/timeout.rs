//! Time limits: on a future, and on a task.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use oneloop::{create_task, sleep, wait_for, yield_now};

/// Prints its text when it is dropped.
struct Announce(&'static str);

impl Drop for Announce {
    fn drop(&mut self) {
        println!("{}", self.0);
    }
}

async fn brew(_announce: Announce) -> &'static str {
    sleep(Duration::from_secs(2)).await;
    "coffee"
}

fn main() {
    oneloop::run(async {
        // A future that is too slow is dropped.
        let future = brew(Announce("the future is dropped"));
        match wait_for(future, Duration::from_secs(1)).await {
            Ok(cup) => println!("got {cup}"),
            Err(error) => println!("no coffee: {error}"),
        }

        // A task belongs to the loop, so a time limit alone does not stop it. This one is tied to
        // its handle, which the time limit drops.
        let task = create_task(brew(Announce("the task is cancelled"))).cancel_on_drop();
        let cup = wait_for(task, Duration::from_secs(1)).await;
        println!("a task in {:?}", cup.map_err(|error| error.to_string()));
        // A cancelled task is dropped in its own turn.
        yield_now().await;

        // This one has enough time.
        let cup = wait_for(brew(Announce("the coffee is ready")), Duration::from_secs(3)).await;
        println!("got {}", cup.expect("it takes two of the three seconds"));
    });
}
