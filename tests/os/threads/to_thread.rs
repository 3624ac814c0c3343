//! `to_thread`: the output of a call, and the end of a call that is no longer awaited.

use std::cell::Cell;
use std::future::{Future, pending};
use std::panic;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, channel};
use std::task::{Context, Wake, Waker};
use std::thread;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use oneloop::thread::{ToThread, check_cancelled, is_cancelled, to_thread};
use oneloop::{
    Builder, Unhandled, create_task, gather, select, sleep, task_group, timeout, with_cleanup,
    yield_now,
};

use super::{MS, Waiting, endless, gate, poll_once, reporting};

/// Counts its drops, and on which threads.
#[derive(Clone, Debug, Default)]
struct Drops(Arc<AtomicUsize>);

#[derive(Debug)]
struct Dropped(Drops);

impl Drops {
    fn token(&self) -> Dropped {
        Dropped(self.clone())
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[oneloop::test]
async fn to_thread_gives_what_the_call_returns() {
    assert_eq!(to_thread(|| 2 + 2).await, 4);
}

#[oneloop::test]
async fn many_calls_each_give_their_own_result() {
    let results = gather((0..1000).map(|n| to_thread(move || n * 2))).await;
    assert!(results.into_iter().eq((0..1000).map(|n| n * 2)));
}

#[oneloop::test]
async fn the_loop_goes_on_while_a_call_blocks() {
    let (mut gate, waiting) = gate();
    let call = create_task(to_thread(move || waiting.pass()));
    sleep(MS).await;
    assert!(!call.is_finished());
    gate.open();
    call.await.unwrap();
}

#[oneloop::test]
async fn a_panic_goes_on_in_the_task_that_awaits() {
    let error = create_task(to_thread(|| panic!("boom"))).await.unwrap_err();
    let payload = error.into_panic().unwrap();
    assert_eq!(*payload.downcast_ref::<&str>().unwrap(), "boom");
    assert_eq!(to_thread(|| 1).await, 1, "the thread lives on");
}

#[test]
fn a_panic_of_main_with_a_call_that_panicked_is_the_calls_own() {
    let caught = panic::catch_unwind(|| {
        oneloop::run(async { to_thread(|| panic::panic_any(7_u8)).await });
    });
    assert_eq!(*caught.unwrap_err().downcast::<u8>().unwrap(), 7);
}

#[oneloop::test]
async fn nothing_begins_before_the_first_poll() {
    let has_run = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&has_run);
    let call = to_thread(move || flag.store(true, Ordering::SeqCst));
    to_thread(|| ()).await;
    drop(call);
    to_thread(|| ()).await;
    assert!(!has_run.load(Ordering::SeqCst));
}

#[test]
fn a_call_that_waits_for_a_thread_is_taken_back_when_it_is_dropped() {
    Builder::new().blocking_threads(1).run(async {
        let (mut gate, waiting) = gate();
        let mut first = to_thread(move || waiting.pass());
        assert!(poll_once(&mut first).await.is_pending());
        let (drops, has_run) = (Drops::default(), Arc::new(AtomicBool::new(false)));
        let (token, flag) = (drops.token(), Arc::clone(&has_run));
        let mut second = to_thread(move || {
            let _token = token;
            flag.store(true, Ordering::SeqCst);
        });
        assert!(poll_once(&mut second).await.is_pending());
        drop(second);
        assert_eq!(drops.count(), 1, "the call goes at once");
        gate.open();
        first.await;
        to_thread(|| ()).await;
        assert!(!has_run.load(Ordering::SeqCst));
    });
}

#[test]
fn a_queue_of_calls_that_were_taken_back_does_not_grow() {
    Builder::new().blocking_threads(1).run(async {
        let (mut gate, waiting) = gate();
        let first = create_task(to_thread(move || waiting.pass()));
        yield_now().await;
        for _ in 0..10_000 {
            let mut call = to_thread(|| unreachable!("it was taken back"));
            assert!(poll_once(&mut call).await.is_pending());
        }
        gate.open();
        first.await.unwrap();
        to_thread(|| ()).await;
    });
}

#[oneloop::test]
async fn a_call_that_runs_goes_on_when_it_is_dropped_and_can_ask() {
    let (said, told) = channel();
    let (drops, (mut gate, waiting)) = (Drops::default(), gate());
    let result = drops.token();
    let call = to_thread(move || {
        said.send(is_cancelled()).unwrap();
        waiting.pass();
        said.send(is_cancelled()).unwrap();
        assert!(check_cancelled().is_err());
        result
    });
    let call = create_task(call);
    while told.try_recv() != Ok(false) {
        yield_now().await;
    }
    call.cancel();
    assert!(call.await.unwrap_err().is_cancelled(), "nobody waits for the thread");
    gate.open();
    assert!(to_thread(move || told.recv()).await.unwrap());
    while drops.count() == 0 {
        yield_now().await;
    }
}

#[test]
fn is_cancelled_is_false_elsewhere() {
    assert!(!is_cancelled());
    assert_eq!(check_cancelled(), Ok(()));
    oneloop::run(async { assert!(!is_cancelled()) });
}

/// An endless call that has begun.
async fn begun(waiting: Waiting) -> (ToThread<()>, mpsc::Receiver<()>) {
    let (call, has_begun, told) = endless(waiting);
    let mut call = to_thread(call);
    while has_begun.try_recv().is_err() {
        assert!(poll_once(&mut call).await.is_pending());
        yield_now().await;
    }
    (call, told)
}

#[oneloop::test]
async fn a_timeout_abandons_a_call() {
    let (mut gate, waiting) = gate();
    let (call, ended) = begun(waiting).await;
    assert!(timeout(MS, call).await.is_err());
    assert!(ended.try_recv().is_err(), "it cannot have passed the gate");
    gate.open();
    assert!(to_thread(move || ended.recv()).await.is_ok());
}

#[oneloop::test]
async fn a_timeout_waits_for_a_call_that_wants_it() {
    let (mut gate, waiting) = gate();
    let (call, ended) = begun(waiting).await;
    gate.open();
    assert!(timeout(MS, call.wait_on_cancel()).await.is_err());
    assert!(ended.try_recv().is_ok());
}

#[oneloop::test]
async fn a_call_that_has_not_begun_leaves_nothing_to_wait_for() {
    let never = to_thread(|| unreachable!("it was never polled"));
    drop(never.wait_on_cancel());
    assert_eq!(to_thread(|| 1).wait_on_cancel().await, 1, "nor does one that has ended");
}

#[oneloop::test]
async fn a_task_and_its_group_end_with_the_call_that_is_waited_for() {
    let ended = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&ended);
    task_group(async |group| {
        let (said, told) = channel();
        group.create_task(async move {
            let work = to_thread(move || {
                said.send(()).unwrap();
                while !is_cancelled() {
                    thread::yield_now();
                }
                flag.store(true, Ordering::SeqCst);
            });
            work.wait_on_cancel().await;
        });
        while told.try_recv().is_err() {
            yield_now().await;
        }
        group.cancel();
    })
    .await;
    assert!(ended.load(Ordering::SeqCst));
}

