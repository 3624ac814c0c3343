//! Failures of cleanups: each reaches the code that awaits the task or, without such code, the
//! hook.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::future::pending;
use std::io::{self, ErrorKind};
use std::time::Duration;

use oneloop::task::Ready;
use oneloop::{
    Builder, CleanupError, GroupError, JoinError, Task, Unhandled, UnhandledKind, create_task,
    sleep, task_group, timeout, with_cleanup, yield_now,
};

use super::super::tasks::{Log, throw};

const SECOND: Duration = Duration::from_secs(1);

fn reporting() -> (Log<Unhandled>, Builder) {
    let log = Log::new();
    let reports = log.clone();
    let builder = Builder::new().virtual_time(true);
    (log, builder.on_unhandled(move |unhandled| reports.push(unhandled.clone())))
}

/// Waits for ever, and leaves a cleanup that fails after a second.
async fn unclean(error: &'static str) {
    let _guard = with_cleanup((), async move |()| {
        sleep(SECOND).await;
        Err::<(), _>(error)
    });
    pending::<()>().await;
}

/// Such a task, which has begun and was cancelled.
async fn cancelled(error: &'static str) -> Task<()> {
    let task = create_task(unclean(error)).named("unclean");
    yield_now().await;
    assert!(task.cancel());
    task
}

fn messages(errors: &[CleanupError]) -> Vec<&str> {
    errors.iter().map(CleanupError::message).collect()
}

fn reported(log: &Log<Unhandled>) -> Vec<String> {
    log.take().iter().map(|unhandled| unhandled.message().to_owned()).collect()
}

#[test]
fn the_awaiter_of_a_cancelled_task_sees_what_its_cleanup_failed_with_and_the_hook_does_not() {
    let (log, builder) = reporting();
    let error = builder.run(async { cancelled("not closed").await.await.unwrap_err() });
    assert!(error.is_cancelled());
    let [cleanup] = error.cleanup_errors() else { panic!("{error}") };
    assert_eq!((cleanup.message(), cleanup.is_panic()), ("not closed", false));
    assert_eq!(cleanup.task_name(), Some("unclean"));
    assert!(cleanup.place().unwrap().file().ends_with("failures.rs"));
    assert_eq!(reported(&log), [""; 0]);
}

#[test]
fn the_awaiter_of_a_task_that_panicked_sees_both() {
    let (log, builder) = reporting();
    let error = builder.run(async {
        let task = create_task(async {
            let _first = with_cleanup((), async |()| throw("while cleaning"));
            let _second = with_cleanup((), async |()| Err::<(), _>("not closed"));
            throw("boom")
        });
        task.await.unwrap_err()
    });
    assert!(error.is_panic());
    assert_eq!(messages(error.cleanup_errors()), ["not closed", "while cleaning"]);
    assert!(error.cleanup_errors()[1].is_panic());
    assert_eq!(reported(&log), [""; 0]);
}

#[test]
fn a_join_error_is_one_line_that_names_what_cleanups_failed_with() {
    let (_log, builder) = reporting();
    let error = builder.run(async {
        let task = create_task(async {
            let _guards: Vec<_> = (0..5)
                .map(|n| with_cleanup(n, async |n| Err::<(), _>(format!("{n}\nlines"))))
                .collect();
            pending::<()>().await;
        });
        yield_now().await;
        task.cancel();
        task.await.unwrap_err()
    });
    let line = error.to_string();
    assert!(line.contains("was cancelled by request; a cleanup, made at tests/it/"), "{line}");
    assert!(line.contains("failed: 0\\nlines; a cleanup"), "{line}");
    assert!(line.ends_with("failed: 2\\nlines; and 2 more cleanups failed"), "{line}");
    assert_eq!(error.cleanup_errors().len(), 5);
}

#[test]
fn an_io_error_of_a_cleanup_is_kept_and_join_errors_stay_sendable() {
    fn check<T: Error + Send + Sync>(_error: &T) {}
    let (_log, builder) = reporting();
    let error = builder.run(async {
        let task = create_task(async {
            let full = || Err::<(), _>(io::Error::from(ErrorKind::StorageFull));
            let _guard = with_cleanup((), async move |()| full());
            pending::<()>().await;
        });
        yield_now().await;
        task.cancel();
        task.await.unwrap_err()
    });
    check(&error);
    let cleanup = &error.cleanup_errors()[0];
    check(cleanup);
    assert_eq!(cleanup.io_error().unwrap().kind(), ErrorKind::StorageFull);
    assert!(cleanup.source().unwrap().is::<io::Error>());
}

