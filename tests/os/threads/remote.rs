//! `Handle::create_task_threadsafe`: tasks that another thread creates and waits for.

use std::cell::Cell;
use std::future::pending;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, TryRecvError, channel};
use std::thread;

use oneloop::thread::{RemoteTask, to_thread};
use oneloop::{
    CancelReason, ContextVar, Handle, Runtime, UnhandledKind, create_task, current_task, gather,
    sleep, timeout, with_cleanup, yield_now,
};

use super::{MS, poll_once, reporting};

#[oneloop::test]
async fn a_thread_waits_for_what_a_task_gives() {
    let home = Handle::current();
    let (here, line) = (thread::current().id(), line!() + 2);
    let answer = to_thread(move || {
        let task = home.create_task_threadsafe(async || {
            let local = Rc::new(1);
            sleep(MS).await;
            let place = current_task().unwrap().place().unwrap();
            (thread::current().id(), *local, place.line())
        });
        task.wait().unwrap()
    });
    assert_eq!(answer.await, (here, 1, line));
}

#[oneloop::test]
async fn another_loop_awaits_it_and_so_may_its_own() {
    let home = Handle::current();
    let other = to_thread(move || {
        oneloop::run(async move {
            let tasks = (0..100).map(|n| home.create_task_threadsafe(async move || n));
            gather(tasks).await.into_iter().map(Result::unwrap).sum::<u32>()
        })
    });
    assert_eq!(other.await, (0..100).sum());
    assert_eq!(home.create_task_threadsafe(async || 5).await.unwrap(), 5);
}

#[oneloop::test]
async fn it_can_be_awaited_by_reference_and_asked() {
    let home = Handle::current();
    let mut task = home.create_task_threadsafe(async || {
        sleep(2 * MS).await;
        7
    });
    assert!(!task.is_finished());
    assert!(timeout(MS / 10, &mut task).await.is_err(), "it goes on");
    assert_eq!((&mut task).await.unwrap(), 7);
    assert!(task.is_finished());
    assert!(!task.cancel());
}

#[oneloop::test]
async fn a_panic_of_the_task_is_an_error_with_its_payload() {
    let home = Handle::current();
    let error = to_thread(move || {
        home.create_task_threadsafe(async || panic!("boom")).wait().map(|(): ()| ()).unwrap_err()
    });
    let payload = error.await.into_panic().unwrap();
    assert_eq!(*payload.downcast::<&str>().unwrap(), "boom");
}

#[oneloop::test]
async fn a_task_that_is_cancelled_before_it_starts_never_starts() {
    let home = Handle::current();
    let starts = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&starts);
    let task = home.create_task_threadsafe(async move || flag.store(true, Ordering::SeqCst));
    assert!(task.cancel(), "the loop has not heard of it yet");
    assert_eq!(task.await.unwrap_err().reason(), Some(CancelReason::Requested));
    assert!(!starts.load(Ordering::SeqCst));
}

#[oneloop::test]
async fn a_thread_cancels_a_task_and_waits_for_its_cleanups() {
    let home = Handle::current();
    let steps = to_thread(move || {
        let ((said, told), (begun, has_begun)) = (channel(), channel());
        let task = home.create_task_threadsafe(async move || {
            let _guard = with_cleanup((), async move |()| {
                sleep(MS).await;
                said.send("cleaned").unwrap();
            });
            begun.send(()).unwrap();
            pending::<()>().await;
        });
        has_begun.recv().unwrap();
        assert!(task.cancel());
        assert!(task.wait().unwrap_err().is_cancelled());
        told.try_recv().unwrap()
    });
    assert_eq!(steps.await, "cleaned");
}

#[test]
fn after_the_end_of_the_loop_it_is_an_error_at_once() {
    let handle = Runtime::new().unwrap().handle();
    let mut tasks: Vec<RemoteTask<()>> =
        (0..3).map(|_| handle.create_task_threadsafe(async || unreachable!())).collect();
    assert!(tasks.iter().all(RemoteTask::is_finished));
    assert!(!tasks[0].cancel());
    let errors = [
        tasks.pop().unwrap().wait().unwrap_err(),
        tasks.pop().unwrap().wait_timeout(MS).unwrap().unwrap_err(),
        oneloop::run(tasks.pop().unwrap()).unwrap_err(),
    ];
    assert!(errors.iter().all(|error| error.reason() == Some(CancelReason::LoopEnded)));
}