/// In main, whose end waits for it, and in a task that the end of the loop cancels.
#[test]
fn a_waited_for_call_that_takes_too_long_is_reported_once() {
    for in_main in [true, false] {
        let (builder, reports) = reporting();
        let (mut gate, waiting) = gate();
        builder.cleanup_timeout(2 * MS).run(async {
            let (call, _ended) = begun(waiting).await;
            let call = call.wait_on_cancel();
            if in_main {
                drop(call);
            } else {
                create_task(call).detach();
                yield_now().await;
            }
        });
        gate.open();
        let reports = reports.borrow();
        let [report] = &reports[..] else { panic!("{reports:?}") };
        assert!(report.is_call() && !report.is_cleanup() && !report.is_panic(), "{report}");
        assert!(report.place().unwrap().file().ends_with("to_thread.rs"), "{report}");
        assert!(report.to_string().contains("was cut off: it goes on"), "{report}");
    }
}

#[test]
fn a_call_that_cannot_be_waited_for_any_more_is_reported_once() {
    let (builder, reports) = reporting();
    let (mut gate, waiting) = gate();
    let mut runtime = builder.cleanup_timeout(2 * MS).build().unwrap();
    let call = runtime.run(async { Some(begun(waiting).await.0.wait_on_cancel()) });
    let task = runtime.create_task(async { call });
    runtime.run(yield_now());
    runtime.shutdown();
    gate.open();
    drop(task);
    let reports = reports.borrow();
    let [report] = &reports[..] else { panic!("{reports:?}") };
    assert!(report.is_call() && !report.is_cleanup(), "{report}");
}

#[test]
fn a_panic_that_nobody_awaits_is_reported_with_its_place() {
    let (builder, reports) = reporting();
    let line = builder.run(async {
        let (begun, has_begun) = channel();
        let panics = move || -> () {
            begun.send(()).unwrap();
            while !is_cancelled() {
                thread::yield_now();
            }
            panic!("unseen");
        };
        let line = line!() + 1;
        let mut call = to_thread(panics);
        while has_begun.try_recv().is_err() {
            assert!(poll_once(&mut call).await.is_pending());
        }
        line
    });
    let reports = reports.borrow();
    let [report] = &reports[..] else { panic!("{reports:?}") };
    assert!(report.is_panic() && report.is_call());
    assert_eq!((report.message(), report.place().unwrap().line()), ("unseen", line));
    assert!(report.to_string().starts_with("a call on another thread, made at"), "{report}");
}

