//! The warning about a task that blocks the loop. This is a separate process, because it has a
//! logger.

#![expect(clippy::unwrap_used, reason = "these are tests, and their helpers")]

use std::cell::RefCell;
use std::sync::Once;
use std::thread;
use std::time::Duration;

use log::{LevelFilter, Log, Metadata, Record};
use oneloop::{Builder, Runtime, create_task, run, sleep, task_group, with_cleanup, yield_now};

/// More than the threshold, by more than the error of the clock.
const STALL: Duration = Duration::from_millis(115);
const MS: Duration = Duration::from_millis(1);

thread_local! {
    /// A loop warns on its own thread, so each test has a separate one.
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct Lines;

impl Log for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        LINES.with_borrow_mut(|lines| lines.push(record.args().to_string()));
    }

    fn flush(&self) {}
}

/// The warnings that `test` causes.
fn warnings(test: impl FnOnce()) -> Vec<String> {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Lines).unwrap();
        log::set_max_level(LevelFilter::Warn);
    });
    test();
    LINES.take()
}

/// The one warning that `test` causes.
fn warning(test: impl FnOnce()) -> String {
    let lines = warnings(test);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("nothing else could run for 1"), "{lines:?}");
    lines[0].clone()
}

fn stall() {
    thread::sleep(STALL);
}

/// Whether the warning names this task, and no other.
fn blames_only(line: &str, task: &str) -> bool {
    let blamed = format!(": a poll of `{task}`, created at tests/slow_polls.rs:");
    line.contains(&blamed) && !line.contains("; `") && !line.contains("ended")
}

#[test]
fn each_stall_is_reported_once_also_in_the_last_round() {
    let lines = warnings(|| {
        run(async {
            for _ in 0..2 {
                sleep(MS).await;
                stall();
            }
        });
    });
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines.iter().all(|line| blames_only(line, "main")), "{lines:?}");
}

#[test]
fn a_stall_in_the_first_round_is_reported() {
    let line = warning(|| {
        run(async {
            stall();
            sleep(MS).await;
        });
    });
    assert!(blames_only(&line, "main"), "{line}");
}

#[test]
fn a_stall_of_a_run_with_one_round_is_reported() {
    let line = warning(|| run(async { stall() }));
    assert!(blames_only(&line, "main"), "{line}");
}

#[test]
fn who_was_polled_alone_is_the_one() {
    let line = warning(|| {
        run(async {
            let task = create_task(async {
                sleep(2 * MS).await;
                stall();
                sleep(MS).await;
            });
            task.named("culprit").await.unwrap();
        });
    });
    assert!(blames_only(&line, "culprit"), "{line}");
}

#[test]
fn a_named_task_that_has_ended_is_named_with_its_place() {
    let line = warning(|| {
        run(async {
            sleep(MS).await;
            create_task(async { stall() }).named("culprit").await.unwrap();
        });
    });
    let start = line.find("`culprit`, created at tests/slow_polls.rs:").unwrap();
    assert!(line[start..].contains(", which has ended; `main`, created at"), "{line}");
}

#[test]
fn another_task_that_has_ended_is_named_by_its_number() {
    let mut name = String::new();
    let line = warning(|| {
        name = run(async {
            sleep(MS).await;
            let task = create_task(async { stall() });
            let name = task.name();
            task.await.unwrap();
            name
        });
    });
    assert!(name.starts_with("Task-"), "{name}");
    assert!(line.contains(&format!("`{name}`, which has ended")), "{line}");
}

#[test]
fn a_task_that_has_ended_and_is_not_asked_is_named_with_its_place() {
    let line = warning(|| {
        run(async {
            let task = create_task(async { stall() });
            sleep(2 * MS).await;
            task.await.unwrap();
        });
    });
    assert!(line.contains("`main`, created at tests/slow_polls.rs:"), "{line}");
    assert_eq!(line.matches(", created at").count(), 2, "{line}");
    assert_eq!(line.matches(", which has ended").count(), 1, "{line}");
}

#[test]
fn a_child_of_a_group_that_has_ended_is_named() {
    let line = warning(|| {
        run(async {
            sleep(MS).await;
            task_group(async |group| {
                group.create_task(async { stall() }).named("child");
            })
            .await;
        });
    });
    assert!(line.contains("`child`, created at"), "{line}");
}

