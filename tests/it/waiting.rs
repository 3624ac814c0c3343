//! Waiting for the first of several: `wait`, `as_completed`, the races, `select!` and `TaskSet`.

mod as_completed;
mod races;
mod select;
mod storms;
mod task_set;
mod tasks;

use std::time::Duration;

use oneloop::sleep;

const SECOND: Duration = Duration::from_secs(1);

/// Returns `output` after `seconds`.
async fn after<T>(seconds: u32, output: T) -> T {
    sleep(seconds * SECOND).await;
    output
}
