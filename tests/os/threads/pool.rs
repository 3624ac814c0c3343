//! The pool behind `to_thread`: its threads, its queue, its end.

use std::future::pending;
use std::hint;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

use oneloop::thread::{is_cancelled, to_thread};
use oneloop::{Builder, Runtime, create_task, gather, sleep, yield_now};

use super::{MS, Waiting, gate, poll_once, reporting};

#[test]
fn as_many_calls_run_at_once_as_there_may_be_threads() {
    Builder::new().blocking_threads(7).run(async {
        let barrier = Arc::new(Barrier::new(7));
        let calls = (0..21).map(|_| {
            let barrier = Arc::clone(&barrier);
            to_thread(move || barrier.wait())
        });
        gather(calls).await;
    });
}

#[test]
fn no_more_calls_run_at_once_than_there_may_be_threads() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    Builder::new().blocking_threads(3).run(async {
        let calls = (0..300).map(|_| {
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            to_thread(move || {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                thread::yield_now();
                now.fetch_sub(1, Ordering::SeqCst);
            })
        });
        gather(calls).await;
    });
    assert!(most.load(Ordering::SeqCst) <= 3);
}

#[test]
fn calls_begin_in_the_order_in_which_they_were_first_polled() {
    let order = Arc::new(Mutex::new(Vec::new()));
    Builder::new().blocking_threads(1).run(async {
        let call = |n| {
            let order = Arc::clone(&order);
            to_thread(move || order.lock().unwrap().push(n))
        };
        gather((0..500).map(call)).await;
    });
    assert!(order.lock().unwrap().iter().copied().eq(0..500));
}

#[test]
fn the_threads_have_names() {
    let name = oneloop::run(to_thread(|| thread::current().name().map(str::to_owned)));
    assert_eq!(name.unwrap(), "oneloop-blocking-1");
}

#[test]
#[should_panic(expected = "`blocking_threads` must be 1 or more")]
fn no_threads_at_all_are_refused() {
    drop(Builder::new().blocking_threads(0));
}

#[test]
fn an_idle_thread_ends_and_another_comes_when_it_is_needed() {
    Builder::new().blocking_threads(1).blocking_idle(MS).run(async {
        let first = to_thread(|| thread::current().id()).await;
        let mut other = first;
        for _ in 0..1000 {
            sleep(2 * MS).await;
            other = to_thread(|| thread::current().id()).await;
            if other != first {
                break;
            }
        }
        assert_ne!(other, first);
    });
}

#[test]
fn threads_without_idle_time_do_all_calls() {
    Builder::new().blocking_threads(4).blocking_idle(Duration::ZERO).run(async {
        for round in 0..50 {
            let results = gather((0..20).map(|n| to_thread(move || n + round))).await;
            assert!(results.into_iter().eq((0..20).map(|n| n + round)));
            yield_now().await;
        }
    });
}

#[test]
fn the_loop_waits_at_its_end_for_calls_that_nobody_awaits() {
    let (builder, reports) = reporting();
    let ended = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&ended);
    builder.run(async {
        let (said, told) = channel();
        create_task(to_thread(move || {
            said.send(()).unwrap();
            while !is_cancelled() {
                thread::yield_now();
            }
            thread::sleep(5 * MS);
            count.fetch_add(1, Ordering::SeqCst);
        }))
        .detach();
        while told.try_recv().is_err() {
            yield_now().await;
        }
    });
    assert_eq!(ended.load(Ordering::SeqCst), 1);
    assert!(reports.borrow().is_empty());
}

#[test]
fn each_call_that_takes_too_long_at_the_end_is_reported_with_its_place() {
    let (builder, reports) = reporting();
    let (gates, line) = builder.cleanup_timeout(5 * MS).run(async {
        let (said, told) = channel();
        let (mut gates, mut line) = (Vec::new(), 0);
        for _ in 0..3 {
            let (gate, waiting) = gate();
            let said = said.clone();
            gates.push(gate);
            let block = move || {
                said.send(()).unwrap();
                waiting.pass();
            };
            line = line!() + 1;
            create_task(to_thread(block)).detach();
        }
        let mut begun = 0;
        while begun < 3 {
            begun += told.try_iter().count();
            yield_now().await;
        }
        (gates, line)
    });
    let reports = reports.borrow();
    assert_eq!(reports.len(), 3, "{reports:?}");
    for report in reports.iter() {
        assert!(report.is_call() && !report.is_panic() && report.task_name().is_none());
        assert_eq!(report.place().unwrap().line(), line);
        assert!(report.to_string().contains("was cut off"), "{report}");
        assert!(report.message().contains("check_cancelled"), "{report}");
    }
    drop(gates);
}