#[test]
fn a_loop_that_ends_first_ends_the_wait() {
    // The task runs; its creation is unread; it is created while the loop ends.
    for phase in 0..3 {
        let mut runtime = Runtime::new().unwrap();
        let handle = runtime.handle();
        let (begun, has_begun) = channel();
        let waiting = thread::spawn(move || {
            let task = handle.create_task_threadsafe(async move || {
                if phase == 2 {
                    let _guard = with_cleanup((), async |()| yield_now().await);
                    pending::<()>().await;
                }
                pending::<()>().await;
            });
            begun.send(()).unwrap();
            task.wait().unwrap_err().reason()
        });
        has_begun.recv().unwrap();
        if phase != 1 {
            runtime.run(sleep(MS));
        }
        runtime.shutdown();
        assert_eq!(waiting.join().unwrap(), Some(CancelReason::LoopEnded), "phase {phase}");
    }
}

#[test]
fn another_loop_that_awaits_learns_of_the_end() {
    let mut runtime = Runtime::new().unwrap();
    let handle = runtime.handle();
    let (begun, has_begun) = channel();
    let other = thread::spawn(move || {
        oneloop::run(async move {
            let mut task = handle.create_task_threadsafe(async || pending::<()>().await);
            assert!(poll_once(&mut task).await.is_pending());
            begun.send(()).unwrap();
            task.await.unwrap_err().is_cancelled()
        })
    });
    has_begun.recv().unwrap();
    runtime.run(yield_now());
    drop(runtime);
    assert!(other.join().unwrap());
}

#[test]
fn to_wait_on_the_loops_own_thread_is_an_error_that_says_what_to_do() {
    let message = |wait: &mut dyn FnMut()| {
        let payload = panic::catch_unwind(AssertUnwindSafe(wait)).unwrap_err();
        payload.downcast::<&str>().unwrap().to_string()
    };
    let mut runtime = Runtime::new().unwrap();
    let handle = runtime.handle();
    let mut between = handle.create_task_threadsafe(async || 1);
    let said = message(&mut || drop(between.wait_timeout(MS)));
    assert!(said.contains("`await` it instead"), "{said}");
    runtime.run(async {
        let mut inside = handle.create_task_threadsafe(async || 2);
        message(&mut || drop(inside.wait_timeout(MS)));
        while !inside.is_finished() {
            yield_now().await;
        }
        assert_eq!(inside.wait().unwrap(), 2, "then there is nothing to wait for");
    });
    assert_eq!(between.wait().unwrap(), 1);
}

#[test]
#[should_panic(expected = "has given its output already")]
fn to_wait_twice_is_an_error() {
    oneloop::run(async {
        let mut task = Handle::current().create_task_threadsafe(async || ());
        assert!((&mut task).await.is_ok());
        drop(task.wait());
    });
}

/// Knows the thread on which it has to be dropped.
struct Homesick(thread::ThreadId, Arc<AtomicUsize>);

