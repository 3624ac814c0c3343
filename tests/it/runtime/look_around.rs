//! Calls of other threads, and reports, wait for the look around: they never run inside a
//! synchronous call, and they never delay the loop's timers.

#![expect(clippy::unwrap_used, reason = "these are tests, and their helpers")]

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use oneloop::{Builder, Handle, Runtime, call_soon, create_task, run, sleep, task, yield_now};

/// Sends a call that needs a lock which the task holds during `action`, and checks that it runs
/// only after that.
#[expect(clippy::await_holding_lock, reason = "what is tested is that nothing else runs meanwhile")]
async fn call_during(action: impl AsyncFn()) {
    let lock = Arc::new(Mutex::new(0));
    let wanted = Arc::clone(&lock);
    let call = move || *wanted.try_lock().unwrap() += 1;
    Handle::current().call_soon_threadsafe(call).unwrap();
    let held = lock.lock().unwrap();
    action().await;
    assert_eq!(*held, 0);
    drop(held);
    // The look around comes after a round, which may have 64 polls.
    for _ in 0..65 {
        yield_now().await;
    }
    assert_eq!(*lock.lock().unwrap(), 1, "the call was made once, and found the lock free");
}

#[test]
fn a_dropped_handle_runs_no_calls() {
    run(async {
        call_during(async || drop(create_task(async {}))).await;
        let ended = create_task(async {});
        yield_now().await;
        let ended = Cell::new(Some(ended));
        call_during(async || drop(ended.take())).await;
    });
}

#[test]
fn a_polled_handle_runs_no_calls() {
    run(async {
        let task = RefCell::new(create_task(pending::<()>()));
        call_during(async || {
            let mut task = task.borrow_mut();
            assert!(pin!(&mut *task).poll(&mut Context::from_waker(Waker::noop())).is_pending());
        })
        .await;
    });
}

#[test]
fn no_synchronous_call_runs_calls_of_other_threads() {
    run(async {
        let task = create_task(pending::<()>());
        call_during(async || {
            task.cancel();
            task.is_finished();
            call_soon(|| ()).cancel();
            drop(task::Builder::new().eager(true).create_task(async {}));
            let mut cx = Context::from_waker(Waker::noop());
            assert!(pin!(sleep(Duration::from_secs(1))).poll(&mut cx).is_pending());
            drop(oneloop::all_tasks());
        })
        .await;
    });
}

/// Runs `action` in a task, and fails if the hook is called meanwhile. Returns the later reports.
#[expect(clippy::await_holding_refcell_ref, reason = "what is tested is that nothing else runs")]
fn reported_during(action: impl AsyncFnOnce()) -> Vec<String> {
    let told = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&told);
    Builder::new()
        .on_unhandled(move |unhandled| log.borrow_mut().push(unhandled.message().to_owned()))
        .run(async {
            let held = told.borrow_mut();
            action().await;
            drop(held);
        });
    told.take()
}

#[test]
fn a_dropped_handle_runs_no_hook() {
    let told = reported_during(async || {
        let task = create_task(async { panic!("nobody saw it") });
        yield_now().await;
        drop(task);
    });
    assert_eq!(told, ["nobody saw it"], "told before `run` returns");
}

#[test]
fn detaching_a_failed_task_runs_neither_its_error_nor_the_hook() {
    let told = reported_during(async || {
        let task = create_task(async { Err::<(), _>("failed") });
        yield_now().await;
        task.detach();
    });
    assert_eq!(told, ["failed"]);
}

#[test]
fn a_waker_that_panics_runs_no_hook_inside_the_call_that_wakes() {
    struct Bad;
    impl Wake for Bad {
        fn wake(self: Arc<Self>) {
            panic!("a bad waker");
        }
    }
    let told = reported_during(async || {
        let task = create_task(async {});
        let mut task = pin!(task);
        assert!(
            task.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::new(Bad)))).is_pending()
        );
        yield_now().await;
    });
    assert_eq!(told, ["a bad waker"]);
}

#[test]
fn a_report_of_a_run_is_told_before_it_returns() {
    let told = Rc::new(Cell::new(0));
    let log = Rc::clone(&told);
    let builder = Builder::new().on_unhandled(move |_| log.set(log.get() + 1));
    let mut runtime: Runtime = builder.build().unwrap();
    runtime.run(async {
        let task = create_task(async { panic!("unseen") });
        yield_now().await;
        drop(task);
    });
    assert_eq!(told.get(), 1);
}

/// Creates a task that has already failed, and drops its handle.
fn fail() {
    drop(task::Builder::new().eager(true).create_task(async { panic!("unseen") }));
}

#[test]
fn a_hook_that_always_leaves_another_report_does_not_keep_the_loop() {
    let told = Rc::new(Cell::new(0));
    let log = Rc::clone(&told);
    let hook = move |_: &oneloop::Unhandled| {
        log.set(log.get() + 1);
        if log.get() < 100_000 {
            fail();
        }
    };
    Builder::new().on_unhandled(hook).run(async {
        fail();
    });
    assert!((1..1000).contains(&told.get()), "{}", told.get());
}

/// The test gives up after this many calls, on a loop that makes one after another for ever.
const FOR_EVER: usize = 2_000_000;

#[test]
fn a_call_that_sends_itself_again_lets_timers_expire() {
    fn again(home: Handle, made: Arc<AtomicUsize>) {
        drop(create_task(async {}));
        if made.fetch_add(1, Ordering::Relaxed) < FOR_EVER {
            let _closed = home.call_soon_threadsafe(move || again(home, made));
        }
    }
    let made = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&made);
    run(async move {
        let home = Handle::current();
        home.call_soon_threadsafe(move || again(home, count)).unwrap();
        sleep(Duration::from_millis(1)).await;
    });
    assert!(made.load(Ordering::Relaxed) < FOR_EVER);
}

#[test]
fn a_turn_makes_at_most_64_calls() {
    let made = Arc::new(AtomicUsize::new(0));
    Builder::new().virtual_time(true).run(async {
        let home = Handle::current();
        for _ in 0..10_000 {
            let made = Arc::clone(&made);
            home.call_soon_threadsafe(move || {
                made.fetch_add(1, Ordering::Relaxed);
            })
            .unwrap();
        }
        let mut before = 0;
        while before < 10_000 {
            yield_now().await;
            let now = made.load(Ordering::Relaxed);
            assert!(now - before <= 64, "{}", now - before);
            before = now;
        }
    });
}

#[test]
fn a_flood_of_remote_tasks_does_not_lengthen_the_run_queue() {
    let polled = Arc::new(AtomicUsize::new(0));
    Builder::new().virtual_time(true).run(async {
        let home = Handle::current();
        for _ in 0..10_000 {
            let polled = Arc::clone(&polled);
            drop(home.create_task_threadsafe(async move || {
                polled.fetch_add(1, Ordering::Relaxed);
            }));
        }
        let mut before = 0;
        while before < 10_000 {
            yield_now().await;
            let now = polled.load(Ordering::Relaxed);
            assert!(now - before <= 130, "{} others came first", now - before);
            before = now;
        }
    });
}