/// A call that has begun, and holds its thread until the gate is open.
async fn hold_a_thread(waiting: Waiting) {
    let (said, told) = channel();
    let block = move || {
        said.send(()).unwrap();
        waiting.pass();
    };
    create_task(to_thread(block)).detach();
    while told.try_recv().is_err() {
        yield_now().await;
    }
}

#[test]
fn calls_in_the_queue_do_not_begin_at_the_end() {
    let (mut gate, waiting) = gate();
    let begun = Arc::new(AtomicUsize::new(0));
    Builder::new().blocking_threads(1).cleanup_timeout(MS).run(async {
        hold_a_thread(waiting).await;
        for _ in 0..10 {
            let count = Arc::clone(&begun);
            create_task(async move {
                to_thread(move || count.fetch_add(1, Ordering::SeqCst)).await;
            })
            .detach();
        }
        yield_now().await;
    });
    gate.open();
    assert_eq!(begun.load(Ordering::SeqCst), 0);
}

#[test]
fn a_call_may_outlive_the_loop_that_began_it() {
    let (mut gate, waiting) = gate();
    let (mut running, mut queued) =
        Builder::new().blocking_threads(1).cleanup_timeout(MS).run(async {
            let mut running = to_thread(move || {
                waiting.pass();
                1
            });
            let mut queued = to_thread(|| 2);
            assert!(poll_once(&mut running).await.is_pending());
            assert!(poll_once(&mut queued).await.is_pending());
            sleep(MS).await;
            (running, queued)
        });
    gate.open();
    let results = oneloop::run(async { (&mut running).await + (&mut queued).await });
    assert_eq!(results, 3, "the thread gave the first, another pool did the second");
}

#[test]
fn a_call_in_the_queue_of_a_loop_that_ends_goes_to_the_next_loop() {
    let (mut gate, waiting) = gate();
    let mut first = Builder::new().blocking_threads(1).cleanup_timeout(MS).build().unwrap();
    let (_running, queued) = first.run(async {
        let (mut running, mut queued) = (to_thread(move || waiting.pass()), to_thread(|| 2));
        assert!(poll_once(&mut running).await.is_pending());
        assert!(poll_once(&mut queued).await.is_pending());
        (running, queued)
    });
    oneloop::run(async {
        let result = create_task(queued);
        yield_now().await;
        assert!(!result.is_finished(), "its thread does something else");
        first.shutdown();
        assert_eq!(result.await.unwrap(), 2);
    });
    gate.open();
}

#[test]
fn a_runtime_keeps_its_threads_from_one_run_to_the_next() {
    let mut runtime = Builder::new().blocking_threads(1).build().unwrap();
    let first = runtime.run(to_thread(|| thread::current().id()));
    assert_eq!(runtime.run(to_thread(|| thread::current().id())), first);
}

#[test]
fn a_loop_that_goes_by_a_panic_does_not_wait() {
    let (mut gate, waiting) = gate();
    let mut runtime = Runtime::new().unwrap();
    runtime.run(hold_a_thread(waiting));
    let caught = panic::catch_unwind(AssertUnwindSafe(move || {
        let _dropped_meanwhile = runtime;
        panic!("boom");
    }));
    assert!(caught.is_err());
    gate.open();
}

/// Tasks that start calls, drop them at all times and are cancelled, on a few threads that come and
/// go.
#[test]
fn a_storm_of_calls_loses_nothing() {
    let (begun, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut seed = 7_u64;
    let mut random = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) % below
    };
    let builder = Builder::new().blocking_threads(3).blocking_idle(Duration::from_micros(50));
    let seen = builder.run(async {
        let mut seen = 0;
        for _ in 0..60 {
            let tasks: Vec<_> = (0..random(30))
                .map(|_| {
                    let (begun, ended) = (Arc::clone(&begun), Arc::clone(&ended));
                    let spins = random(200);
                    let call = to_thread(move || {
                        begun.fetch_add(1, Ordering::SeqCst);
                        for spin in 0..spins {
                            // Rarely, because on a busy machine other threads take long before this
                            // one runs again.
                            if spin % 64 == 0 { thread::yield_now() } else { hint::spin_loop() }
                        }
                        ended.fetch_add(1, Ordering::SeqCst);
                    });
                    if random(2) == 0 {
                        create_task(call.wait_on_cancel())
                    } else {
                        create_task(call)
                    }
                })
                .collect();
            for _ in 0..random(4) {
                yield_now().await;
            }
            if random(3) == 0 {
                sleep(Duration::from_micros(random(300))).await;
            }
            for task in tasks {
                if random(3) == 0 {
                    task.cancel();
                }
                seen += usize::from(task.await.is_ok());
            }
        }
        create_task(pending::<()>()).detach();
        seen
    });
    assert_eq!(begun.load(Ordering::SeqCst), ended.load(Ordering::SeqCst));
    assert!(seen <= ended.load(Ordering::SeqCst) && seen > 0);
}
