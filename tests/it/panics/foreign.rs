//! Panics in foreign wakers.

use std::future::pending;
use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::ptr;
use std::sync::Arc;
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker};
use std::time::Duration;

use futures::FutureExt;
use oneloop::{create_task, sleep, yield_now};

use super::{Bomb, messages, reporting, text};
use crate::tasks::{poll_once, throw};

const SECOND: Duration = Duration::from_secs(1);

struct PanicsOnWake;

impl Wake for PanicsOnWake {
    fn wake(self: Arc<Self>) {
        throw("wake");
    }
}

struct PanicsOnDrop(#[expect(dead_code, reason = "only its drop counts")] Bomb);

impl Wake for PanicsOnDrop {
    fn wake(self: Arc<Self>) {}
}

/// A waker whose clone panics.
fn panics_on_clone() -> Waker {
    static TABLE: RawWakerVTable = RawWakerVTable::new(clone, ignore, ignore, ignore);
    fn clone(_: *const ()) -> RawWaker {
        throw("clone")
    }
    fn ignore(_: *const ()) {}
    #[expect(unsafe_code, reason = "std has no safe waker whose clone is user code")]
    // SAFETY: no function of the table uses the pointer, and all may be called from any thread.
    unsafe {
        Waker::new(ptr::null(), &TABLE)
    }
}

fn poll_by<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

#[test]
fn a_foreign_waker_that_panics_when_woken_is_reported_and_stops_nothing() {
    let (log, builder) = reporting();
    builder.run(async {
        let waker = Waker::from(Arc::new(PanicsOnWake));
        let mut task = create_task(sleep(SECOND));
        let mut timer = sleep(SECOND);
        assert!(poll_by(&mut task, &waker).is_pending());
        assert!(poll_by(&mut timer, &waker).is_pending());
        sleep(2 * SECOND).await;
        assert!(task.await.is_ok());
        assert!(poll_once(&mut timer).await.is_ready());
    });
    let seen = log.take();
    assert!(
        seen.iter()
            .all(|unhandled| unhandled.message() == "wake" && unhandled.task_name().is_none())
    );
    assert_eq!(seen.len(), 2);
}

#[test]
fn a_foreign_waker_that_panics_when_dropped_is_reported_and_stops_nothing() {
    let (log, builder) = reporting();
    builder.run(async {
        let waker = || Waker::from(Arc::new(PanicsOnDrop(Bomb("waker"))));
        let [mut replaced, mut dropped] = [(); 2].map(|()| create_task(sleep(SECOND)));
        let [mut reset, mut disarmed] = [sleep(SECOND), sleep(SECOND)];
        // The loop has a clone of each. Ours is leaked, as if it were on another thread.
        for future in [&mut replaced, &mut dropped] {
            assert!(lend(waker(), |waker| poll_by(future, waker)).is_pending());
        }
        for future in [&mut reset, &mut disarmed] {
            assert!(lend(waker(), |waker| poll_by(future, waker)).is_pending());
        }
        assert!(log.take().is_empty());
        assert!(poll_once(&mut replaced).await.is_pending());
        sleep(Duration::from_nanos(1)).await;
        assert_eq!(messages(&log), ["waker"]);
        drop(dropped);
        sleep(Duration::from_nanos(1)).await;
        assert_eq!(messages(&log), ["waker"]);
        assert!(poll_once(&mut reset).await.is_pending());
        sleep(Duration::from_nanos(1)).await;
        assert_eq!(messages(&log), ["waker"]);
        drop(disarmed);
        sleep(Duration::from_nanos(1)).await;
        assert_eq!(messages(&log), ["waker"]);
        assert!(replaced.await.is_ok());
        reset.await;
    });
    assert!(log.take().is_empty());
}

/// Calls `f` with `waker`, of which the loop keeps a clone, and drops it before the clone.
fn lend<R>(waker: Waker, f: impl FnOnce(&Waker) -> R) -> R {
    let result = f(&waker);
    drop(waker);
    result
}

#[test]
fn a_foreign_waker_that_panics_when_cloned_panics_its_poller_and_nobody_else() {
    let (log, builder) = reporting();
    builder.run(async {
        let waker = panics_on_clone();
        let mut task = create_task(sleep(SECOND));
        let mut timer = sleep(SECOND);
        let poll = AssertUnwindSafe(|| poll_by(&mut task, &waker).map(|_| ()));
        assert_eq!(text(&*panic::catch_unwind(poll).unwrap_err()), "clone");
        let poll = AssertUnwindSafe(|| poll_by(&mut timer, &waker));
        assert_eq!(text(&*panic::catch_unwind(poll).unwrap_err()), "clone");
        timer.await;
        assert!(task.await.is_ok());
    });
    assert!(log.take().is_empty());
}

#[test]
fn foreign_wakers_that_are_left_at_the_end_may_panic_too() {
    let (log, builder) = reporting();
    let mut kept = Vec::new();
    builder.run(async {
        let mut task = create_task(pending::<()>());
        let waker = || Waker::from(Arc::new(PanicsOnDrop(Bomb("waker"))));
        assert!(lend(waker(), |waker| poll_by(&mut task, waker)).is_pending());
        let mut timer = sleep(SECOND);
        assert!(lend(waker(), |waker| poll_by(&mut timer, waker)).is_pending());
        kept.push((task, timer));
    });
    // The cancel has woken the task's waker, and the timer's was dropped.
    assert_eq!(messages(&log), ["waker"; 2]);
    drop(kept);
}

#[test]
fn a_foreign_waker_may_use_the_loop_when_it_is_woken() {
    struct CreatesTask;
    impl Wake for CreatesTask {
        fn wake(self: Arc<Self>) {
            create_task(async { Err::<(), _>("created by the waker") }).detach();
        }
    }

    let (log, builder) = reporting();
    builder.run(async {
        let mut task = create_task(yield_now());
        assert!(poll_by(&mut task, &Waker::from(Arc::new(CreatesTask))).is_pending());
        sleep(SECOND).await;
        assert!(task.now_or_never().is_some());
    });
    assert_eq!(messages(&log), ["created by the waker"]);
}
