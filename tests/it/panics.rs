//! Panics in user code, wherever the loop calls it: the loop survives, and a panic that is not
//! awaited is reported once.
//!
//! Most panics here are thrown without a message on stderr.

mod foreign;

use std::any::Any;
use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::future::{pending, ready};
use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt as _;

use oneloop::task::CancelReason;
use oneloop::{
    Builder, Handle, Unhandled, call_later, call_soon, create_task, current_task, sleep, task,
    task_group, yield_now,
};

use super::tasks::{Log, hold, on_drop, throw};

const SECOND: Duration = Duration::from_secs(1);

/// A payload that no panic of the standard library has.
#[derive(Debug, PartialEq)]
struct Payload(u32);

/// A loop that logs unhandled errors and panics.
fn reporting() -> (Log<Unhandled>, Builder) {
    let log = Log::new();
    let reports = log.clone();
    let builder = Builder::new().virtual_time(true);
    (log, builder.on_unhandled(move |unhandled| reports.push(unhandled.clone())))
}

fn messages(log: &Log<Unhandled>) -> Vec<String> {
    log.take().iter().map(|unhandled| unhandled.message().to_owned()).collect()
}

/// Panics when dropped.
struct Bomb(&'static str);

impl Drop for Bomb {
    fn drop(&mut self) {
        throw(self.0);
    }
}

/// Ready at once with `output`. Panics when dropped.
struct Ready {
    output: Option<Rc<()>>,
    _bomb: Bomb,
}

impl Future for Ready {
    type Output = Rc<()>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Rc<()>> {
        Poll::Ready(self.output.take().expect("polled once"))
    }
}

fn text(payload: &(dyn Any + Send)) -> &str {
    payload.downcast_ref::<&str>().expect("a text")
}

// In tasks.

#[test]
fn a_panic_in_poll_reaches_the_awaiter_and_is_not_reported() {
    let (log, builder) = reporting();
    builder.run(async {
        let task = create_task(async {
            yield_now().await;
            throw(Payload(7));
        });
        let error = task.await.map(|()| "output").unwrap_err();
        assert!(error.is_panic() && !error.is_cancelled());
        assert_eq!(*error.into_panic().unwrap().downcast::<Payload>().unwrap(), Payload(7));
        assert_eq!(create_task(ready("alive")).await.unwrap(), "alive");
    });
    assert!(log.take().is_empty());
}

#[test]
fn a_panic_that_nobody_awaits_is_reported_once_with_name_and_place() {
    let (log, builder) = reporting();
    let line = builder.run(async {
        let line = line!() + 1;
        drop(create_task(async { throw("on purpose") }).named("lonely"));
        yield_now().await;
        yield_now().await;
        line
    });
    let [unhandled] = log.take().try_into().unwrap();
    assert!(unhandled.is_panic());
    assert_eq!(unhandled.task_name(), Some("lonely"));
    assert_eq!(unhandled.message(), "on purpose");
    let place = unhandled.place().unwrap();
    assert_eq!((place.file(), place.line()), (file!(), line));
    let expected =
        format!("task `lonely`, created at {place}, panicked, and nobody awaits it: on purpose");
    assert_eq!(unhandled.to_string(), expected);
}

#[test]
fn a_panic_is_reported_when_the_handle_goes_after_it() {
    let (log, builder) = reporting();
    builder.run(async {
        let task = create_task(async { throw("on purpose") });
        yield_now().await;
        assert!(task.is_finished());
        let log = log.clone();
        assert_eq!(messages(&log), [""; 0]);
        drop(task);
        assert_eq!(messages(&log), [""; 0], "not inside the drop");
    });
    assert_eq!(messages(&log), ["on purpose"]);
}

#[test]
fn a_panic_whose_handle_outlives_the_loop_is_reported_at_its_end_once() {
    let (log, builder) = reporting();
    let mut kept = None;
    builder.run(async {
        kept = Some(create_task(async { throw("on purpose") }));
        yield_now().await;
    });
    assert_eq!(messages(&log), ["on purpose"]);
    drop(kept);
    assert_eq!(messages(&log), [""; 0]);
}

#[test]
fn an_eager_panic_that_nobody_awaits_is_reported() {
    let (log, builder) = reporting();
    builder.run(async {
        drop(task::Builder::new().eager(true).create_task(async { throw("on purpose") }));
    });
    assert_eq!(messages(&log), ["on purpose"]);
}

#[test]
fn a_panic_when_a_cancelled_future_is_dropped_reaches_the_awaiter() {
    let (log, builder) = reporting();
    builder.run(async {
        let task = create_task(async {
            let _bomb = Bomb("drop");
            pending::<()>().await;
        });
        yield_now().await;
        task.cancel();
        let payload = task.await.unwrap_err().into_panic().unwrap();
        assert_eq!(text(&*payload), "drop");
    });
    assert!(log.take().is_empty());
}

#[test]
fn a_panic_when_a_ready_future_is_dropped_wins_over_its_output() {
    let (log, builder) = reporting();
    let live = Rc::new(());
    let output = live.clone();
    builder.run(async {
        let task = create_task(Ready { output: Some(output), _bomb: Bomb("drop") });
        let payload = task.await.unwrap_err().into_panic().unwrap();
        assert_eq!(text(&*payload), "drop");
    });
    assert_eq!(Rc::strong_count(&live), 1);
    assert!(log.take().is_empty());
}

/// Panics when polled, and when dropped.
struct Twice(Bomb);

impl Future for Twice {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        assert_eq!(self.0.0, "drop");
        throw("poll")
    }
}

