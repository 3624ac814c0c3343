//! `shield`, as asyncio's tests have it.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use oneloop::{create_task, shield, sleep, time, timeout, yield_now};

const SECOND: Duration = Duration::from_secs(1);

#[oneloop::test(virtual_time)]
async fn a_shield_gives_the_output_of_its_future() {
    assert_eq!(shield(async { 42 }).await, 42);
}

#[oneloop::test(virtual_time)]
async fn a_cancelled_shield_lets_its_future_go_on_and_the_task_waits_for_it() {
    let done = Rc::new(Cell::new(false));
    let flag = done.clone();
    let start = time::now();
    let task = create_task(shield(async move {
        sleep(SECOND).await;
        flag.set(true);
    }));
    yield_now().await;
    task.cancel();
    assert!(task.await.unwrap_err().is_cancelled());
    assert!(done.get());
    assert_eq!(time::now() - start, SECOND);
}

#[oneloop::test(virtual_time)]
async fn a_shield_that_was_never_polled_drops_its_future() {
    let value = Rc::new(());
    let inner = value.clone();
    drop(shield(async move {
        unreachable!("it never runs, with {inner:?}");
    }));
    yield_now().await;
    assert_eq!(Rc::strong_count(&value), 1);
}

#[oneloop::test(virtual_time)]
async fn a_panic_of_a_shielded_future_reaches_who_awaits_it() {
    let task = create_task(shield(async { panic!("boom") }));
    assert!(task.await.unwrap_err().is_panic());
}

#[oneloop::test(virtual_time)]
async fn a_shielded_task_goes_on_by_itself() {
    // Dropping a handle only detaches, so a task needs no shield.
    let task = create_task(sleep(SECOND));
    assert!(timeout(SECOND / 2, shield(task)).await.is_err());
}

#[test]
fn a_shielded_future_that_takes_too_long_is_cut_off() {
    let count = Rc::new(Cell::new(0));
    let seen = count.clone();
    let builder = oneloop::Builder::new().virtual_time(true);
    builder.on_unhandled(move |_| seen.set(seen.get() + 1)).run(async {
        let start = time::now();
        assert!(timeout(SECOND, shield(pending::<()>())).await.is_err());
        assert_eq!(time::now() - start, 6 * SECOND);
    });
    assert_eq!(count.get(), 1);
}
