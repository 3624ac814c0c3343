//! Memory: nothing remains of groups and guards, however they end.
//!
//! This is a separate process, so that no other test changes its memory.

#![cfg(target_os = "linux")]

use std::fs;
use std::future::{pending, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use oneloop::{Builder, shield, sleep, task_group, timeout, with_cleanup, yield_now};

const MS: Duration = Duration::from_millis(1);

/// How many bytes of memory the process uses, in whole pages.
fn resident() -> usize {
    let pages = fs::read_to_string("/proc/self/statm").expect("this is Linux");
    let resident = pages.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    resident.expect("the second number is that of the pages in memory") * 4096
}

async fn poll_once(mut future: Pin<&mut impl Future<Output = ()>>) {
    let polled = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
    assert!(polled.is_pending());
}

/// A group that succeeds, a group that fails, a group that is dropped half way with children that
/// wait, clean up and are held back, and guards and shields that end in each way.
async fn everything() {
    let child = async |ends: bool| {
        let _guard = with_cleanup((), async |()| yield_now().await);
        drop(with_cleanup(0, async |_| sleep(MS).await));
        yield_now().await;
        if !ends {
            pending::<()>().await;
        }
    };
    task_group(async |group| {
        group.create_task(child(true)).named("child");
        let _value = group.start(async |ready| ready.set(())).await;
    })
    .await;
    let failed = task_group(async |group| -> Result<(), &str> {
        group.create_task(child(false));
        group.create_task(async { Err::<(), _>("no") });
        child(false).await;
        Ok(())
    });
    assert!(failed.await.is_err());
    let dropped = task_group(async |group| {
        group.set_limit(2);
        for ends in [true, false, false, true] {
            let handle = group.create_task(child(ends));
            handle.cancel();
            drop(handle);
            group.create_task(child(ends));
        }
        child(false).await;
    });
    assert!(timeout(MS, dropped).await.is_err());
    let mut never_polled_again = Box::pin(task_group(async |group| {
        group.create_task(child(false));
    }));
    poll_once(never_polled_again.as_mut()).await;
    drop(never_polled_again);
    let mut half_way = pin!(shield(sleep(MS)));
    poll_once(half_way.as_mut()).await;
    assert_eq!(with_cleanup(1, async |_| ()).disarm(), 1);
    assert!(timeout(MS / 2, with_cleanup(1, async |_| sleep(MS).await).finish()).await.is_err());
}

#[test]
fn memory_does_not_grow() {
    let mut runtime = Builder::new().virtual_time(true).build().unwrap();
    let mut repeat = |count| {
        for _ in 0..count {
            runtime.run(everything());
        }
        resident()
    };
    let before = repeat(300);
    let grown = repeat(3000).saturating_sub(before);
    // A leak of one word per round would be 24 000 bytes, and a slot ten times as much.
    assert!(grown <= 16 * 1024, "{grown} bytes more");
}