#[test]
fn of_two_panics_the_first_reaches_the_awaiter_and_the_second_is_reported_once() {
    let (log, builder) = reporting();
    builder.run(async {
        let task = create_task(Twice(Bomb("drop"))).named("twice");
        let payload = task.await.unwrap_err().into_panic().unwrap();
        assert_eq!(text(&*payload), "poll");
    });
    let reports = log.take();
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert_eq!((reports[0].task_name(), reports[0].message()), (Some("twice"), "drop"));
    assert!(reports[0].is_panic());
}

#[test]
fn both_panics_of_a_child_are_seen() {
    let (log, builder) = reporting();
    builder.run(async {
        let group = task_group(async |group| {
            group.create_task(Twice(Bomb("drop"))).named("child");
            pending::<()>().await;
        });
        let payload = AssertUnwindSafe(group).catch_unwind().await.unwrap_err();
        assert_eq!(text(&*payload), "poll");
    });
    let reports = log.take();
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert_eq!((reports[0].task_name(), reports[0].message()), (Some("child"), "drop"));
}

#[test]
fn both_panics_of_main_are_seen() {
    let (log, builder) = reporting();
    let run = || builder.run(Twice(Bomb("drop")));
    let payload = panic::catch_unwind(AssertUnwindSafe(run)).unwrap_err();
    assert_eq!(text(&*payload), "poll");
    let reports = log.take();
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert_eq!((reports[0].task_name(), reports[0].message()), (Some("main"), "drop"));
}

#[test]
fn a_panic_when_an_output_is_dropped_is_reported_wherever_that_happens() {
    let (log, builder) = reporting();
    let mut kept = None;
    builder.run(async {
        drop(create_task(async { Bomb("no handle") }).named("first"));
        let handle = create_task(async { Bomb("handle dropped") }).named("second");
        kept = Some(create_task(async { Bomb("loop end") }).named("third"));
        yield_now().await;
        drop(handle);
    });
    let seen: Vec<_> = log.take();
    let names: Vec<_> = seen.iter().filter_map(Unhandled::task_name).collect();
    let messages: Vec<_> = seen.iter().map(Unhandled::message).collect();
    assert_eq!(names, ["first", "second", "third"]);
    assert_eq!(messages, ["no handle", "handle dropped", "loop end"]);
    assert!(kept.is_some());
}

#[test]
fn a_payload_that_panics_when_dropped_does_no_harm() {
    let (log, builder) = reporting();
    builder.run(async {
        drop(create_task(async { throw(Bomb("payload")) }));
        drop(task::Builder::new().eager(true).create_task(async { throw(Bomb("payload")) }));
        call_soon(|| throw(Bomb("payload")));
        yield_now().await;
        assert_eq!(create_task(ready("alive")).await.unwrap(), "alive");
    });
    assert_eq!(messages(&log), ["a payload that is no text"; 3]);
}

#[test]
fn a_task_that_drops_such_a_payload_panics_itself() {
    let (log, builder) = reporting();
    builder.run(async {
        let task = create_task(async { throw(Bomb("payload")) });
        let drops = create_task(async {
            drop(task.await.map(|()| "output").unwrap_err());
        });
        let payload = drops.await.unwrap_err().into_panic().unwrap();
        assert_eq!(text(&*payload), "payload");
    });
    assert!(log.take().is_empty());
}

// In main, and at the end.

