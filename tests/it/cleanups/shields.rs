//! `shield`, following asyncio's tests.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending};
use std::rc::Rc;
use std::time::Duration;

use oneloop::task::ShieldOutput;
use oneloop::{
    Builder, ContextVar, Unhandled, create_task, shield, sleep, time, timeout, wait_for,
    with_cleanup, yield_now,
};

const SECOND: Duration = Duration::from_secs(1);

#[oneloop::test(virtual_time)]
async fn a_shield_gives_the_output_of_its_future() {
    assert_eq!(shield(async { 42 }).await, 42);
}

#[oneloop::test(virtual_time)]
async fn a_cancelled_shield_lets_its_future_go_on_and_its_task_ends_at_once() {
    let done = Rc::new(Cell::new(false));
    let flag = done.clone();
    let start = time::now();
    let task = create_task(shield(async move {
        sleep(SECOND).await;
        flag.set(true);
    }));
    yield_now().await;
    task.cancel();
    assert!(task.await.unwrap_err().is_cancelled());
    assert!(!done.get() && time::now() == start);
    sleep(SECOND).await;
    assert!(done.get());
    assert_eq!(oneloop::all_tasks().len(), 1);
}

#[oneloop::test(virtual_time)]
async fn a_limit_around_a_shield_returns_on_time_and_the_work_completes() {
    let (done, start) = (Rc::new(Cell::new(false)), time::now());
    let flag = done.clone();
    let work = async move {
        sleep(10 * SECOND).await;
        flag.set(true);
        42
    };
    assert!(wait_for(shield(work), SECOND).await.is_err());
    assert_eq!(time::now() - start, SECOND);
    // Longer than a cleanup may take.
    sleep(9 * SECOND).await;
    assert!(done.get());
}

#[oneloop::test(virtual_time)]
async fn a_shielded_future_keeps_its_context_and_may_leave_cleanups() {
    static VAR: ContextVar<u32> = ContextVar::new("var");
    let log = super::Log::default();
    let inner = log.clone();
    VAR.set(7);
    let work = async move {
        yield_now().await;
        drop(with_cleanup(inner.clone(), async |log| log.add("clean")));
        sleep(SECOND).await;
        inner.add(format!("{:?}", VAR.get()));
    };
    assert!(timeout(SECOND / 2, shield(work)).await.is_err());
    sleep(SECOND).await;
    assert_eq!(log.take(), ["clean", "Some(7)"]);
}

/// Runs a shield whose waiter is dropped after a second. Returns the reports.
fn reported_of<F, How>(work: F) -> Vec<String>
where
    F: Future<Output: ShieldOutput<How>> + 'static,
{
    let log = super::Log::default();
    let seen = log.clone();
    let builder = Builder::new().virtual_time(true).on_unhandled(move |u| seen.add(u.to_string()));
    builder.run(async {
        assert!(timeout(SECOND, shield(work)).await.is_err());
        sleep(10 * SECOND).await;
    });
    log.take()
}

#[test]
fn an_error_of_a_shielded_future_that_nobody_sees_is_reported_once() {
    let reported = reported_of(async {
        sleep(2 * SECOND).await;
        Err::<(), _>("the disk is full")
    });
    assert!(reported.len() == 1 && reported[0].contains("the disk is full"), "{reported:?}");
    assert!(reported[0].contains("tests/it/cleanups/shields.rs"), "{reported:?}");
    assert_eq!(reported_of(async { sleep(2 * SECOND).await }), [""; 0]);
}

#[test]
fn a_panic_of_a_shielded_future_that_nobody_sees_is_reported_once() {
    let reported = reported_of(async {
        sleep(2 * SECOND).await;
        panic!("boom");
    });
    assert!(reported.len() == 1 && reported[0].contains("boom"), "{reported:?}");
}

#[test]
fn what_a_shield_has_left_is_cancelled_with_the_loop() {
    let value = Rc::new(());
    let inner = value.clone();
    Builder::new().virtual_time(true).run(async {
        let work = async move {
            pending::<()>().await;
            drop(inner);
        };
        assert!(timeout(SECOND, shield(work)).await.is_err());
    });
    assert_eq!(Rc::strong_count(&value), 1);
}

#[oneloop::test(virtual_time)]
async fn a_shield_that_was_never_polled_drops_its_future() {
    let value = Rc::new(());
    let inner = value.clone();
    drop(shield(async move {
        unreachable!("it never runs, with {inner:?}");
    }));
    yield_now().await;
    assert_eq!(Rc::strong_count(&value), 1);
}

#[oneloop::test(virtual_time)]
async fn a_panic_of_a_shielded_future_reaches_who_awaits_it() {
    let task = create_task(shield(async { panic!("boom") }));
    assert!(task.await.unwrap_err().is_panic());
}

#[oneloop::test(virtual_time)]
async fn a_shielded_task_goes_on_by_itself() {
    // Dropping a handle only detaches, so a task needs no shield.
    let task = create_task(sleep(SECOND));
    assert!(timeout(SECOND / 2, shield(task)).await.is_err());
}

#[test]
fn an_error_of_a_shielded_task_whose_waiter_has_gone_is_reported_once() {
    let reports = Rc::new(RefCell::new(Vec::new()));
    let log = reports.clone();
    let hook = move |unhandled: &Unhandled| log.borrow_mut().push(unhandled.message().to_owned());
    let fails = async |seconds: u32| {
        sleep(seconds * SECOND).await;
        Err::<(), _>("failed")
    };
    Builder::new().virtual_time(true).on_unhandled(hook).run(async {
        assert_eq!(create_task(fails(1)).shield().await.unwrap(), Err("failed"));
        assert!(timeout(SECOND, create_task(fails(2)).shield()).await.is_err());
        // One was never polled, and one ended before.
        drop(create_task(fails(0)).shield());
        let task = create_task(fails(0));
        sleep(SECOND).await;
        drop(task.shield());
        // A cancel is not an error, and neither is a plain value.
        let task = create_task(fails(2));
        let task_ref = task.task_ref();
        drop(task.shield());
        task_ref.cancel();
        drop(create_task(async { 42 }).shield());
        sleep(3 * SECOND).await;
    });
    assert_eq!(*reports.borrow(), ["failed"; 3]);
}

#[test]
fn a_panic_of_a_shielded_task_whose_waiter_has_gone_is_reported_once() {
    let reports = Rc::new(RefCell::new(Vec::new()));
    let log = reports.clone();
    let hook = move |unhandled: &Unhandled| log.borrow_mut().push(unhandled.message().to_owned());
    Builder::new().virtual_time(true).on_unhandled(hook).run(async {
        let task = create_task(async {
            sleep(2 * SECOND).await;
            panic!("boom");
        });
        assert!(timeout(SECOND, task.shield()).await.is_err());
        sleep(3 * SECOND).await;
    });
    let reports = reports.borrow();
    assert!(reports.len() == 1 && reports[0].contains("panicked: boom"), "{reports:?}");
}
