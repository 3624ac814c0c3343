//! `run_until_ctrl_c`: the first Ctrl-C asks, the second insists.

use std::cell::RefCell;
use std::future::{Future, pending};
use std::io::{self, ErrorKind, Result};
use std::net;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, raise};
use oneloop::signal::{SignalKind, signal};
use oneloop::thread::{is_cancelled, to_thread};
use oneloop::{
    Builder, Cleanup, Runtime, create_task, current_task, open_connection, run, run_until_ctrl_c,
    sleep, task_group, time, timeout, with_cleanup, yield_now,
};

use crate::{PATIENCE, alone, ends_by, send};

/// Less than a cleanup takes, and may take.
const AT_ONCE: Duration = Duration::from_secs(30);

/// The events, line by line.
#[derive(Clone, Default)]
struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    fn note(&self, line: &str) {
        self.0.borrow_mut().push(line.to_owned());
    }

    fn lines(&self) -> Vec<String> {
        self.0.take()
    }

    /// A loop that records its reports.
    fn builder(&self) -> Builder {
        let log = self.clone();
        Builder::new().cleanup_timeout(PATIENCE).on_unhandled(move |unhandled| {
            let whose = unhandled.task_name().unwrap_or("none that has a name");
            log.note(&format!("reported of {whose}"));
        })
    }

    /// A cleanup that takes this long, and begins with some presses.
    fn cleanup(&self, presses: u32, takes: Duration) -> Cleanup<()> {
        let log = self.clone();
        with_cleanup((), async move |()| {
            log.note("cleaning");
            for _ in 0..presses {
                press();
                // Otherwise the next press would count as the same.
                sleep(Duration::from_millis(1)).await;
            }
            sleep(takes).await;
            log.note("clean");
        })
    }
}

/// Records its drop, and the task in which it happens.
struct Dropped(Log);

impl Drop for Dropped {
    fn drop(&mut self) {
        let task = current_task().expect("a future is dropped in its task");
        self.0.note(&format!("dropped in {}", task.name()));
    }
}

/// Like a person at the keyboard: any thread may handle the signal.
fn press_from_elsewhere() {
    send(Signal::SIGINT).expect("it can be sent");
}

fn press() {
    raise(Signal::SIGINT).expect("it can be sent");
}

#[test]
fn without_a_press_it_gives_the_output() {
    let _alone = alone();
    assert_eq!(run_until_ctrl_c(async { 42 }), Ok(42));
    assert_eq!(run_until_ctrl_c(sleep(Duration::from_millis(1))), Ok(()));
}

#[test]
fn the_first_press_cancels_main_and_its_cleanups_run() {
    let _alone = alone();
    let log = Log::default();
    let result = log.builder().run_until_ctrl_c(async {
        let _dropped = Dropped(log.clone());
        let _guard = log.cleanup(0, Duration::from_millis(3));
        press();
        pending::<()>().await;
    });
    assert_eq!(result.unwrap_err().to_string(), "interrupted by Ctrl-C");
    assert_eq!(log.lines(), ["dropped in main", "cleaning", "clean"]);
}

#[test]
fn a_press_ends_the_park_of_a_loop_that_waits() -> Result<()> {
    let _alone = alone();
    let presses = thread::spawn(|| {
        thread::sleep(Duration::from_millis(10));
        send(Signal::SIGINT)
    });
    let interrupted = run_until_ctrl_c(pending::<()>()).unwrap_err();
    let error = io::Error::from(interrupted);
    assert_eq!(
        (error.kind(), error.to_string()),
        (ErrorKind::Interrupted, interrupted.to_string())
    );
    presses.join().unwrap()
}

#[test]
fn an_output_that_comes_with_the_press_wins() {
    let _alone = alone();
    let output = run_until_ctrl_c(async {
        press();
        "ready"
    });
    assert_eq!(output, Ok("ready"));
    let output = run_until_ctrl_c(async {
        let waits = create_task(async {
            press();
            "woken"
        });
        waits.await.unwrap()
    });
    assert_eq!(output, Ok("woken"));
}

/// The reports about `main`, which is interrupted.
fn reports(main: impl Future<Output = ()>) -> Vec<String> {
    let log = Log::default();
    let seen = log.clone();
    let builder = Builder::new()
        .cleanup_timeout(PATIENCE)
        .on_unhandled(move |unhandled| seen.note(&unhandled.to_string()));
    assert!(builder.run_until_ctrl_c(main).is_err());
    let lines = log.lines();
    assert!(lines.iter().all(|line| !line.contains("Builder::cleanup_timeout")), "{lines:?}");
    lines
}

const SECOND_PRESS: &str = "Ctrl-C was pressed a second time";

#[test]
fn it_is_said_that_the_second_press_cut_the_cleanups_of_main_off() {
    let _alone = alone();
    let log = Log::default();
    let lines = reports(async {
        let _second = log.cleanup(0, PATIENCE);
        let _first = log.cleanup(1, PATIENCE);
        press();
        pending::<()>().await;
    });
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().all(|line| line.ends_with(SECOND_PRESS)), "{lines:?}");
    assert!(lines[0].starts_with("a cleanup of task `main`, created at"), "{lines:?}");
}

