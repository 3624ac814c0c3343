//! The virtual clock: when it moves, and that it is exact.

use std::future::{pending, poll_fn};
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use oneloop::testing::advance;
use oneloop::time::now;
use oneloop::{
    Builder, Turn, call_later, create_task, gather, interval, sleep, sleep_until, timeout,
    with_cleanup, yield_now,
};

use crate::tasks::{Dice, Log, virtual_runtime};

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(60 * 60);

// Virtual time.

#[oneloop::test(virtual_time)]
async fn virtual_time_stands_still_while_tasks_run() {
    let start = now();
    for _ in 0..1000 {
        yield_now().await;
    }
    sleep(Duration::ZERO).await;
    assert_eq!(now(), start);
}

#[oneloop::test(virtual_time)]
async fn advance_lets_happen_what_is_due_meanwhile() {
    let log = Log::new();
    for seconds in [3, 1, 2, 5] {
        let log = log.clone();
        call_later(seconds * SECOND, move || log.push(seconds));
    }
    yield_now().await;
    advance(SECOND).await;
    assert_eq!(log.take(), [1]);
    advance(2 * SECOND).await;
    assert_eq!(log.take(), [2, 3]);
    let start = now();
    advance(SECOND).await;
    assert_eq!(log.take(), []);
    assert_eq!(now() - start, SECOND);
}

#[oneloop::test(virtual_time)]
async fn advance_includes_what_is_due_at_its_end_whoever_was_armed_first() {
    let task = create_task(sleep(SECOND));
    // This sleep is armed before the task's.
    advance(SECOND).await;
    assert!(task.is_finished());
}

#[oneloop::test(virtual_time)]
async fn a_call_comes_before_a_sleep_that_began_later_and_ends_with_it() {
    let log = Log::new();
    let (first, last) = (log.clone(), log.clone());
    call_later(SECOND, move || first.push("call"));
    sleep(SECOND).await;
    last.push("sleep");
    assert_eq!(log.take(), ["call", "sleep"]);
}

#[oneloop::test(virtual_time)]
async fn advance_by_the_longest_duration_returns_when_no_timer_is_left() {
    let start = now();
    let task = create_task(async {
        sleep(HOUR).await;
        sleep(HOUR).await;
    });
    advance(Duration::MAX).await;
    assert!(task.is_finished());
    assert_eq!(now() - start, 2 * HOUR);
    sleep(HOUR).await;
    assert_eq!(now() - start, 3 * HOUR, "time goes on");
}

#[test]
#[should_panic(expected = "`advance` needs virtual time")]
fn advance_refuses_to_wait_in_real_time() {
    Builder::new().run(advance(HOUR));
}

#[test]
fn virtual_loops_have_clocks_of_their_own() {
    let (sender, receiver) = mpsc::channel();
    let thread = thread::spawn(move || {
        virtual_runtime().run(sleep(24 * HOUR));
        sender.send(()).expect("the test waits");
    });
    let mut runtime = virtual_runtime();
    let start = runtime.run(async { now() });
    receiver.recv().expect("the thread sends");
    thread.join().expect("it does not panic");
    assert_eq!(runtime.run(async { now() }), start);
    assert!(now() < start + HOUR);
}

#[oneloop::test(virtual_time)]
async fn an_hour_of_everything_at_once_is_exact() {
    let end = now() + HOUR;
    let sleepers = (0..50).map(|seed| {
        create_task(async move {
            let mut dice = Dice(seed);
            while now() < end {
                let start = now();
                let nanos = dice.roll(1 << 30) * (1 + dice.roll(100) * 3);
                let duration = Duration::from_nanos(nanos);
                match dice.roll(4) {
                    0 => sleep(duration).await,
                    1 => sleep_until(start + duration).await,
                    2 => assert!(timeout(duration, sleep(2 * duration + MILLI)).await.is_err()),
                    _ => assert!(timeout(2 * duration + MILLI, sleep(duration)).await.is_ok()),
                }
                assert_eq!(now() - start, duration);
            }
        })
    });
    let sleepers: Vec<_> = sleepers.collect();
    let ticker = create_task(async {
        let start = now();
        let mut clock = interval(SECOND);
        for n in 0..3600 {
            assert_eq!(clock.tick().await - start, n * SECOND);
            assert_eq!(now() - start, n * SECOND);
        }
    });
    for sleeper in sleepers {
        sleeper.await.unwrap();
    }
    ticker.await.unwrap();
}

