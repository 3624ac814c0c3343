//! `run` and `Runtime`: their outputs, run after run, several on a thread, one inside another.

use std::cell::{Cell, RefCell};
use std::future::{Ready, pending, poll_fn, ready};
use std::mem;
use std::panic::{self, AssertUnwindSafe, catch_unwind, panic_any};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Barrier, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use oneloop::{Builder, Runtime, create_task, current_task, run, sleep, time, yield_now};

/// The message with which `f` panics.
pub(super) fn panic_of<R>(f: impl FnOnce() -> R) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).err().expect("it panics");
    match payload.downcast::<String>() {
        Ok(message) => *message,
        Err(payload) => (*payload.downcast::<&str>().expect("a panic with a message")).to_owned(),
    }
}

#[test]
fn run_returns_what_main_returns_and_main_may_borrow() {
    let (mut count, text) = (0, String::from("text"));
    let len = run(async {
        count += 1;
        yield_now().await;
        count += 1;
        text.len()
    });
    assert_eq!((count, len), (2, 4));
    let mut runtime = Runtime::new().unwrap();
    let longest =
        runtime.run(async { [text.as_str(), "x"].into_iter().max_by_key(|text| text.len()) });
    assert_eq!(longest, Some("text"));
}

#[test]
fn run_takes_whatever_becomes_a_future() {
    struct Later;
    impl IntoFuture for Later {
        type Output = &'static str;
        type IntoFuture = Ready<&'static str>;

        fn into_future(self) -> Self::IntoFuture {
            ready("later")
        }
    }
    assert_eq!(run(Later), "later");
}

#[test]
fn run_inside_run_names_both_call_sites() {
    let outer_line = line!() + 2;
    let message = panic_of(|| {
        run(async { run(async {}) });
    });
    let (file, inner_line) = (file!(), outer_line);
    assert!(message.contains(&format!("run at {file}:{inner_line}:")), "{message}");
    assert!(message.contains(&format!("since {file}:{outer_line}:")), "{message}");
    assert!(message.contains("`await` the future instead"), "{message}");
}

#[test]
fn every_way_to_run_inside_a_run_panics_and_the_outer_run_goes_on() {
    let mut spare = Runtime::new().unwrap();
    run(async {
        let here = |line: u32| format!("at {}:{line}:", file!());
        let message = panic_of(|| spare.run(async {}));
        assert!(message.contains(&here(line!() - 1)), "{message}");
        let message = panic_of(|| spare.turn());
        assert!(message.contains(&here(line!() - 1)), "{message}");
        let message = panic_of(|| Builder::new().run(async {}));
        assert!(message.contains(&here(line!() - 1)), "{message}");
        // This also holds in tasks and in callbacks of the loop.
        let message = create_task(async { panic_of(|| run(async {})) }).await.unwrap();
        assert!(message.contains("inside the one that runs on this thread"), "{message}");
        sleep(Duration::from_millis(1)).await;
    });
    spare.run(async {});
    assert!(spare.turn() != oneloop::Turn::Busy);
}

#[test]
fn run_inside_a_turn_panics() {
    let mut runtime = Runtime::new().unwrap();
    let task = runtime.create_task(async { panic_of(|| run(async {})) });
    while runtime.turn() == oneloop::Turn::Busy {}
    let message = runtime.run(task).unwrap();
    assert!(message.contains("inside the one that runs on this thread since"), "{message}");
}

#[test]
fn a_runtime_runs_many_times_and_keeps_its_tasks() {
    let mut runtime = Runtime::new().unwrap();
    let steps = Rc::new(Cell::new(0));
    let counted = Rc::clone(&steps);
    let task = runtime.create_task(async move {
        loop {
            counted.set(counted.get() + 1);
            yield_now().await;
        }
    });
    for runs in 0..50 {
        let before = steps.get();
        assert_eq!(runtime.run(async { (yield_now().await, runs).1 }), runs);
        assert!(steps.get() > before, "it goes on in each run");
        assert!(!runtime.run(async { task.is_finished() }));
    }
    runtime.shutdown();
    assert_eq!(Rc::strong_count(&steps), 1, "its future is dropped with the loop");
}

#[test]
fn a_panic_of_main_leaves_the_runtime_usable() {
    let mut runtime = Runtime::new().unwrap();
    let task = runtime.create_task(async { (sleep(Duration::from_millis(1)).await, "done").1 });
    let payload =
        catch_unwind(AssertUnwindSafe(|| runtime.run(async { panic_any(7_u8) }))).unwrap_err();
    assert_eq!(*payload.downcast::<u8>().unwrap(), 7);
    assert_eq!(runtime.run(task).unwrap(), "done");
    assert!(catch_unwind(AssertUnwindSafe(|| run(async { panic_any(8_u8) }))).is_err());
    assert_eq!(run(async { 9 }), 9);
}

