//! The end of a loop, consecutive runs, and that nothing remains.

use std::cell::{Cell, RefCell};
use std::future::{pending, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use futures::FutureExt;
use futures::channel::mpsc::unbounded;
use futures::future::select;
use oneloop::task::{self, CancelReason};
use oneloop::time::now;
use oneloop::{Builder, all_tasks, create_task, current_task, gather, sleep, timeout, yield_now};

use super::{Dice, Gate, Log, hold, on_drop, throw, virtual_runtime};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn tasks_that_are_left_are_dropped_in_context_before_run_returns() {
    let log = Log::new();
    let gate = Gate::default();
    let live = Rc::new(());
    let (sender, mut receiver) = unbounded();
    let (dropped, wakes, captured) = (log.clone(), gate, live.clone());
    Builder::new().virtual_time(true).run(async move {
        drop(create_task(wakes.wait()));
        let task = create_task(async move {
            let _captured = captured.clone();
            let _guard = on_drop(move || {
                wakes.wake();
                sender.unbounded_send("sent").expect("the receiver lives");
                let held = captured.clone();
                let spawned = create_task(async move { drop(held) });
                assert!(spawned.is_finished() && !spawned.cancel());
                dropped.push(current_task().map(|task| task.name()));
            });
            pending::<()>().await;
        });
        drop(task.named("left"));
        yield_now().await;
    });
    assert_eq!(log.take(), [Some("left".to_owned())]);
    assert_eq!(receiver.try_recv().ok(), Some("sent"));
    assert_eq!((Rc::strong_count(&live), Rc::strong_count(&log.0)), (1, 1));
}

#[test]
fn a_task_created_by_a_drop_at_the_end_is_cancelled_and_the_end_comes() {
    struct Hydra;
    impl Drop for Hydra {
        fn drop(&mut self) {
            for _ in 0..2 {
                let mut head = create_task(async {
                    let _head = Self;
                    pending::<()>().await;
                });
                let joined = Pin::new(&mut head).now_or_never();
                let error = joined.expect("it has ended").expect_err("it never ran");
                assert_eq!(error.reason(), Some(CancelReason::LoopEnded));
            }
        }
    }
    Builder::new().virtual_time(true).run(async {
        drop(create_task(async {
            let _hydra = Hydra;
            pending::<()>().await;
        }));
        yield_now().await;
    });
}

#[test]
fn tasks_that_never_started_are_dropped_at_the_end() {
    let live = Rc::new(());
    let captured = live.clone();
    Builder::new().virtual_time(true).run(async move {
        drop(create_task(async move {
            drop(captured);
            unreachable!("main ends before");
        }));
    });
    assert_eq!(Rc::strong_count(&live), 1);
}

#[test]
fn a_handle_that_outlives_its_loop_says_cancelled() {
    let mut kept = Vec::new();
    Builder::new().virtual_time(true).run(async {
        kept.push(create_task(pending::<()>()));
        kept.push(create_task(ready(())));
        yield_now().await;
    });
    assert!(kept.iter().all(|task| task.is_finished() && !task.cancel()));
    let (error, name) = Builder::new().virtual_time(true).run(async move {
        let task = kept.swap_remove(0);
        let name = task.name();
        (task.await.unwrap_err(), name)
    });
    assert_eq!(error.reason(), Some(CancelReason::LoopEnded));
    assert_eq!(name, "");
}

#[test]
fn the_end_of_a_loop_with_many_tasks_takes_no_more_than_their_number() {
    // Quadratic work would take minutes.
    let live = Rc::new(());
    let captured = live.clone();
    Builder::new().run(async move {
        for _ in 0..50_000 {
            drop(create_task(hold(captured.clone())));
        }
    });
    assert_eq!(Rc::strong_count(&live), 1);
}

#[test]
fn a_runtime_keeps_its_tasks_from_run_to_run() {
    let live = Rc::new(());
    let captured = live.clone();
    let mut runtime = virtual_runtime();
    let counter = Rc::new(Cell::new(0));
    let count = counter.clone();
    let mut task = runtime.create_task(async move {
        let ticking = async {
            loop {
                sleep(SECOND).await;
                count.set(count.get() + 1);
            }
        };
        oneloop::gather!(hold(captured), ticking).await;
    });
    runtime.run(sleep(2 * SECOND + SECOND / 2));
    assert_eq!(counter.get(), 2);
    let gives_up = runtime.run(timeout(2 * SECOND, &mut task));
    assert!(gives_up.is_err());
    assert_eq!(counter.get(), 4);
    runtime.run(async { assert_eq!(all_tasks().len(), 2) });
    runtime.shutdown();
    assert_eq!(Rc::strong_count(&live), 1);
    assert!(task.is_finished());
}

#[test]
fn a_task_of_one_run_can_be_awaited_by_the_next() {
    let mut runtime = virtual_runtime();
    let before = runtime.create_task(ready("before any run"));
    let mut during = None;
    runtime.run(async { during = Some(create_task(async { "in the first run" })) });
    assert_eq!(runtime.run(during.unwrap()).unwrap(), "in the first run");
    assert_eq!(runtime.run(before).unwrap(), "before any run");
}

#[test]
fn many_short_runs_do_not_starve_calls_from_elsewhere_or_timers() {
    let mut runtime = Builder::new().build().unwrap();
    let (sender, receiver) = mpsc::channel();
    runtime
        .handle()
        .call_soon_threadsafe(move || sender.send(()).expect("the test waits"))
        .unwrap();
    runtime.run(ready(()));
    assert!(receiver.try_recv().is_ok());
    let slept = runtime.create_task(sleep(Duration::from_millis(1)));
    let start = now();
    while !runtime.run(async { slept.is_finished() }) {
        assert!(now() - start < 60 * SECOND);
    }
}

// Nothing remains.

/// Runs `scenario` with a value to keep. Nothing of it may remain afterwards, and no timer after
/// the tasks have ended.
fn leaves_nothing<F: Future<Output = ()>>(scenario: impl FnOnce(Rc<()>) -> F) {
    let live = Rc::new(());
    let mut runtime = virtual_runtime();
    runtime.run(scenario(live.clone()));
    runtime.run(sleep(100 * SECOND));
    assert_eq!(Rc::strong_count(&live), 1, "in the living loop");
    assert_eq!(runtime.next_deadline(), None);
    runtime.shutdown();
    runtime = virtual_runtime();
    runtime.run(scenario_of_idle_tasks(live.clone()));
    runtime.shutdown();
    assert_eq!(Rc::strong_count(&live), 1, "after the loop");
}

async fn scenario_of_idle_tasks(value: Rc<()>) {
    for seconds in 0..5 {
        let value = value.clone();
        drop(create_task(async move {
            sleep(seconds * SECOND).await;
            pending::<()>().await;
            drop(value);
        }));
    }
    sleep(2 * SECOND).await;
}

#[test]
fn futures_and_outputs_of_awaited_tasks_are_gone() {
    leaves_nothing(async |value| {
        let output = value.clone();
        let task = create_task(async move {
            sleep(SECOND).await;
            drop(value);
            output
        });
        assert_eq!(Rc::strong_count(&task.await.unwrap()), 2);
    });
}

#[test]
fn futures_and_outputs_of_detached_cancelled_and_panicked_tasks_are_gone() {
    leaves_nothing(async |value| {
        let holding = || {
            let value = value.clone();
            async move {
                sleep(SECOND).await;
                value
            }
        };
        let panicking = || holding().map(|_value| throw("on purpose"));
        drop(create_task(holding()));
        create_task(holding().map(drop)).detach();
        let cancelled = create_task(holding());
        let never_started = create_task(holding());
        never_started.cancel();
        let panicked = create_task(panicking().map(|()| ()));
        drop(create_task(panicking().map(|()| ())));
        drop(create_task(holding()).cancel_on_drop());
        drop(task::Builder::new().eager(true).create_task(holding()));
        yield_now().await;
        cancelled.cancel();
        assert!(
            panicked.await.is_err() && cancelled.await.is_err() && never_started.await.is_err()
        );
    });
}

#[test]
fn tasks_that_hold_each_others_handles_and_wakers_are_gone() {
    leaves_nothing(async |value| {
        let handles = Rc::new(RefCell::new(Vec::new()));
        let gate = Gate::default();
        for _ in 0..3 {
            let held = (value.clone(), handles.clone());
            let wait = gate.wait();
            let task = create_task(async move {
                let _held = held;
                wait.await;
            });
            handles.borrow_mut().push(task);
        }
        yield_now().await;
        // Handles own no task and wakers own nothing, so cycles end with the tasks.
        for task in &*handles.borrow() {
            task.cancel();
        }
    });
}

/// Does various things, and creates others that do the same.
fn wander(seed: u64, depth: u32, value: Rc<()>) -> Pin<Box<dyn Future<Output = Rc<()>>>> {
    Box::pin(async move {
        let mut dice = Dice(seed);
        for _ in 0..6 {
            let (odds, time) =
                (if depth == 0 { 4 } else { 13 }, Duration::from_micros(dice.roll(500)));
            let kind = dice.roll(odds);
            let mut child = || wander(dice.roll(1 << 30), depth - 1, value.clone());
            match kind {
                0 => yield_now().await,
                1 => sleep(time).await,
                2 if time < Duration::from_micros(50) => throw("wandered off"),
                3 if time < Duration::from_micros(50) => {
                    assert!(current_task().is_some_and(|task| task.cancel()));
                }
                2 | 3 => sleep(Duration::ZERO).await,
                4 => drop(create_task(child())),
                5 => drop(create_task(child()).await),
                6 => drop(task::Builder::new().eager(true).create_task(child()).await),
                7 => drop(timeout(time, child()).await),
                8 => drop(timeout(time, create_task(child()).cancel_on_drop()).await),
                9 => drop(gather([child(), child(), child()]).limit(2).await),
                10 => drop(oneloop::gather!(child(), sleep(time), create_task(child())).await),
                11 => drop(select(child(), child()).await),
                _ => {
                    let task = create_task(child());
                    sleep(time).await;
                    task.cancel();
                    drop(task.await);
                }
            }
        }
        value
    })
}

#[test]
fn a_crowd_that_does_everything_at_random_leaves_nothing() {
    for seed in 0..20 {
        leaves_nothing(async |value| {
            let tasks = (0..5).map(|n| create_task(wander(5 * seed + n, 3, value.clone())));
            for task in tasks.collect::<Vec<_>>() {
                drop(task.await);
            }
        });
        // The same with a loop that ends in the middle.
        let live = Rc::new(());
        let value = live.clone();
        Builder::new().virtual_time(true).run(async move {
            for n in 0..5 {
                drop(create_task(wander(5 * seed + n, 3, value.clone())));
            }
            sleep(Duration::from_micros(400)).await;
        });
        assert_eq!(Rc::strong_count(&live), 1);
    }
}

/// Creates another one when it is dropped, and counts the drops.
struct Offspring {
    left: usize,
    dropped: Rc<Cell<usize>>,
}

impl Drop for Offspring {
    fn drop(&mut self) {
        self.dropped.set(self.dropped.get() + 1);
        if let Some(left) = self.left.checked_sub(1) {
            let next = Self { left, dropped: Rc::clone(&self.dropped) };
            drop(create_task(hold(next)));
        }
    }
}

#[test]
fn futures_refused_at_the_end_are_dropped_one_after_the_other_and_not_inside_each_other() {
    let dropped = Rc::new(Cell::new(0));
    let first = Offspring { left: 20_000, dropped: Rc::clone(&dropped) };
    Builder::new().virtual_time(true).run(async {
        drop(create_task(hold(first)));
        yield_now().await;
    });
    assert_eq!(dropped.get(), 20_001);
}

#[test]
fn what_an_output_creates_at_the_end_is_dropped_too() {
    let dropped = Rc::new(Cell::new(0));
    let output = Offspring { left: 10, dropped: Rc::clone(&dropped) };
    let mut kept = None;
    Builder::new().virtual_time(true).run(async {
        kept = Some(create_task(async { output }));
        yield_now().await;
    });
    assert_eq!(dropped.get(), 11);
}

#[test]
fn a_drop_that_creates_tasks_without_end_does_not_keep_the_loop() {
    let dropped = Rc::new(Cell::new(0));
    let first = Offspring { left: usize::MAX, dropped: Rc::clone(&dropped) };
    Builder::new().virtual_time(true).run(async {
        drop(create_task(hold(first)));
        yield_now().await;
    });
    assert_eq!(dropped.get(), 100_000);
}
