//! Calls of other threads, and reports, wait for the look around: they never run inside a
//! synchronous call, and they never delay the loop's timers.

#![expect(clippy::unwrap_used, reason = "these are tests, and their helpers")]

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Duration;

use oneloop::thread::channel as thread_channel;
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

#[test]
fn a_thread_that_floods_the_loop_lets_timers_expire() {
    fn flood(send: impl Fn(Handle) + Send + 'static) {
        let sent = run(async move {
            let home = Handle::current();
            let stop = Arc::new(AtomicBool::new(false));
            let stopped = Arc::clone(&stop);
            let thread = thread::spawn(move || {
                let count = (0..FOR_EVER).take_while(|_| !stopped.load(Ordering::Relaxed));
                count.map(|_| send(home)).count()
            });
            for _ in 0..3 {
                sleep(Duration::from_millis(1)).await;
            }
            stop.store(true, Ordering::Relaxed);
            thread.join().unwrap()
        });
        assert!(sent < FOR_EVER);
    }
    flood(|home| home.call_soon_threadsafe(|| ()).unwrap());
    flood(|home| drop(home.create_task_threadsafe(async || ())));
}

/// Counts the calls that were made before it was dropped.
struct UntilDropped {
    made: Arc<AtomicUsize>,
    before: Rc<Cell<Option<usize>>>,
}

impl Drop for UntilDropped {
    fn drop(&mut self) {
        self.before.set(Some(self.made.load(Ordering::Relaxed)));
    }
}

const MANY: usize = 10_000;

/// Leaves many calls to the loop, has another thread do what `prepare` returns, and returns how
/// many calls were made before that has ended a future.
fn calls_before<T: Send + 'static>(
    prepare: impl FnOnce(UntilDropped) -> T,
    act: fn(T),
) -> Option<usize> {
    let before = Rc::new(Cell::new(None));
    Builder::new().virtual_time(true).run(async {
        let home = Handle::current();
        let made = Arc::new(AtomicUsize::new(0));
        let acting = prepare(UntilDropped { made: Arc::clone(&made), before: Rc::clone(&before) });
        // A remote task is created in a look around. A round may have 64 polls.
        for _ in 0..66 {
            yield_now().await;
        }
        for _ in 0..MANY {
            let made = Arc::clone(&made);
            let call = move || {
                made.fetch_add(1, Ordering::Relaxed);
            };
            home.call_soon_threadsafe(call).unwrap();
        }
        thread::spawn(move || act(acting)).join().unwrap();
        while made.load(Ordering::Relaxed) < MANY {
            yield_now().await;
        }
    });
    before.get()
}

/// A look-around makes 64 calls. The first may come before the mail, the second before the polls.
const SOON: usize = 128;

#[test]
fn a_cancel_from_another_thread_does_not_wait_behind_calls() {
    let waiting = |until: UntilDropped| {
        create_task(async move {
            let _until = until;
            pending::<()>().await;
        })
    };
    let by_handle = calls_before(waiting, |task| assert!(task.cancel()));
    assert!(by_handle.is_some_and(|made| made <= SOON), "{by_handle:?}");
    let reference = |until| {
        let task = waiting(until);
        (task.task_ref(), task)
    };
    let by_reference = calls_before(reference, |(reference, _task)| assert!(reference.cancel()));
    assert!(by_reference.is_some_and(|made| made <= SOON), "{by_reference:?}");
}

#[test]
fn a_cancel_of_a_remote_task_does_not_wait_behind_calls() {
    thread_local! {
        static UNTIL: RefCell<Option<UntilDropped>> = const { RefCell::new(None) };
    }
    let remote = |until| {
        UNTIL.set(Some(until));
        Handle::current().create_task_threadsafe(async || {
            let _until = UNTIL.take();
            pending::<()>().await;
        })
    };
    let made = calls_before(remote, |task| assert!(task.cancel()));
    assert!(made.is_some_and(|made| made <= SOON), "{made:?}");
}

#[test]
fn a_wake_from_another_thread_does_not_wait_behind_calls() {
    let waiting = |until: UntilDropped| {
        let (sender, mut receiver) = thread_channel(1);
        create_task(async move {
            receiver.recv().await.unwrap();
            drop(until);
        })
        .detach();
        sender
    };
    let made = calls_before(waiting, |sender| sender.try_send(()).unwrap());
    assert!(made.is_some_and(|made| made <= SOON), "{made:?}");
}

#[test]
fn a_reference_does_not_cancel_the_next_task_in_the_slot() {
    run(async {
        let first = create_task(async {});
        let reference = first.task_ref();
        let told = thread::spawn(move || reference.cancel());
        assert!(told.join().unwrap(), "the loop was told");
        first.await.unwrap_or_default();
        let second = create_task(async {});
        thread::spawn(move || reference.cancel()).join().unwrap();
        assert!(second.await.is_ok());
    });
}

#[test]
fn calls_that_wait_at_the_end_are_dropped_by_the_loop_in_order() {
    struct Noted {
        number: usize,
        home: Handle,
        log: Arc<Mutex<Vec<usize>>>,
        is_made: bool,
    }
    impl Noted {
        fn note_call(mut self) {
            self.is_made = true;
        }
    }
    impl Drop for Noted {
        fn drop(&mut self) {
            if self.is_made {
                return;
            }
            assert!(self.home.call_soon_threadsafe(|| ()).is_err(), "no call comes any more");
            self.log.lock().unwrap().push(self.number);
            assert!(self.number != 7, "a drop that panics does not stop the others");
        }
    }
    let log = Arc::new(Mutex::new(Vec::new()));
    let made = Arc::new(AtomicUsize::new(0));
    let panics = Rc::new(Cell::new(0));
    let count = Rc::clone(&panics);
    Builder::new().virtual_time(true).on_unhandled(move |_| count.set(count.get() + 1)).run(
        async {
            let home = Handle::current();
            for number in 0..MANY {
                let noted = Noted { number, home, log: Arc::clone(&log), is_made: false };
                let made = Arc::clone(&made);
                let call = move || {
                    noted.note_call();
                    made.fetch_add(1, Ordering::Relaxed);
                };
                home.call_soon_threadsafe(call).unwrap();
            }
        },
    );
    let made = made.load(Ordering::Relaxed);
    assert!(made < MANY);
    assert!(log.lock().unwrap().iter().copied().eq(made..MANY));
    assert_eq!(panics.get(), i32::from(made <= 7));
}
