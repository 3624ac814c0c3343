//! The arguments of a hook: the kind, the error, its causes, the places; and lines that no peer can
//! forge.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::future::pending;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use oneloop::task::{Outcome, Reportable};
use oneloop::{
    Builder, Unhandled, UnhandledKind, create_task, task_group, timeout, with_cleanup, yield_now,
};

use super::tasks::{Log, throw};

fn reporting() -> (Log<Unhandled>, Builder) {
    let log = Log::new();
    let reports = log.clone();
    let builder = Builder::new().virtual_time(true);
    (log, builder.on_unhandled(move |unhandled| reports.push(unhandled.clone())))
}

/// The report that a detached task with this output leads to.
fn report_of<T, How>(output: T) -> Unhandled
where
    T: Outcome<Error: Reportable<How>> + 'static,
{
    let (log, builder) = reporting();
    builder.run(async move {
        create_task(async move { output }).named("fails").detach();
        yield_now().await;
    });
    log.take().pop().expect("it is reported")
}

/// An error with a cause. It need not be `Send`.
#[derive(Debug)]
struct Outer {
    cause: io::Error,
    _local: Rc<()>,
}

impl fmt::Display for Outer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot load the page")
    }
}

impl Error for Outer {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}

fn outer() -> Outer {
    Outer { cause: io::Error::new(io::ErrorKind::NotFound, "no such host"), _local: Rc::new(()) }
}

#[test]
fn a_report_carries_the_error_itself() {
    let report = report_of(Err::<(), _>(io::Error::from_raw_os_error(28)));
    assert_eq!(report.kind(), UnhandledKind::TaskFailed);
    let error = report.error().unwrap().downcast_ref::<io::Error>().unwrap();
    assert_eq!(error.raw_os_error(), Some(28));
    let report = report_of(Err::<(), _>(outer()));
    assert!(report.error().unwrap().is::<Outer>());
}

#[test]
fn a_report_names_the_causes_of_an_error() {
    let report = report_of(Err::<(), _>(outer()));
    assert_eq!(report.message(), "cannot load the page: no such host");
    let line = report.to_string();
    assert!(line.ends_with("nobody awaits it: cannot load the page: no such host"), "{line}");
}

#[test]
fn a_report_names_no_cause_twice() {
    let report = report_of({
        let group = task_group(async |_group| Err::<(), _>(io::Error::other("no such host")));
        oneloop::run(group)
    });
    assert_eq!(report.message().matches("no such host").count(), 1, "{report}");
}

#[test]
fn boxed_errors_and_texts_are_reported_too() {
    let boxed: Box<dyn Error> = Box::new(outer());
    assert_eq!(report_of(Err::<(), _>(boxed)).message(), "cannot load the page: no such host");
    let sendable: Box<dyn Error + Send + Sync> = "no space".into();
    assert_eq!(report_of(Err::<(), _>(sendable)).message(), "no space");
    assert_eq!(report_of(Err::<(), _>("a text")).message(), "a text");
    assert_eq!(report_of(Err::<(), _>("a text".to_owned())).error().unwrap().to_string(), "a text");
}

#[test]
fn a_cause_that_the_error_displays_itself_is_named_once() {
    #[derive(Debug)]
    struct Wrapper(io::Error);
    impl fmt::Display for Wrapper {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "cannot read: {}", self.0)
        }
    }
    impl Error for Wrapper {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }
    let report = report_of(Err::<(), _>(Wrapper(io::Error::other("disk on fire"))));
    assert_eq!(report.message(), "cannot read: disk on fire");
}

#[test]
fn an_error_that_is_its_own_cause_ends_somewhere() {
    #[derive(Debug)]
    struct Circle;
    impl fmt::Display for Circle {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("round")
        }
    }
    impl Error for Circle {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&Self)
        }
    }
    assert!(report_of(Err::<(), _>(Circle)).message().starts_with("round"));
}

#[test]
fn a_report_is_one_line_whatever_is_in_it() {
    let forged = "bad request\nERROR the disk is full\r\u{1b}[2K\u{2028}\u{202e}x";
    let report = report_of(Err::<(), _>(forged));
    assert_eq!(report.message(), forged, "a hook has the text as it is");
    let line = report.to_string();
    assert!(!line.contains(['\n', '\r', '\u{1b}', '\u{2028}', '\u{202e}']), "{line:?}");
    assert!(line.contains("bad request\\nERROR the disk is full\\r\\u{1b}[2K"), "{line}");
}

#[test]
fn a_failed_assertion_is_reported_in_one_line() {
    let (log, builder) = reporting();
    builder.run(async {
        drop(
            create_task(async { throw("left != right\n  left: 1\n right: 2".to_owned()) })
                .named("a\nb"),
        );
        yield_now().await;
    });
    let [report] = log.take().try_into().unwrap();
    assert_eq!(report.kind(), UnhandledKind::TaskPanicked);
    assert!(report.error().is_none());
    let line = report.to_string();
    assert!(
        line.contains("task `a\\nb`") && line.ends_with("right\\n  left: 1\\n right: 2"),
        "{line}"
    );
}