#[test]
fn a_failure_that_the_handle_takes_away_unseen_is_reported_once() {
    let (log, builder) = reporting();
    builder.run(async {
        // The handle is dropped after the end, before it, and before the cleanup has begun.
        let ended = cancelled("after").await;
        sleep(2 * SECOND).await;
        drop(ended);
        let cleaning = cancelled("during").await;
        sleep(SECOND / 2).await;
        drop(cleaning);
        sleep(SECOND).await;
        drop(cancelled("before").await);
        sleep(2 * SECOND).await;
    });
    let reports = log.take();
    assert!(reports.iter().all(|report| report.kind() == UnhandledKind::CleanupFailed));
    let named = reports.iter().map(|report| (report.task_name().unwrap(), report.message()));
    assert!(
        named.eq([("unclean", "after"), ("unclean", "during"), ("unclean", "before")]),
        "{reports:?}"
    );
}

#[test]
fn a_failure_of_a_task_that_has_an_output_or_goes_on_is_reported() {
    let (log, builder) = reporting();
    builder.run(async {
        let task = create_task(async {
            let _guard = with_cleanup((), async |()| Err::<(), _>("of an output"));
            42
        });
        assert_eq!(task.await.unwrap(), 42);
        let task = create_task(async {
            assert!(timeout(SECOND, unclean("of a timeout")).await.is_err());
            pending::<()>().await;
        });
        sleep(3 * SECOND).await;
        task.cancel();
        assert!(task.await.unwrap_err().cleanup_errors().is_empty());
    });
    assert_eq!(reported(&log), ["of an output", "of a timeout"]);
}

#[test]
fn failures_beyond_what_a_task_keeps_are_reported() {
    let (log, builder) = reporting();
    let error = builder.run(async {
        let task = create_task(async {
            let _guards: Vec<_> =
                (0..70).map(|_| with_cleanup((), async |()| Err::<(), _>("no"))).collect();
            pending::<()>().await;
        });
        yield_now().await;
        task.cancel();
        task.await.unwrap_err()
    });
    assert_eq!((error.cleanup_errors().len(), reported(&log).len()), (64, 6));
}

#[test]
fn an_entry_of_a_group_error_tells_what_the_cleanups_of_its_child_failed_with() {
    let (log, builder) = reporting();
    let error: GroupError<&str> = builder.run(async {
        let group = task_group(async |group| -> Result<(), GroupError<&str>> {
            for (error, cleanup) in [("first", "of first"), ("second", "of second")] {
                group.create_task(async move {
                    let _guard = with_cleanup((), async move |()| {
                        sleep(SECOND).await;
                        Err::<(), _>(cleanup)
                    });
                    Err::<(), GroupError<&str>>(error.into())
                });
            }
            pending().await
        });
        group.await.unwrap_err().flatten()
    });
    let entries: Vec<_> =
        error.iter().map(|entry| (*entry.error(), messages(entry.cleanup_errors()))).collect();
    assert_eq!(entries, [("first", vec!["of first"]), ("second", vec!["of second"])]);
    let text = error.first().to_string();
    assert!(
        text.starts_with("first (in task `Task-") && text.ends_with("failed: of first)"),
        "{text}"
    );
    assert_eq!(reported(&log), [""; 0]);
}

#[test]
fn the_cleanups_of_cancelled_children_are_seen_by_their_handles_or_reported() {
    let (log, builder) = reporting();
    builder.run(async {
        let mut kept = None;
        let group = task_group(async |group| {
            kept = Some(group.create_task(unclean("with a handle")));
            drop(group.create_task(unclean("without one")));
            yield_now().await;
            group.cancel();
        });
        group.await;
        let error: JoinError = kept.unwrap().await.unwrap_err();
        assert_eq!(messages(error.cleanup_errors()), ["with a handle"]);
    });
    assert_eq!(reported(&log), ["without one"]);
}

#[test]
fn a_group_that_goes_early_reports_the_failures_that_it_has_not_given_back() {
    for seconds in [1, 3] {
        let (log, builder) = reporting();
        builder.run(async {
            // The child has failed, and is cleaning up or has done so, while a sibling still cleans
            // up.
            let group = task_group(async |group| -> Result<(), &str> {
                group.create_task(async {
                    let _guard = with_cleanup((), async |()| {
                        sleep(2 * SECOND).await;
                        Err::<(), _>("not closed")
                    });
                    Err::<(), _>("failed")
                });
                group.create_task(async {
                    let _guard = with_cleanup((), async |()| sleep(4 * SECOND).await);
                    pending::<()>().await;
                });
                pending().await
            });
            assert!(timeout(seconds * SECOND, group).await.is_err());
            sleep(5 * SECOND).await;
        });
        let mut reports = reported(&log);
        reports.sort();
        assert_eq!(reports, ["failed", "not closed"], "after {seconds} s");
    }
}