#[test]
fn a_panic_in_main_reaches_the_caller_after_the_others_are_dropped() {
    let (log, builder) = reporting();
    let dropped = Rc::new(Cell::new(false));
    let flag = dropped.clone();
    let run = || {
        builder.run(async {
            drop(create_task(async move {
                let _guard = on_drop(move || flag.set(current_task().is_some()));
                pending::<()>().await;
            }));
            drop(create_task(async {
                let _bomb = Bomb("dropped while main panics");
                pending::<()>().await;
            }));
            yield_now().await;
            throw(Payload(1));
        })
    };
    let payload: Box<dyn Any + Send> = panic::catch_unwind(AssertUnwindSafe(run)).unwrap_err();
    assert_eq!(*payload.downcast::<Payload>().unwrap(), Payload(1));
    assert!(dropped.get(), "in its own context");
    assert_eq!(messages(&log), ["dropped while main panics"]);
    assert!(current_task().is_none(), "no loop is left behind");
}

#[test]
fn a_runtime_runs_on_after_a_panic_in_main() {
    let mut runtime = Builder::new().virtual_time(true).build().unwrap();
    let task = runtime.create_task(sleep(SECOND));
    let run = || runtime.run(async { throw(Payload(2)) });
    let payload: Box<dyn Any + Send> = panic::catch_unwind(AssertUnwindSafe(run)).unwrap_err();
    assert!(payload.is::<Payload>());
    assert!(runtime.run(task).is_ok());
}

#[test]
fn a_panic_when_main_is_dropped_reaches_the_caller() {
    let main = Ready { output: Some(Rc::new(())), _bomb: Bomb("main") };
    let mut runtime = Builder::new().virtual_time(true).build().unwrap();
    let task = runtime.create_task(sleep(SECOND));
    let payload = panic::catch_unwind(AssertUnwindSafe(|| runtime.run(main))).unwrap_err();
    assert_eq!(text(&*payload), "main");
    assert!(runtime.run(task).is_ok(), "the loop goes on");
}

#[test]
fn panics_in_drops_at_the_end_are_reported_and_stop_nothing() {
    let (log, builder) = reporting();
    let live = Rc::new(());
    let captured = live.clone();
    builder.run(async {
        for _ in 0..3 {
            drop(create_task(hold((captured.clone(), Bomb("end")))));
        }
        drop(captured);
        yield_now().await;
    });
    assert_eq!(messages(&log), ["end"; 3]);
    assert_eq!(Rc::strong_count(&live), 1);
}

#[test]
fn what_was_cancelled_is_not_reported() {
    let (log, builder) = reporting();
    builder.run(async {
        drop(create_task(pending::<()>()));
        create_task(pending::<Result<(), String>>()).detach();
        drop(create_task(pending::<()>()).cancel_on_drop());
        yield_now().await;
    });
    assert!(log.take().is_empty());
}

// In calls and hooks.

#[test]
fn a_panic_in_a_call_is_reported_with_its_place_and_the_next_is_made() {
    let (log, builder) = reporting();
    let called = Rc::new(Cell::new(0));
    let count = called.clone();
    let line = builder.run(async move {
        let [soon, later] = [count.clone(), count.clone()];
        call_soon(|| throw("soon"));
        call_later(SECOND, || throw("later"));
        let line = line!() - 2;
        call_soon(move || soon.set(soon.get() + 1));
        call_later(SECOND, move || later.set(later.get() + 1));
        sleep(2 * SECOND).await;
        line
    });
    let places: Vec<_> = log
        .take()
        .iter()
        .map(|unhandled| {
            let place = unhandled.place().unwrap();
            (unhandled.message().to_owned(), place.file(), place.line())
        })
        .collect();
    let expected = [("soon".to_owned(), file!(), line), ("later".to_owned(), file!(), line + 1)];
    assert_eq!(places, expected);
    assert_eq!(called.get(), 2);
}

#[test]
fn a_panic_in_a_call_from_elsewhere_is_reported_without_a_task() {
    let (log, builder) = reporting();
    builder.run(async {
        Handle::current().call_soon_threadsafe(|| throw("sent")).unwrap();
        sleep(SECOND).await;
    });
    let [unhandled] = log.take().try_into().unwrap();
    assert_eq!((unhandled.task_name(), unhandled.place()), (None, None));
    assert_eq!(
        unhandled.to_string(),
        "code called by the event loop panicked, and nobody awaits it: sent"
    );
}

