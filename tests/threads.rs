//! Counting threads, and running out of them.
//!
//! Each test works in a separate process, so that no other test changes its threads.

#![cfg(all(feature = "thread", target_os = "linux"))]
#![expect(clippy::unwrap_used, reason = "these are tests, and their helpers")]

use std::env;
use std::fs;
use std::iter::repeat_n;
use std::process::Command;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use oneloop::thread::to_thread;
use oneloop::{Builder, create_task, gather, sleep, timeout};

const IN_CHILD: &str = "ONELOOP_TEST_IN_CHILD";
const MS: Duration = Duration::from_millis(1);

/// Runs `test`, the body of the test called `name`, in a separate process, which a shell starts
/// after the command `before`.
fn in_child(name: &str, before: &str, test: impl FnOnce()) {
    if env::var_os(IN_CHILD).is_some() {
        return test();
    }
    let output = Command::new("sh")
        .args(["-c", &format!(r#"{before} exec "$0" "$@""#)])
        .arg(env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(IN_CHILD, "1")
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{}\n{}", said[0], said[1]);
    assert!(said[0].contains("1 passed"), "{}", said[0]);
}

/// The number of threads of the process that belong to a pool.
fn pool_threads() -> usize {
    let threads = fs::read_dir("/proc/self/task").unwrap();
    let names =
        threads.filter_map(|thread| fs::read_to_string(thread.unwrap().path().join("comm")).ok());
    // The kernel keeps 15 bytes of a name.
    names.filter(|name| name.trim_end() == "oneloop-blockin").count()
}

#[test]
fn no_thread_of_the_pool_is_left_when_run_returns() {
    in_child("no_thread_of_the_pool_is_left_when_run_returns", "", || {
        for _ in 0..20 {
            let most = Builder::new().blocking_threads(8).run(async {
                gather((0..100).map(|_| to_thread(thread::yield_now))).await;
                pool_threads()
            });
            assert!((1..=8).contains(&most), "{most}");
            // The kernel lists a thread for a moment after it was joined.
            while pool_threads() > 0 {
                thread::yield_now();
            }
        }
    });
}

#[test]
fn there_is_no_thread_before_one_is_needed() {
    in_child("there_is_no_thread_before_one_is_needed", "", || {
        oneloop::run(async {
            let call = to_thread(|| ());
            sleep(MS).await;
            assert_eq!(pool_threads(), 0);
            call.await;
            assert_eq!(pool_threads(), 1, "one call, one thread");
            for _ in 0..50 {
                to_thread(|| ()).await;
            }
            assert_eq!(pool_threads(), 1, "one after the other");
        });
    });
}

#[test]
fn idle_threads_end() {
    in_child("idle_threads_end", "", || {
        Builder::new().blocking_threads(10).blocking_idle(5 * MS).run(async {
            let meeting = Arc::new(Barrier::new(10));
            let calls = repeat_n(meeting, 10).map(|meeting| {
                to_thread(move || {
                    meeting.wait();
                    let count = pool_threads();
                    meeting.wait();
                    count
                })
            });
            assert_eq!(gather(calls).await, [10; 10]);
            while pool_threads() > 0 {
                sleep(MS).await;
            }
            assert_eq!(to_thread(pool_threads).await, 1);
        });
    });
}

/// Takes the remaining address space, except for some that the process needs.
fn hoard() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        let mut chunk: Vec<u8> = Vec::new();
        // Less than a thread's stack.
        if chunk.try_reserve_exact(1 << 20).is_err() {
            // Keeps something for small allocations.
            all.truncate(all.len().saturating_sub(1));
            return all;
        }
        all.push(chunk);
    }
}

#[test]
fn where_no_thread_can_be_started_the_call_waits_for_one() {
    let name = "where_no_thread_can_be_started_the_call_waits_for_one";
    in_child(name, "ulimit -v 400000;", || {
        oneloop::run(async {
            let hoarded = hoard();
            let mut call = to_thread(|| 1);
            assert!(timeout(50 * MS, &mut call).await.is_err(), "it tries again");
            drop(hoarded);
            assert_eq!(call.await, 1);
        });
    });
}

#[test]
fn a_call_that_gets_no_thread_says_what_to_do() {
    in_child("a_call_that_gets_no_thread_says_what_to_do", "ulimit -v 400000;", || {
        // A second of virtual time.
        Builder::new().virtual_time(true).run(async {
            let hoarded = hoard();
            let error = create_task(to_thread(|| ())).await.unwrap_err();
            drop(hoarded);
            let message = error.into_panic().unwrap().downcast::<String>().unwrap();
            let says = message.contains("cannot start a thread") && message.contains("ulimit");
            assert!(says, "{message}");
        });
    });
}

#[test]
fn one_thread_does_all_calls_where_no_other_can_be_started() {
    in_child(
        "one_thread_does_all_calls_where_no_other_can_be_started",
        "ulimit -v 400000;",
        || {
            oneloop::run(async {
                to_thread(|| ()).await;
                let _hoarded = hoard();
                let results = gather((0..200).map(|n| to_thread(move || n))).await;
                assert!(results.into_iter().eq(0..200));
            });
        },
    );
}