#[test]
fn the_awaiter_of_a_task_sees_the_cleanups_of_children_that_were_dropped_with_it() {
    let (log, builder) = reporting();
    builder.run(async {
        let task = create_task(task_group(async |group| {
            drop(group.create_task(unclean("of a child")).named("child"));
            pending::<()>().await;
        }));
        yield_now().await;
        yield_now().await;
        task.cancel();
        let error = task.await.unwrap_err();
        assert_eq!(messages(error.cleanup_errors()), ["of a child"]);
        assert_eq!(error.cleanup_errors()[0].task_name(), Some("child"));
    });
    assert_eq!(reported(&log), [""; 0]);
}

#[test]
fn a_starter_that_gets_no_join_error_leaves_the_failure_to_the_hook() {
    let (log, builder) = reporting();
    builder.run(async {
        let group = task_group(async |group| {
            let start = group.start(async |_ready: Ready<()>| unclean("unseen").await);
            let cancel = async {
                sleep(SECOND).await;
                group.cancel();
            };
            let (started, ()) = oneloop::gather!(start, cancel).await;
            assert!(started.unwrap_err().is_cancelled());
        });
        group.await;
    });
    assert_eq!(reported(&log), ["unseen"]);
}

#[test]
fn failures_that_are_left_when_the_loop_ends_are_reported() {
    let (log, builder) = reporting();
    let mut task = None;
    builder.run(async {
        task = Some(create_task(unclean("at the end")));
        yield_now().await;
    });
    drop(task);
    assert_eq!(reported(&log), ["at the end"]);
}

/// An error whose methods panic.
struct Hostile;

impl fmt::Debug for Hostile {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        throw("debug")
    }
}

impl fmt::Display for Hostile {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        throw("display")
    }
}

impl Error for Hostile {}

#[test]
fn an_error_that_panics_when_it_is_displayed_stops_neither_the_awaiter_nor_the_report() {
    let (log, builder) = reporting();
    builder.run(async {
        let task = create_task(async {
            let _guard = with_cleanup((), async |()| Err::<(), _>(Hostile));
            pending::<()>().await;
        });
        yield_now().await;
        task.cancel();
        let error = task.await.unwrap_err();
        assert_eq!(messages(error.cleanup_errors()), ["display"]);
        assert!(error.cleanup_errors()[0].is_panic());
        // The group's own report uses `Debug`.
        let group = task_group(async |group| -> Result<(), Hostile> {
            group.create_task(async { Err::<(), _>(Hostile) });
            group.create_task(async {
                let _guard = with_cleanup((), async |()| sleep(3 * SECOND).await);
                pending::<()>().await;
            });
            pending().await
        });
        assert!(timeout(SECOND, group).await.is_err());
    });
    let reports = log.take();
    let [report] = &reports[..] else { panic!("{reports:?}") };
    assert_eq!((report.kind(), report.message()), (UnhandledKind::TaskPanicked, "debug"));
}

/// An error whose `source` panics, but only from the second call on.
#[derive(Debug)]
struct Fickle(Cell<u32>);

impl fmt::Display for Fickle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fickle")
    }
}

impl Error for Fickle {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let asked = self.0.replace(self.0.get() + 1);
        if asked > 1 { throw("source") } else { None }
    }
}

#[test]
fn an_error_whose_source_panics_is_reported_once() {
    let (log, builder) = reporting();
    builder.run(async {
        create_task(async { Err::<(), _>(Fickle(1.into())) }).detach();
        yield_now().await;
    });
    assert_eq!(log.take().len(), 1);
}

#[test]
fn tasks_of_cleanups_at_the_end_of_the_loop_that_fail_are_reported() {
    let (log, builder) = reporting();
    let mut left = None;
    builder.run(async {
        let cleanup = async |()| {
            // One is detached, one fails the cleanup, and one fails in its own cleanup.
            create_task(async { Err::<(), _>("detached") }).detach();
            let error = cancelled("not closed").await.await.unwrap_err();
            assert_eq!(messages(error.cleanup_errors()), ["not closed"]);
            create_task(async { Err::<(), _>("awaited") }).await.unwrap()
        };
        let guard = with_cleanup((), cleanup);
        left = Some(create_task(async move {
            let _guard = guard;
            pending::<()>().await;
        }));
        yield_now().await;
    });
    drop(left);
    assert_eq!(reported(&log), ["detached", "awaited"]);
}