#[test]
fn a_finished_call_whose_panic_is_dropped_unseen_is_reported() {
    let (builder, reports) = reporting();
    builder.blocking_threads(1).run(async {
        let mut call = to_thread(|| panic!("unseen"));
        assert!(poll_once(&mut call).await.is_pending());
        // The only thread has ended the call before it begins the next one. The call is not polled
        // meanwhile.
        to_thread(|| ()).await;
        drop(call);
    });
    let reports = reports.borrow();
    assert_eq!(reports.len(), 1);
    assert!(reports[0].is_panic() && reports[0].is_call());
}

struct HostileWaker;

impl Wake for HostileWaker {
    fn wake(self: Arc<Self>) {
        panic!("woken");
    }
}

#[test]
fn a_waker_that_panics_on_a_thread_of_the_pool_is_reported_to_the_loop() {
    let (builder, reports) = reporting();
    builder.blocking_threads(1).run(async {
        let mut call = to_thread(|| ());
        let waker = Waker::from(Arc::new(HostileWaker));
        assert!(Pin::new(&mut call).poll(&mut Context::from_waker(&waker)).is_pending());
        // The only thread has woken the waker before it begins the next call.
        to_thread(|| ()).await;
        drop(call);
    });
    let reports = reports.borrow();
    let [report] = &reports[..] else { panic!("{reports:?}") };
    assert!(report.is_panic() && report.message() == "woken", "{report}");
}

#[test]
fn a_hook_that_panics_over_a_report_from_another_thread_stops_nothing() {
    let told = Rc::new(Cell::new(0));
    let count = Rc::clone(&told);
    let hook = move |_: &Unhandled| {
        count.set(count.get() + 1);
        panic!("the hook");
    };
    Builder::new().on_unhandled(hook).blocking_threads(1).run(async {
        for _ in 0..2 {
            let (begun, has_begun) = channel();
            let mut call = to_thread(move || {
                begun.send(()).unwrap();
                while !is_cancelled() {
                    thread::yield_now();
                }
                panic!("unseen");
            });
            while has_begun.try_recv().is_err() {
                assert!(poll_once(&mut call).await.is_pending());
            }
            drop(call);
            // The next call of the only thread comes after it.
            to_thread(|| ()).await;
        }
    });
    assert_eq!(told.get(), 2);
}

struct PanicsInDrop;

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

#[test]
fn results_and_payloads_that_panic_when_dropped_do_no_harm() {
    let (builder, reports) = reporting();
    builder.run(async {
        for panics in [false, true] {
            let (said, told) = channel();
            let (mut gate, waiting) = gate();
            let call = create_task(to_thread(move || {
                said.send(()).unwrap();
                waiting.pass();
                if panics {
                    panic::panic_any(PanicsInDrop);
                }
                PanicsInDrop
            }));
            while told.try_recv().is_err() {
                yield_now().await;
            }
            call.cancel();
            assert!(call.await.is_err());
            gate.open();
        }
        assert_eq!(to_thread(|| 1).await, 1);
    });
    assert_eq!(reports.borrow().len(), 2, "{:?}", reports.borrow());
}

#[oneloop::test]
async fn a_call_may_be_polled_by_somebody_elses_combinator() {
    let calls: FuturesUnordered<_> = (0..100_u32).map(|n| to_thread(move || n)).collect();
    assert_eq!(calls.fold(0, async |sum, n| sum + n).await, (0..100).sum::<u32>());
    select! {
        n = to_thread(|| 1) => assert_eq!(n, 1),
        () = pending() => unreachable!(),
    }
}

#[test]
fn a_cleanup_may_use_threads_also_at_the_end_of_the_loop() {
    let done = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&done);
    oneloop::run(async {
        create_task(async move {
            let _guard = with_cleanup(count, async |count| {
                to_thread(move || count.fetch_add(1, Ordering::SeqCst)).await;
            });
            pending::<()>().await;
        })
        .detach();
        yield_now().await;
    });
    assert_eq!(done.load(Ordering::SeqCst), 1);
}

#[test]
fn a_call_may_run_a_loop_of_its_own() {
    let sum = oneloop::run(to_thread(|| {
        oneloop::run(async { to_thread(|| 1).await + to_thread(|| 2).await })
    }));
    assert_eq!(sum, 3);
}

#[test]
#[should_panic(expected = "`to_thread` needs a running event loop: call it inside `oneloop::run`")]
fn without_a_loop_it_says_what_to_do() {
    let _ready = pin!(to_thread(|| ())).poll(&mut Context::from_waker(Waker::noop()));
}