#[oneloop::test(virtual_time)]
async fn thousands_of_sleeps_in_one_slot_of_the_wheel_are_exact() {
    let log = Log::new();
    let start = now() + SECOND;
    let mut dice = Dice(7);
    let mut offsets: Vec<_> = (0..2000).map(|_| dice.roll(60_000)).collect();
    let sleeps = offsets.iter().map(|&nanos| {
        let log = log.clone();
        async move {
            sleep_until(start + Duration::from_nanos(nanos)).await;
            assert_eq!(now(), start + Duration::from_nanos(nanos));
            log.push(nanos);
        }
    });
    gather(sleeps).await;
    offsets.sort_unstable();
    assert_eq!(log.take(), offsets);
}

// Hangs.

fn said(run: impl FnOnce()) -> String {
    let payload = panic::catch_unwind(AssertUnwindSafe(run)).expect_err("it hangs");
    *payload.downcast::<String>().expect("a message with details")
}

#[test]
fn a_main_that_hangs_fails_and_says_who_waits() {
    let message = said(|| {
        Builder::new().virtual_time(true).run(async {
            let _reader = create_task(pending::<()>()).named("reader");
            sleep(SECOND).await;
            pending::<()>().await;
        });
    });
    assert!(message.contains("`main`, created at tests/it/time/virtual_time.rs:"), "{message}");
    assert!(message.contains("`reader`, created at tests/it/time/virtual_time.rs:"), "{message}");
}

#[test]
fn a_hang_names_a_few_tasks_and_counts_the_others() {
    let message = said(|| {
        Builder::new().virtual_time(true).run(async {
            let _tasks: Vec<_> = (0..100).map(|_| create_task(pending::<()>())).collect();
            pending::<()>().await;
        });
    });
    assert!(message.contains("; and 81 more. If"), "{message}");
}

#[test]
fn a_hang_does_not_name_tasks_that_have_ended() {
    let message = said(|| {
        Builder::new().virtual_time(true).run(async {
            let _ended = create_task(async {}).named("ended");
            sleep(SECOND).await;
            pending::<()>().await;
        });
    });
    assert!(message.contains("`main`") && !message.contains("`ended`"), "{message}");
}

#[test]
fn what_a_main_that_hangs_cleans_up_is_awaited() {
    let log = Log::new();
    let cleaned = log.clone();
    let message = said(|| {
        Builder::new().virtual_time(true).run(async {
            let _guard = with_cleanup((), async move |()| {
                sleep(SECOND).await;
                cleaned.push(1);
            });
            pending::<()>().await;
        });
    });
    assert!(message.contains("`main`"), "{message}");
    assert_eq!(log.take(), [1]);
}

#[test]
fn a_hang_is_told_though_main_panics_while_it_is_dropped() {
    struct Panics;

    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("second");
        }
    }

    let reports = Log::new();
    let reported = reports.clone();
    let message = said(|| {
        let builder = Builder::new().virtual_time(true);
        builder.on_unhandled(move |unhandled| reported.push(unhandled.to_string())).run(async {
            let _guard = Panics;
            pending::<()>().await;
        });
    });
    assert!(message.contains("`main`"), "{message}");
    let reports = reports.take();
    assert!(reports.len() == 1 && reports[0].contains("second"), "{reports:?}");
}

#[test]
fn a_runtime_whose_main_hung_can_run_another() {
    let mut runtime = Builder::new().virtual_time(true).build().unwrap();
    assert!(said(|| runtime.run(pending::<()>())).contains("`main`"));
    assert_eq!(runtime.run(async { 42 }), 42);
}

#[oneloop::test(virtual_time)]
async fn a_thread_of_somebody_else_that_wakes_soon_is_no_hang() {
    let mut thread = None;
    poll_fn(|cx| match &thread {
        None => {
            let waker = cx.waker().clone();
            thread = Some(thread::spawn(move || waker.wake()));
            Poll::Pending
        }
        Some(_) => Poll::Ready(()),
    })
    .await;
    thread.unwrap().join().unwrap();
}

#[test]
fn a_loop_that_a_host_turns_does_not_hang() {
    let mut runtime = Builder::new().virtual_time(true).build().unwrap();
    let _task = runtime.create_task(pending::<()>());
    for _ in 0..100 {
        runtime.turn();
    }
    assert_eq!(runtime.turn(), Turn::Park(None));
}
