//! Calls on other threads.

use oneloop::thread::to_thread;

#[oneloop::test]
async fn to_thread_gives_what_the_call_returns() {
    assert_eq!(to_thread(|| 2 + 2).await, 4);
}