#[test]
fn it_is_said_that_the_second_press_cut_the_cleanups_of_other_tasks_off() {
    let _alone = alone();
    let log = Log::default();
    let lines = reports(async {
        let guard = log.cleanup(1, PATIENCE);
        let task = create_task(async move {
            let _guard = guard;
            pending::<()>().await;
        });
        task.detach();
        yield_now().await;
        press();
        pending::<()>().await;
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].ends_with(SECOND_PRESS), "{lines:?}");
}

#[test]
fn the_second_press_ends_the_wait_for_a_dropped_writer() -> Result<()> {
    let _alone = alone();
    let listener = net::TcpListener::bind(("127.0.0.1", 0))?;
    let addr = listener.local_addr()?;
    let lines = reports(async {
        let (_reader, mut writer) = open_connection(addr).await.expect("it listens");
        writer.write(vec![0; 64 << 20]);
        let presses = create_task(async {
            press();
            sleep(Duration::from_millis(1)).await;
            press();
        });
        presses.detach();
        pending::<()>().await;
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
    let expected = [format!("peer {addr} had not taken the last "), SECOND_PRESS.to_owned()];
    assert!(expected.iter().all(|part| lines[0].contains(part)), "{lines:?}");
    Ok(())
}

#[test]
fn it_is_said_that_a_cleanup_came_after_the_second_press() {
    struct LeavesOne(Log);
    impl Drop for LeavesOne {
        fn drop(&mut self) {
            drop(self.0.cleanup(0, PATIENCE));
        }
    }
    let _alone = alone();
    let log = Log::default();
    let lines = reports(async {
        let late = LeavesOne(log.clone());
        let inner = log.clone();
        let _guard = with_cleanup(late, async move |late| {
            drop(inner.cleanup(1, PATIENCE));
            press();
            sleep(PATIENCE).await;
            drop(late);
        });
        press();
        pending::<()>().await;
    });
    let late = lines.iter().find(|line| line.contains("did not run"));
    assert!(late.is_some_and(|line| line.contains(SECOND_PRESS)), "{lines:?}");
}

#[test]
fn it_is_said_that_the_second_press_cut_a_call_off() {
    let _alone = alone();
    let (end, ended) = mpsc::channel::<()>();
    let lines = reports(async {
        let call = to_thread(move || {
            press_from_elsewhere();
            while !is_cancelled() {
                thread::yield_now();
            }
            press_from_elsewhere();
            ended.recv().unwrap_err();
        });
        call.await;
    });
    drop(end);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("a call on another thread, made at tests/signals"), "{lines:?}");
    assert!(lines[0].contains(SECOND_PRESS), "{lines:?}");
}

#[test]
fn the_second_press_cuts_the_cleanups_of_main_off() {
    let _alone = alone();
    let log = Log::default();
    let start = time::now();
    let result = log.builder().run_until_ctrl_c(async {
        let _second = log.cleanup(0, PATIENCE);
        let _first = log.cleanup(1, PATIENCE);
        press();
        pending::<()>().await;
    });
    assert!(result.is_err());
    assert!(time::now() - start < AT_ONCE);
    assert_eq!(log.lines(), ["cleaning", "reported of main", "reported of main"]);
}

#[test]
fn the_second_press_cuts_the_cleanups_of_other_tasks_off() {
    let _alone = alone();
    let log = Log::default();
    let start = time::now();
    let result = log.builder().run_until_ctrl_c(async {
        for name in ["one", "two"] {
            let own = log.clone();
            let task = create_task(async move {
                let _guard = own.cleanup(u32::from(name == "two"), PATIENCE);
                pending::<()>().await;
            });
            task.named(name).detach();
        }
        yield_now().await;
        press();
        pending::<()>().await;
    });
    assert!(result.is_err());
    assert!(time::now() - start < AT_ONCE);
    let mut lines = log.lines();
    lines.sort();
    assert_eq!(lines, ["cleaning", "cleaning", "reported of one", "reported of two"]);
}

#[test]
fn the_second_press_cuts_off_what_a_group_in_main_has_left() {
    let _alone = alone();
    let log = Log::default();
    let start = time::now();
    let result = log.builder().run_until_ctrl_c(task_group(async |group| {
        let own = &log;
        group.create_task(async move {
            let _guard = own.cleanup(1, PATIENCE);
            pending::<()>().await;
        });
        yield_now().await;
        press();
        pending::<()>().await;
    }));
    assert!(result.is_err());
    assert!(time::now() - start < AT_ONCE);
    assert_eq!(log.lines().len(), 2);
}

#[test]
fn the_second_press_cuts_calls_on_other_threads_off() {
    let _alone = alone();
    let log = Log::default();
    let start = time::now();
    let (stop, stopped) = mpsc::channel::<()>();
    let builder = log.builder();
    let result = builder.run_until_ctrl_c(async {
        let call = to_thread(move || {
            press_from_elsewhere();
            // The end of the loop cancels this call, and waits for it. By then it has seen the
            // first press.
            while !is_cancelled() {
                thread::yield_now();
            }
            press_from_elsewhere();
            stopped.recv().unwrap_err();
        });
        call.await;
    });
    assert!(result.is_err());
    assert!(time::now() - start < AT_ONCE);
    assert_eq!(log.lines(), ["reported of none that has a name"]);
    drop(stop);
}

#[test]
fn one_press_after_main_was_ready_lets_its_cleanups_run() {
    let _alone = alone();
    let log = Log::default();
    let output = log.builder().run_until_ctrl_c(async {
        let _guard = log.cleanup(1, Duration::from_millis(3));
        42
    });
    assert_eq!(output, Ok(42));
    assert_eq!(log.lines(), ["cleaning", "clean"]);
}

#[test]
fn two_presses_after_main_was_ready_leave_its_output() {
    let _alone = alone();
    let log = Log::default();
    let start = time::now();
    let output = log.builder().run_until_ctrl_c(async {
        let _guard = log.cleanup(2, PATIENCE);
        42
    });
    assert_eq!(output, Ok(42));
    assert!(time::now() - start < AT_ONCE);
    assert_eq!(log.lines(), ["cleaning", "reported of main"]);
}

#[test]
fn other_tasks_of_a_runtime_wait_for_its_next_run() -> Result<()> {
    let _alone = alone();
    let log = Log::default();
    let mut runtime = log.builder().build()?;
    let task = runtime.create_task(sleep(Duration::from_millis(2)));
    for _ in 0..2 {
        let result = runtime.run_until_ctrl_c(async {
            let _guard = log.cleanup(1, PATIENCE);
            press();
            pending::<()>().await;
        });
        assert!(result.is_err());
        assert_eq!(log.lines(), ["cleaning", "reported of main"]);
    }
    // Main has as much time for its cleanups as before.
    let output = runtime.run_until_ctrl_c(async {
        let _guard = log.cleanup(0, Duration::from_millis(1));
        task.await.unwrap();
        "ready"
    });
    assert_eq!(output, Ok("ready"));
    assert_eq!(log.lines(), ["cleaning", "clean"]);
    Ok(())
}

#[test]
fn a_press_while_the_loop_is_blocked_is_seen_afterwards() {
    let _alone = alone();
    let log = Log::default();
    let result = log.builder().run_until_ctrl_c(async {
        press();
        press();
        thread::sleep(Duration::from_millis(2));
        let _guard = log.cleanup(0, Duration::from_millis(1));
        sleep(PATIENCE).await;
    });
    assert!(result.is_err());
    assert_eq!(log.lines(), ["cleaning", "clean"], "both at once are one");
}

#[test]
fn other_listeners_hear_the_press_too() {
    let _alone = alone();
    let mut runtime = Runtime::new().unwrap();
    let mut listener = runtime.run(async { signal(SignalKind::SIGINT) }).unwrap();
    let result = runtime.run_until_ctrl_c(async {
        press();
        pending::<()>().await;
    });
    assert!(result.is_err());
    let heard = runtime.run(timeout(PATIENCE, listener.recv())).unwrap();
    assert_eq!(heard.unwrap(), SignalKind::SIGINT);
}

#[test]
fn a_panic_of_main_goes_on_in_the_caller() {
    let _alone = alone();
    let log = Log::default();
    let builder = log.builder();
    let run = AssertUnwindSafe(|| {
        builder.run_until_ctrl_c(async {
            let _guard = log.cleanup(0, Duration::from_millis(1));
            panic!("main panics");
        })
    });
    let payload = catch_unwind(run).unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&"main panics"));
    assert_eq!(log.lines(), ["cleaning", "clean"]);
}

#[test]
fn a_main_that_panics_when_it_is_cancelled_panics_in_the_caller() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }
    let _alone = alone();
    let run = || {
        run_until_ctrl_c(async {
            let _bomb = Bomb;
            press();
            pending::<()>().await;
        })
    };
    assert_eq!(catch_unwind(run).unwrap_err().downcast_ref(), Some(&"dropped"));
}

#[test]
fn inside_a_loop_it_panics() {
    let payload = catch_unwind(|| run(async { run_until_ctrl_c(async {}) })).unwrap_err();
    let message = payload.downcast_ref::<String>().unwrap();
    assert!(message.contains("cannot be run at tests/signals/until_ctrl_c.rs:"), "{message}");
}

#[test]
fn afterwards_ctrl_c_ends_the_process_again() {
    ends_by(Signal::SIGINT, "until_ctrl_c::afterwards_ctrl_c_ends_the_process_again", || {
        let interrupted = run_until_ctrl_c(async {
            press();
            pending::<()>().await;
        });
        assert!(interrupted.is_err());
        press();
        panic!("the process has not ended")
    });
}
