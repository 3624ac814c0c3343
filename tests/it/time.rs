//! Sleeps, time limits, intervals, and the two clocks.
//!
//! Time is virtual here, except for a few milliseconds in the tests whose names say so.

mod intervals;
mod limits;
mod virtual_time;

use std::cell::Cell;
use std::future::{pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::channel::oneshot;
use futures::future::{Either, select};
use futures::stream::FuturesUnordered;
use oneloop::time::now;
use oneloop::{Builder, Turn, create_task, gather, sleep, sleep_until, timeout, yield_now};

use super::tasks::{Gate, Log, counted, poll_once, virtual_runtime};

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(60 * 60);

// The real clock.

fn real_now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "what these tests are about")]
    Instant::now()
}

#[test]
fn a_real_sleep_is_never_early_and_not_rounded_to_milliseconds() {
    let count_short = Builder::new().run(async {
        let mut count = 0;
        for _ in 0..1000 {
            let start = real_now();
            sleep(MILLI / 5).await;
            let length = start.elapsed();
            assert!(length >= MILLI / 5, "{length:?}");
            count += u32::from(length < MILLI * 9 / 10);
            if count == 10 {
                break;
            }
        }
        count
    });
    // On Linux only: elsewhere the loop's sleep has the reactor's resolution, which is a
    // millisecond. Most sleeps are longer on a busy machine, but none would be so short if they
    // were rounded.
    if cfg!(target_os = "linux") {
        assert_eq!(count_short, 10);
    }
}

#[test]
fn real_time_and_the_loops_clock_agree() {
    Builder::new().run(async {
        let [before, between, after] = [real_now(), now(), real_now()];
        assert!(before <= between && between <= after);
    });
    let [before, between, after] = [real_now(), now(), real_now()];
    assert!(before <= between && between <= after, "where no loop runs as well");
}

#[test]
fn real_sleeps_end_in_the_order_of_their_deadlines() {
    let log = Log::new();
    let sleeps = [3, 1, 2].map(|n| {
        let log = log.clone();
        async move {
            sleep(n * MILLI).await;
            log.push(n);
        }
    });
    Builder::new().run(gather(sleeps));
    assert_eq!(log.take(), [1, 2, 3]);
}

#[test]
fn a_busy_task_does_not_starve_timers_in_real_time() {
    let polls = Rc::new(Cell::new(0));
    let spins = polls.clone();
    Builder::new().run(async {
        let spin = create_task(counted(&spins, async {
            loop {
                yield_now().await;
            }
        }));
        sleep(MILLI).await;
        assert!(!spin.is_finished());
        // The loop finds expired timers after a round, which has at most 64 polls.
        let deadline = now() + MILLI;
        let timer = create_task(async move {
            sleep_until(deadline).await;
            now()
        });
        while now() < deadline {
            yield_now().await;
        }
        let before = spins.get();
        timer.await.unwrap();
        assert!(spins.get() - before <= 2 * 64, "{}", spins.get() - before);
    });
    assert!(polls.get() > 1);
}

// Sleeping.

#[oneloop::test(virtual_time)]
async fn a_sleep_takes_exactly_its_duration() {
    for duration in
        [Duration::from_nanos(1), Duration::from_nanos(65_537), MILLI, SECOND, 24 * HOUR]
    {
        let start = now();
        sleep(duration).await;
        assert_eq!(now() - start, duration);
    }
}

#[oneloop::test(virtual_time)]
async fn durations_count_from_the_first_poll() {
    let late = sleep(2 * SECOND);
    let limited = timeout(2 * SECOND, pending::<()>());
    sleep(SECOND).await;
    let start = now();
    late.await;
    assert_eq!(now() - start, 2 * SECOND);
    assert!(limited.await.is_err());
    assert_eq!(now() - start, 4 * SECOND);
}

#[test]
fn a_future_of_time_can_be_built_before_its_loop() {
    let sleep = sleep(SECOND);
    let limited = timeout(2 * SECOND, sleep);
    assert!(Builder::new().virtual_time(true).run(limited).is_ok());
}

#[oneloop::test(virtual_time)]
async fn equal_deadlines_end_in_the_order_in_which_they_were_armed() {
    let log = Log::new();
    let deadline = now() + SECOND;
    // More than the wheel searches one by one.
    let tasks = (0..100).map(|n| {
        let log = log.clone();
        create_task(async move {
            sleep_until(deadline).await;
            log.push(n);
        })
    });
    let tasks: Vec<_> = tasks.collect();
    gather(tasks).await;
    assert!(log.take().into_iter().eq(0..100));
    assert_eq!(now(), deadline);
}

#[oneloop::test(virtual_time)]
async fn sleeps_end_in_the_order_of_their_deadlines_to_the_nanosecond() {
    let log = Log::new();
    let start = now();
    let tasks = [3, 1, 4, 1, 5, 9, 2, 6].map(|nanos| {
        let log = log.clone();
        create_task(async move {
            sleep(Duration::from_nanos(nanos)).await;
            assert_eq!(now() - start, Duration::from_nanos(nanos));
            log.push(nanos);
        })
    });
    gather(tasks).await;
    assert_eq!(log.take(), [1, 1, 2, 3, 4, 5, 6, 9]);
}

