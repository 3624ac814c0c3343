//! `tokio` as an option of the attributes.

use oneloop::create_task;

#[oneloop::test(tokio)]
async fn a_test_may_run_inside_tokio() {
    let task = create_task(async { tokio::spawn(async { 1 }).await.unwrap() });
    assert_eq!(task.await.unwrap(), 1);
}

#[oneloop::main(tokio, no_signals)]
async fn main_inside_tokio() -> u32 {
    tokio::spawn(async { 2 }).await.unwrap()
}

#[test]
fn a_main_may_run_inside_tokio() {
    assert_eq!(main_inside_tokio(), 2);
}

#[oneloop::main(tokio)]
async fn main_with_signals() -> u32 {
    tokio::spawn(async { 3 }).await.unwrap()
}

#[test]
fn a_main_that_hears_signals_may_run_inside_tokio() {
    assert_eq!(main_with_signals(), 3);
}