impl Drop for Homesick {
    fn drop(&mut self) {
        assert_eq!(thread::current().id(), self.0);
        self.1.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_task_whose_handle_is_dropped_goes_on_and_its_output_stays_at_home() {
    let (builder, reports) = reporting();
    let (drops, here) = (Arc::new(AtomicUsize::new(0)), thread::current().id());
    let count = Arc::clone(&drops);
    builder.run(async {
        let home = Handle::current();
        let (dropped, is_dropped) = channel::<()>();
        to_thread(move || {
            let task = home.create_task_threadsafe(async move || {
                while is_dropped.try_recv() != Err(TryRecvError::Disconnected) {
                    yield_now().await;
                }
                Homesick(here, count)
            });
            drop(task);
            drop(dropped);
        })
        .await;
        while drops.load(Ordering::SeqCst) == 0 {
            yield_now().await;
        }
    });
    assert!(reports.borrow().is_empty(), "{:?}", reports.borrow());
}

#[test]
fn a_panic_that_no_handle_takes_is_reported_at_home() {
    for waits in [false, true] {
        let (builder, reports) = reporting();
        let line = builder.run(async {
            let home = Handle::current();
            let line = to_thread(move || {
                let line = line!() + 1;
                let task = home.create_task_threadsafe(async || -> () { panic!("unseen") });
                while waits && !task.is_finished() {
                    thread::yield_now();
                }
                line
            });
            let line = line.await;
            while reports.borrow().is_empty() {
                yield_now().await;
            }
            line
        });
        let reports = reports.borrow();
        assert_eq!(reports.len(), 1);
        assert!(reports[0].is_panic() && reports[0].task_name().unwrap().starts_with("Task-"));
        assert_eq!((reports[0].message(), reports[0].place().unwrap().line()), ("unseen", line));
    }
}

static USER: ContextVar<&str> = ContextVar::new("user").threadsafe();

#[oneloop::test]
async fn the_task_begins_with_the_threadsafe_variables_of_its_creator() {
    let home = Handle::current();
    assert_eq!(home.create_task_threadsafe(async || USER.get()).await.unwrap(), None);
    USER.set("ada");
    let from_call = to_thread(move || {
        USER.set("alan");
        home.create_task_threadsafe(async || USER.get()).wait().unwrap()
    });
    assert_eq!(from_call.await, Some("alan"));
    assert_eq!(home.create_task_threadsafe(async || USER.get()).await.unwrap(), Some("ada"));
}

/// Threads that create, wait for, await, cancel and drop tasks of a loop that ends meanwhile.
#[test]
fn a_storm_of_remote_tasks_ends_with_an_answer_for_each() {
    for round in 0..30_u32 {
        let mut runtime = Runtime::new().unwrap();
        let handle = runtime.handle();
        let threads: Vec<_> = (0..4)
            .map(|n: u32| {
                thread::spawn(move || {
                    let mut answers = 0;
                    for m in 0..50 {
                        let mut task = handle.create_task_threadsafe(async move || {
                            let local = Rc::new(Cell::new(m));
                            for _ in 0..m % 3 {
                                yield_now().await;
                            }
                            local.get()
                        });
                        if m % 7 == n {
                            task.cancel();
                        }
                        let result = match m % 4 {
                            0 => continue,
                            1 => task.wait(),
                            2 => oneloop::run(task),
                            _ => loop {
                                if let Some(result) = task.wait_timeout(MS) {
                                    break result;
                                }
                            },
                        };
                        assert!(
                            result.map_or_else(|error| error.is_cancelled(), |value| value == m)
                        );
                        answers += 1;
                    }
                    answers
                })
            })
            .collect();
        runtime.run(async {
            let other = create_task(pending::<()>());
            for _ in 0..round {
                sleep(MS / 20).await;
            }
            other.cancel();
        });
        drop(runtime);
        for thread in threads {
            assert_eq!(thread.join().unwrap(), 37);
        }
    }
}

#[test]
fn what_a_cleanup_failed_with_is_seen_by_the_waiting_thread_or_reported() {
    let (builder, reports) = reporting();
    builder.run(async {
        let home = Handle::current();
        to_thread(move || {
            let unclean = async |begun: Sender<()>, error: &'static str| {
                let _guard = with_cleanup((), async move |()| Err::<(), _>(error));
                begun.send(()).unwrap();
                pending::<()>().await;
            };
            for (error, is_seen) in [("seen", true), ("unseen", false)] {
                let (begun, has_begun) = channel();
                let task = home.create_task_threadsafe(async move || unclean(begun, error).await);
                has_begun.recv().unwrap();
                assert!(task.cancel());
                if is_seen {
                    let error = task.wait().unwrap_err();
                    assert_eq!(error.cleanup_errors()[0].message(), "seen");
                }
            }
        })
        .await;
        yield_now().await;
    });
    let reports = reports.borrow();
    let [report] = &reports[..] else { panic!("{reports:?}") };
    assert_eq!((report.kind(), report.message()), (UnhandledKind::CleanupFailed, "unseen"));
    assert!(report.task_name().is_some() && report.place().is_some());
}