#[oneloop::test(virtual_time)]
async fn a_moment_that_has_passed_lets_the_others_run_once() {
    let log = Log::new();
    let pushed = log.clone();
    let past = now();
    sleep(HOUR).await;
    let other = create_task(async move { pushed.push("other") });
    let start = now();
    sleep_until(past).await;
    log.push("past");
    other.await.unwrap();
    let long_ago = start.checked_sub(Duration::from_secs(1 << 40)).unwrap_or(start);
    sleep_until(long_ago).await;
    sleep_until(start).await;
    assert_eq!(now(), start);
    assert_eq!(log.take(), ["other", "past"]);
}

#[test]
fn a_sleep_without_end_never_ends_and_does_not_move_virtual_time() {
    let mut runtime = virtual_runtime();
    let far = Duration::from_secs(u64::MAX / 1_000_000_000);
    let tasks = [Duration::MAX, Duration::new(u64::MAX, 0), Duration::from_secs(u64::MAX / 4)]
        .map(|duration| runtime.create_task(async move { sleep(duration).await }));
    let start = runtime.run(async { now() });
    while runtime.turn() == Turn::Busy {}
    assert_eq!(runtime.next_deadline(), None);
    runtime.run(async {
        assert!(tasks.iter().all(|task| !task.is_finished()));
        assert_eq!(now(), start);
        assert!(timeout(Duration::MAX, sleep(SECOND)).await.is_ok());
        assert!(timeout(far, sleep(SECOND)).await.is_ok());
        assert_eq!(now() - start, 2 * SECOND);
    });
}

#[test]
fn a_wake_from_another_thread_comes_before_the_end_of_time() {
    let mut runtime = virtual_runtime();
    runtime.run(async {
        let forever = create_task(sleep(Duration::MAX));
        let (sender, receiver) = oneshot::channel();
        let thread = thread::spawn(move || {
            thread::sleep(MILLI);
            sender.send("sent").expect("the loop waits");
        });
        let start = now();
        assert_eq!(receiver.await.unwrap(), "sent");
        assert_eq!(now(), start);
        assert!(!forever.is_finished());
        thread.join().expect("it does not panic");
    });
}

#[oneloop::test(virtual_time)]
async fn a_far_future_does_not_overflow() {
    let centuries = Duration::from_secs(60 * 60 * 24 * 365 * 300);
    let start = now();
    let mut far = [
        sleep_until(start + centuries),
        sleep_until(
            start.checked_add(Duration::from_secs(u64::MAX / 4)).unwrap_or(start + centuries),
        ),
        sleep(Duration::MAX),
        sleep(Duration::from_nanos(u64::MAX)),
        sleep(Duration::from_nanos(u64::MAX - 1)),
    ];
    for sleep in &mut far {
        assert!(poll_once(sleep).await.is_pending());
    }
    sleep(HOUR).await;
    for sleep in &mut far {
        assert!(poll_once(sleep).await.is_pending());
    }
    let [mut centuries_away, ..] = far;
    (&mut centuries_away).await;
    assert_eq!(now() - start, centuries);
}

#[test]
fn a_dropped_sleep_is_disarmed() {
    let mut runtime = virtual_runtime();
    let mut kept = sleep(2 * HOUR);
    let start = runtime.run(async {
        let mut dropped = sleep(HOUR);
        assert!(poll_once(&mut dropped).await.is_pending());
        assert!(poll_once(&mut kept).await.is_pending());
        now()
    });
    assert_eq!(runtime.next_deadline(), Some(start + 2 * HOUR));
    drop(kept);
    // It belongs to a loop that does not run now, so the loop hears of it by mail.
    while runtime.turn() == Turn::Busy {}
    assert_eq!(runtime.next_deadline(), None);
    runtime.run(async {
        let task = create_task(sleep(HOUR));
        yield_now().await;
        task.cancel();
        yield_now().await;
        timeout(HOUR, ready(())).await.unwrap();
        timeout(SECOND, sleep(HOUR)).await.unwrap_err();
    });
    assert_eq!(runtime.next_deadline(), None);
}

#[oneloop::test(virtual_time)]
async fn reset_moves_a_sleep_whatever_its_state() {
    let start = now();
    let mut alarm = sleep(SECOND);
    alarm.reset(start + 2 * SECOND);
    assert!(poll_once(&mut alarm).await.is_pending());
    alarm.reset(start + 4 * SECOND);
    (&mut alarm).await;
    assert_eq!(now() - start, 4 * SECOND);
    assert!(alarm.is_elapsed());
    alarm.reset(start + 5 * SECOND);
    assert!(!alarm.is_elapsed());
    (&mut alarm).await;
    assert_eq!(now() - start, 5 * SECOND);
    assert!(poll_once(&mut alarm).await.is_ready(), "it stays so");
    alarm.reset(start);
    alarm.await;
    assert_eq!(now() - start, 5 * SECOND);
}