#[test]
fn a_failed_cleanup_is_reported_with_its_own_place_and_task() {
    let (log, builder) = reporting();
    let lines = builder.run(async {
        let created = line!() + 1;
        let task = create_task(async {
            drop(with_cleanup((), async |()| Err::<(), _>(outer())));
            line!() - 1
        });
        (created, task.named("cleans").await.unwrap())
    });
    let [report] = log.take().try_into().unwrap();
    assert_eq!(report.kind(), UnhandledKind::CleanupFailed);
    assert_eq!(report.task_name(), Some("cleans"));
    assert_eq!((report.task_place().unwrap().line(), report.place().unwrap().line()), lines);
    assert!(report.error().unwrap().is::<Outer>());
    let line = report.to_string();
    let place =
        format!("made at {}, failed: cannot load the page: no such", report.place().unwrap());
    assert!(line.starts_with("a cleanup of task `cleans`, created at "), "{line}");
    assert!(line.contains(&place), "{line}");
}

#[test]
fn the_cleanup_of_a_child_names_the_child_however_it_was_dropped() {
    let (log, builder) = reporting();
    builder.run(async {
        let group = task_group(async |group| {
            group
                .create_task(async {
                    let _guard = with_cleanup((), async |()| Err::<(), _>("not closed"));
                    pending::<()>().await;
                })
                .named("child");
        });
        assert!(timeout(Duration::from_secs(1), group).await.is_err());
        let group = task_group(async |group| {
            group
                .create_task(async {
                    let _guard = with_cleanup((), async |()| Err::<(), _>("not closed"));
                    pending::<()>().await;
                })
                .named("child");
            yield_now().await;
            group.cancel();
        });
        group.await;
    });
    let reports = log.take();
    let names: Vec<_> = reports.iter().filter_map(Unhandled::task_name).collect();
    assert_eq!(names, ["child"; 2], "{reports:?}");
}

#[test]
fn a_cleanup_that_panics_is_reported_with_its_place() {
    let (log, builder) = reporting();
    let line = builder.run(async {
        drop(with_cleanup((), async |()| throw("boom")));
        line!() - 1
    });
    let [report] = log.take().try_into().unwrap();
    assert_eq!(report.kind(), UnhandledKind::CleanupPanicked);
    assert_eq!(report.place().unwrap().line(), line);
}

#[test]
fn debug_output_of_a_report_says_what_it_is_about() {
    let text = format!("{:?}", report_of(Err::<(), _>("a\nb")));
    assert!(
        text.contains("TaskFailed") && text.contains("fails") && text.contains("a\\nb"),
        "{text}"
    );
}

// Loops that fail if anything was unhandled.

/// The message of the panic of `run`.
fn failure_of(run: impl FnOnce()) -> String {
    let payload = panic::catch_unwind(AssertUnwindSafe(run)).expect_err("it fails");
    *payload.downcast::<String>().expect("a text")
}

#[test]
fn a_loop_fails_at_its_end_by_what_was_unhandled() {
    let (log, builder) = reporting();
    let is_over = Cell::new(false);
    let message = failure_of(|| {
        builder.fail_on_unhandled(true).run(async {
            for _ in 0..12 {
                create_task(async { Err::<(), _>("no such file") }).detach();
            }
            yield_now().await;
            is_over.set(true);
        });
    });
    assert!(is_over.get(), "main has come to its end");
    assert_eq!(log.take().len(), 12, "the hook is told all the same");
    assert!(message.starts_with("12 unhandled"), "{message}");
    assert_eq!(message.matches("no such file").count(), 10, "{message}");
    assert!(message.ends_with("and 2 more"), "{message}");
}

#[test]
fn what_is_reported_when_the_loop_ends_counts_too() {
    let message = failure_of(|| {
        Builder::new().fail_on_unhandled(true).on_unhandled(|_| ()).run(async {
            create_task(async {
                let _guard = with_cleanup((), async |()| Err::<(), _>("not closed"));
                pending::<()>().await;
            })
            .detach();
            yield_now().await;
        });
    });
    assert!(message.contains("not closed"), "{message}");
}

#[test]
fn the_panic_of_main_comes_first() {
    let payload = panic::catch_unwind(|| {
        Builder::new().fail_on_unhandled(true).on_unhandled(|_| ()).run(async {
            create_task(async { Err::<(), _>("a report") }).detach();
            yield_now().await;
            throw("main")
        });
    });
    assert_eq!(*payload.unwrap_err().downcast::<&str>().unwrap(), "main");
}

#[test]
fn each_run_of_a_runtime_fails_by_its_own_reports() {
    let builder = Builder::new().fail_on_unhandled(true).on_unhandled(|_| ());
    let mut runtime = builder.build().unwrap();
    let fails = async {
        create_task(async { Err::<(), _>("in the first run") }).detach();
        yield_now().await;
    };
    let message = failure_of(|| runtime.run(fails));
    assert!(message.contains("in the first run"), "{message}");
    runtime.run(yield_now());
}

#[test]
fn a_guard_that_is_dropped_on_another_thread_is_told_to_its_own_hook() {
    let (log, builder) = reporting();
    let mut runtime = builder.build().unwrap();
    let guard = runtime.run(async { with_cleanup((), async |()| ()) });
    thread::spawn(move || drop(guard)).join().unwrap();
    assert!(log.take().is_empty());
    runtime.run(yield_now());
    let [report] = log.take().try_into().unwrap();
    assert_eq!(report.kind(), UnhandledKind::CleanupSkipped);
    assert_eq!(report.place().unwrap().file(), file!());
}