#[test]
fn a_hook_that_panics_stops_nothing_and_is_called_again() {
    let calls = Rc::new(Cell::new(0));
    let count = calls.clone();
    let hook = move |_: &Unhandled| {
        count.set(count.get() + 1);
        throw(Bomb("hook"));
    };
    Builder::new().virtual_time(true).on_unhandled(hook).run(async {
        drop(create_task(async { throw("first") }));
        drop(create_task(async { throw("second") }));
        yield_now().await;
        assert_eq!(create_task(ready("alive")).await.unwrap(), "alive");
    });
    assert_eq!(calls.get(), 2);
}

#[test]
fn a_hook_may_use_the_loop() {
    let log = Log::new();
    let (seen, steps) = (log.clone(), log);
    let hook = move |unhandled: &Unhandled| {
        let steps = steps.clone();
        steps.push(unhandled.message().to_owned());
        drop(create_task(async move {
            sleep(SECOND).await;
            steps.push("created by the hook".to_owned());
        }));
    };
    Builder::new().virtual_time(true).on_unhandled(hook).run(async {
        drop(create_task(async { throw("on purpose") }));
        sleep(2 * SECOND).await;
    });
    assert_eq!(seen.take(), ["on purpose", "created by the hook"]);
}

// Errors of detached tasks.

#[test]
fn detach_reports_an_error_once_with_name_and_place() {
    let (log, builder) = reporting();
    let line = builder.run(async {
        let line = line!() + 1;
        create_task(async { Err::<(), _>("no such file") }).named("reader").detach();
        yield_now().await;
        yield_now().await;
        line
    });
    let [unhandled] = log.take().try_into().unwrap();
    assert!(!unhandled.is_panic());
    assert_eq!((unhandled.task_name(), unhandled.message()), (Some("reader"), "no such file"));
    let place = unhandled.place().unwrap();
    assert_eq!((place.file(), place.line()), (file!(), line));
    let expected =
        format!("task `reader`, created at {place}, failed, and nobody awaits it: no such file");
    assert_eq!(unhandled.to_string(), expected);
}

#[test]
fn detach_reports_the_error_of_a_task_that_has_ended_already() {
    let (log, builder) = reporting();
    builder.run(async {
        let task = create_task(async { Err::<(), _>("late") });
        yield_now().await;
        assert_eq!(messages(&log), [""; 0]);
        task.detach();
        assert_eq!(messages(&log), [""; 0], "not inside the call");
    });
    assert_eq!(messages(&log), ["late"]);
}

#[test]
fn detach_reports_a_panic_as_one() {
    let (log, builder) = reporting();
    builder.run(async {
        create_task(async {
            yield_now().await;
            throw("on purpose")
        })
        .detach();
        sleep(SECOND).await;
    });
    let [unhandled] = log.take().try_into().unwrap();
    assert!(unhandled.is_panic());
}

#[test]
fn detach_takes_what_cannot_fail_and_what_never_ends_and_reports_nothing() {
    let (log, builder) = reporting();
    builder.run(async {
        create_task(async {}).detach();
        create_task(async { Ok::<_, String>("value") }).detach();
        create_task(async {
            loop {
                sleep(SECOND).await;
            }
        })
        .detach();
        sleep(3 * SECOND).await;
    });
    assert!(log.take().is_empty());
}

#[test]
fn an_error_that_is_dropped_unawaited_without_detach_is_not_reported() {
    let (log, builder) = reporting();
    builder.run(async {
        drop(create_task(async { Err::<(), _>("ignored") }));
        yield_now().await;
    });
    assert!(log.take().is_empty());
}

#[test]
fn an_error_whose_display_panics_is_reported_as_a_panic() {
    #[derive(Debug)]
    struct Mute;
    impl Error for Mute {}
    impl fmt::Display for Mute {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            throw("no words")
        }
    }
    let (log, builder) = reporting();
    builder.run(async {
        create_task(async { Err::<(), _>(Mute) }).detach();
        yield_now().await;
    });
    let [unhandled] = log.take().try_into().unwrap();
    assert!(unhandled.is_panic());
    assert_eq!(unhandled.message(), "no words");
}

// What `JoinError` gives.

#[test]
fn into_panic_of_a_cancelled_task_gives_the_error_back() {
    let (_log, builder) = reporting();
    builder.run(async {
        let task = create_task(pending::<()>());
        task.cancel();
        let error = task.await.unwrap_err().into_panic().map(|_| "payload").unwrap_err();
        assert_eq!(error.reason(), Some(CancelReason::Requested));
    });
}