#[test]
fn runtimes_of_one_thread_alternate() {
    let log = Rc::new(RefCell::new(Vec::new()));
    let mut runtimes = [1, 2, 3].map(|number| (number, Runtime::new().unwrap()));
    for (number, runtime) in &runtimes {
        let (number, log) = (*number, Rc::clone(&log));
        runtime
            .create_task(async move {
                for step in 0..4 {
                    log.borrow_mut().push((number, step));
                    poll_fn({
                        let mut is_woken = false;
                        move |cx| {
                            // It is woken now, but the run ends before the next round.
                            cx.waker().wake_by_ref();
                            if mem::replace(&mut is_woken, true) {
                                Poll::Ready(())
                            } else {
                                Poll::Pending
                            }
                        }
                    })
                    .await;
                }
            })
            .detach();
    }
    for _ in 0..4 {
        for (_, runtime) in &mut runtimes {
            let mut polls = 0;
            runtime.run(poll_fn(|cx| {
                polls += 1;
                cx.waker().wake_by_ref();
                if polls == 2 { Poll::Ready(()) } else { Poll::Pending }
            }));
        }
    }
    let log = log.take();
    for number in 1..=3 {
        let steps: Vec<i32> =
            log.iter().filter(|entry| entry.0 == number).map(|entry| entry.1).collect();
        assert_eq!(steps, [0, 1, 2, 3]);
    }
    let position = |entry| log.iter().position(|&other| other == entry);
    assert!(position((3, 0)) < position((1, 3)), "they took turns");
}

/// Records its drop, in a task of its own loop.
struct Guard(&'static str, Rc<RefCell<Vec<&'static str>>>);

impl Drop for Guard {
    fn drop(&mut self) {
        let task = current_task().expect("it is dropped as the current task");
        assert_ne!(task.name(), "main");
        self.1.borrow_mut().push(self.0);
    }
}

#[test]
fn a_runtime_may_be_made_used_and_dropped_inside_the_run_of_another() {
    let drops = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&drops);
    run(async move {
        let before = oneloop::Handle::current();
        let inner = Runtime::new().unwrap();
        let guard = Guard("inner", Rc::clone(&log));
        let task = inner.create_task(async move {
            pending::<()>().await;
            drop(guard);
        });
        drop(inner);
        assert_eq!(
            current_task().unwrap().name(),
            "main",
            "the outer loop is the thread's loop again"
        );
        assert_eq!(oneloop::Handle::current(), before);
        assert!(task.await.unwrap_err().is_cancelled());
        create_task(async {}).await.unwrap();
        sleep(Duration::from_millis(1)).await;
    });
    assert_eq!(*drops.borrow(), ["inner"]);
}

#[test]
fn a_runtime_dropped_by_another_while_it_ends_is_harmless() {
    let (first, mut second) = (Runtime::new().unwrap(), Runtime::new().unwrap());
    first
        .create_task(async move {
            pending::<()>().await;
        })
        .detach();
    let task = second.create_task(async move {
        let _first = first;
        pending::<()>().await;
    });
    second.run(yield_now());
    drop(second);
    drop(task);
    run(async {});
}

#[test]
fn without_a_loop_the_message_says_what_to_do() {
    let message =
        |what: &str| format!("{what} needs a running event loop: call it inside `oneloop::run`");
    assert_eq!(panic_of(|| create_task(async {})), message("`create_task`"));
    assert_eq!(panic_of(|| oneloop::call_soon(|| ())), message("`create_task`"));
    assert_eq!(panic_of(oneloop::Handle::current), message("`Handle::current`"));
    assert_eq!(panic_of(oneloop::all_tasks), message("`all_tasks`"));
    let mut cx = Context::from_waker(Waker::noop());
    let mut sleep = sleep(Duration::from_secs(1));
    assert_eq!(panic_of(|| Pin::new(&mut sleep).poll(&mut cx)), message("`sleep`"));
    let mut gather = oneloop::gather([ready(())]);
    assert_eq!(panic_of(|| Pin::new(&mut gather).poll(&mut cx)), message("`gather`"));
    assert!(current_task().is_none());
}

#[test]
fn create_task_outside_a_loop_names_the_callers_line() {
    let (sender, receiver) = mpsc::channel();
    let here = thread::current().id();
    // The hook belongs to the process, so panics of other threads go to the former one.
    let former = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if thread::current().id() == here {
            let place = info.location().expect("it has one");
            sender.send(format!("{}:{}", place.file(), place.line())).ok();
        } else {
            former(info);
        }
    }));
    drop(panic_of(|| create_task(async {})));
    assert_eq!(receiver.try_recv().unwrap(), format!("{}:{}", file!(), line!() - 1));
}

#[test]
fn ten_thousand_loops_one_after_the_other_work() {
    for round in 0..10_000 {
        assert_eq!(run(async { (yield_now().await, round).1 }), round);
    }
}

#[test]
fn a_thousand_loops_at_once_on_one_thread_work() {
    let mut runtimes: Vec<Runtime> = (0..1000).map(|_| Runtime::new().unwrap()).collect();
    let tasks: Vec<_> = runtimes
        .iter()
        .enumerate()
        .map(|(number, runtime)| runtime.create_task(async move { number }))
        .collect();
    for (number, (runtime, task)) in runtimes.iter_mut().zip(tasks).enumerate() {
        assert_eq!(runtime.run(task).unwrap(), number);
    }
}

#[test]
fn loops_in_fifty_threads_at_once_work() {
    let barrier = Barrier::new(50);
    thread::scope(|scope| {
        for number in 0..50 {
            let barrier = &barrier;
            scope.spawn(move || {
                barrier.wait();
                for _ in 0..20 {
                    let sum = run(async move {
                        let tasks = (0..10).map(|add| {
                            create_task(async move { (yield_now().await, number + add).1 })
                        });
                        let mut sum = 0;
                        for task in tasks.collect::<Vec<_>>() {
                            sum += task.await.unwrap();
                        }
                        sum
                    });
                    assert_eq!(sum, number * 10 + 45);
                }
                run(sleep(Duration::from_millis(1)));
            });
        }
    });
}

#[test]
fn time_outside_a_loop_is_the_real_time() {
    let before = time::now();
    let inside = run(async { time::now() });
    assert!(before <= inside && inside <= time::now());
}