#[test]
fn a_cleanup_that_stalls_is_its_owner_s() {
    let line = warning(|| {
        run(async {
            let task = create_task(async {
                drop(with_cleanup((), async |()| {
                    sleep(2 * MS).await;
                    stall();
                }));
            });
            task.named("owner").await.unwrap();
        });
    });
    assert!(line.contains("`owner`, created at tests/slow_polls.rs:"), "{line}");
    assert!(!line.contains("`Task-"), "{line}");
}

#[test]
fn a_cleanup_of_main_that_stalls_after_it_is_reported() {
    let line = warning(|| {
        run(async {
            drop(with_cleanup((), async |()| stall()));
        });
    });
    assert!(blames_only(&line, "main"), "{line}");
}

#[test]
fn a_stall_at_the_end_of_the_loop_is_not_main_s() {
    struct Stalls;
    impl Drop for Stalls {
        fn drop(&mut self) {
            stall();
        }
    }
    let line = warning(|| {
        run(async {
            let stalls = Stalls;
            let task = create_task(async move {
                sleep(60_000 * MS).await;
                drop(stalls);
            });
            task.named("left").detach();
            yield_now().await;
        });
    });
    assert!(line.contains("`left`, created at") && !line.contains("`main`"), "{line}");
}

#[test]
fn a_call_of_another_thread_is_not_the_task_s() {
    let line = warning(|| {
        run(async {
            let handle = oneloop::Handle::current();
            thread::spawn(move || handle.call_soon_threadsafe(stall).unwrap()).join().unwrap();
            sleep(MS).await;
        });
    });
    assert!(line.contains("a call that another thread has sent"), "{line}");
}

#[test]
fn what_stalls_in_a_turn_of_a_host_is_reported() {
    let line = warning(|| {
        let mut runtime = Runtime::new().unwrap();
        let task = runtime.create_task(async { stall() });
        runtime.turn();
        drop(task);
    });
    assert!(line.contains("`Task-"), "{line}");
}

#[test]
fn what_happens_between_two_runs_is_nobody_s() {
    let lines = warnings(|| {
        let mut runtime = Runtime::new().unwrap();
        runtime.run(sleep(MS));
        stall();
        runtime.run(sleep(MS));
        stall();
    });
    assert!(lines.is_empty(), "{lines:?}");
}

#[test]
fn virtual_time_knows_no_stalls() {
    let lines = warnings(|| Builder::new().virtual_time(true).run(async { stall() }));
    assert!(lines.is_empty(), "{lines:?}");
}

#[test]
fn of_many_tasks_three_are_named() {
    let line = warning(|| {
        run(async {
            sleep(MS).await;
            for number in 0..20 {
                create_task(yield_now()).named(format!("many-{number}")).detach();
            }
            create_task(async { stall() }).detach();
            yield_now().await;
            yield_now().await;
        });
    });
    assert!(line.matches(", created at").count() <= 3 && line.contains(" more"), "{line}");
}

#[test]
fn a_callback_is_named_by_its_place() {
    let mut place = 0;
    let line = warning(|| {
        run(async {
            sleep(MS).await;
            place = line!() + 1;
            oneloop::call_soon(stall);
            sleep(MS).await;
        });
    });
    assert!(
        line.contains(&format!("the call asked for at tests/slow_polls.rs:{place}:")),
        "{line}"
    );
}

#[test]
fn a_thread_that_does_not_compute_is_said_to_be_blocked_or_starved() {
    let line = warning(|| run(async { stall() }));
    assert!(line.contains("this thread computed for") && line.contains("it was blocked"), "{line}");
}

#[test]
fn the_threshold_is_an_option_and_can_be_off() {
    let lines = warnings(|| {
        Builder::new().slow_poll_threshold(Duration::MAX).run(async { stall() });
        Builder::new().slow_poll_threshold(10 * STALL).run(async { stall() });
    });
    assert!(lines.is_empty(), "{lines:?}");
    let lines = warnings(|| {
        Builder::new().slow_poll_threshold(STALL / 10).run(async { thread::sleep(STALL / 2) });
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
}