#[oneloop::test(virtual_time)]
async fn reset_to_an_earlier_moment_counts() {
    let start = now();
    let mut alarm = sleep(HOUR);
    assert!(poll_once(&mut alarm).await.is_pending());
    alarm.reset(start + SECOND);
    alarm.await;
    assert_eq!(now() - start, SECOND);
    sleep(2 * HOUR).await;
}

#[oneloop::test(virtual_time)]
async fn a_sleep_that_moves_to_another_task_wakes_that_one() {
    let polls = Rc::new(Cell::new(0));
    let (sender, receiver) = oneshot::channel();
    let first = create_task(counted(&polls, async move {
        let mut moving = sleep(SECOND);
        assert!(poll_once(&mut moving).await.is_pending());
        sender.send(moving).unwrap();
        pending::<()>().await;
    }));
    let start = now();
    let second = create_task(async move {
        receiver.await.unwrap().await;
        now()
    });
    assert_eq!(second.await.unwrap() - start, SECOND);
    assert_eq!(polls.get(), 1);
    first.cancel();
}

#[oneloop::test(virtual_time)]
async fn a_spurious_wake_does_not_end_a_sleep_or_let_it_be_polled_more_often() {
    let polls = Rc::new(Cell::new(0));
    let gate = Gate::default();
    let start = now();
    let (wakes, counter) = (gate.clone(), polls.clone());
    let task = create_task(async move {
        let mut spurious = wakes.wait();
        counted(&counter, async move {
            assert!(poll_once(&mut Box::pin(&mut spurious)).await.is_pending());
            sleep(3 * SECOND).await;
        })
        .await;
    });
    for _ in 0..2 {
        sleep(SECOND).await;
        gate.wake();
    }
    task.await.unwrap();
    assert_eq!(now() - start, 3 * SECOND);
    assert_eq!(polls.get(), 4);
}

#[oneloop::test(virtual_time)]
async fn sleeps_serve_the_combinators_of_others() {
    let start = now();
    let mut sleeps: FuturesUnordered<_> = [3, 1, 2]
        .map(|n| async move {
            sleep(n * SECOND).await;
            n
        })
        .into_iter()
        .collect();
    for n in 1..=3 {
        assert_eq!(sleeps.next().await, Some(n));
        assert_eq!(now() - start, n * SECOND);
    }
    let start = now();
    let Either::Left(((), loser)) = select(sleep(SECOND), sleep(HOUR)).await else {
        panic!("the later one was first");
    };
    assert_eq!(now() - start, SECOND);
    loser.await;
    assert_eq!(now() - start, HOUR);
}

#[test]
fn a_timer_that_is_due_wakes_the_combinators_of_others_before_the_loop_waits() {
    // Foreign wakers are called once the loop's state is free again. Before that, the loop must not
    // park or let time jump.
    let mut runtime = virtual_runtime();
    runtime.run(async {
        let start = now();
        let mut sleeps: FuturesUnordered<_> = [sleep(SECOND)].into_iter().collect();
        let later = create_task(sleep(HOUR));
        assert!(sleeps.next().await.is_some());
        assert_eq!(now() - start, SECOND);
        assert!(!later.is_finished());
    });
    Builder::new().run(async {
        let mut sleeps: FuturesUnordered<_> = [sleep(MILLI)].into_iter().collect();
        let mut next = Box::pin(sleeps.next());
        assert!(poll_once(&mut next).await.is_pending());
        // The timer expires in the look around after this poll, and no other task is runnable.
        thread::sleep(2 * MILLI);
        assert!(next.await.is_some());
    });
}

#[test]
fn a_sleep_that_outlives_its_loop_may_be_dropped_but_not_polled_elsewhere() {
    let mut kept = [sleep(HOUR), sleep(HOUR)];
    let mut runtime = virtual_runtime();
    runtime.run(async {
        for sleep in &mut kept {
            assert!(poll_once(sleep).await.is_pending());
        }
    });
    runtime.shutdown();
    let [mut polled, dropped] = kept;
    drop(dropped);
    let poll = AssertUnwindSafe(|| virtual_runtime().run(poll_once(&mut polled)));
    let payload = catch_unwind(poll).unwrap_err();
    let message = payload.downcast_ref::<String>().unwrap();
    assert_eq!(message, "the event loop of this `Sleep` has ended: make a new one here");
}

#[oneloop::test(virtual_time)]
async fn sleep_is_unpin_and_small() {
    fn pin<F: Future + Unpin>(future: &mut F) -> Pin<&mut F> {
        Pin::new(future)
    }
    let mut small = sleep(SECOND);
    assert_eq!(size_of_val(pin(&mut small).get_mut()), 16);
    assert_eq!(poll_once(&mut small).await, Poll::Pending);
}
