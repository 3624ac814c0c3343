//! Workers: loops on several threads, the ports that they share, and how they end: by themselves, by each other, by signals.
//!
//! A binary of its own, since signals come to the whole process; and one test at a time, for the same reason.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "this is a test, and its helpers")]
#![expect(
    unsafe_code,
    reason = "only so can a test say that a signal is to do what it does by default"
)]

use std::any::Any;
use std::cell::Cell;
use std::env;
use std::fs;
use std::future::pending;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{self, SocketAddr};
use std::os::unix::process::ExitStatusExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, ExitStatus};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use nix::sched::{CpuSet, sched_getaffinity};
use nix::sys::signal::{SigHandler, Signal, kill, signal as set_action};
use nix::unistd::{Pid, getpid};
use oneloop::net::{TcpListener, TcpStream};
use oneloop::thread::to_thread;
use oneloop::workers::{OnPanic, Worker, per_core};
use oneloop::{
    Builder, Cleanup, Runtime, create_task, run, select, sleep, time, with_cleanup, workers,
    yield_now,
};

const MS: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(10);
/// Much less than the grace, and than a cleanup may take.
const AT_ONCE: Duration = Duration::from_secs(2);
const ANY_PORT: &str = "127.0.0.1:0";
const IN_CHILD: &str = "ONELOOP_TEST_IN_CHILD";

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `test`, the body of the test called `name`, in a process of its own, and says how that ended; not in that process.
fn in_child(name: &str, test: impl FnOnce()) -> Option<ExitStatus> {
    if env::var_os(IN_CHILD).is_some() {
        for signal in [Signal::SIGINT, Signal::SIGTERM] {
            // SAFETY: it is no handler.
            unsafe { set_action(signal, SigHandler::SigDfl) }.unwrap();
        }
        test();
        return None;
    }
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(IN_CHILD, "1")
        .output()
        .unwrap();
    eprintln!("{}", String::from_utf8_lossy(&child.stderr));
    Some(child.status)
}

fn send(signal: Signal) {
    kill(getpid(), signal).unwrap();
}

/// The message of a panic.
fn message(payload: &(dyn Any + Send)) -> &str {
    payload.downcast_ref::<String>().map_or("no text", String::as_str)
}

/// Counts when it has been done.
fn cleanup(done: &'static AtomicUsize, takes: Duration) -> Cleanup<()> {
    with_cleanup((), async move |()| {
        sleep(takes).await;
        done.fetch_add(1, Ordering::Relaxed);
    })
}

/// What a client that connects there is told.
fn ask(addr: SocketAddr) -> io::Result<String> {
    let mut client = net::TcpStream::connect(addr)?;
    client.set_read_timeout(Some(LONG))?;
    let mut answer = String::new();
    client.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn outputs_come_in_the_order_of_the_workers() -> io::Result<()> {
    let _alone = alone();
    let outputs = workers(3).run(async |worker| {
        // The last is ready first.
        sleep(MS * u32::try_from(3 - worker.index()).unwrap()).await;
        (worker.index(), worker.count())
    })?;
    assert_eq!(outputs, [(0, 3), (1, 3), (2, 3)]);
    let count = thread::available_parallelism()?.get();
    assert_eq!(per_core().run(async |worker| worker.count())?.len(), count);
    Ok(())
}

#[test]
fn each_has_a_loop_and_a_thread_of_its_own_and_may_borrow() -> io::Result<()> {
    let _alone = alone();
    let words = ["one".to_owned(), "two".to_owned()];
    let outputs = workers(2).run(async |worker| {
        let local = Rc::new(Cell::new(""));
        let shared = Rc::clone(&local);
        create_task(async move { shared.set("its own") }).await.unwrap();
        assert_eq!(local.get(), "its own");
        let name = thread::current().name().map(str::to_owned);
        (name.unwrap(), words[worker.index()].as_str())
    })?;
    assert_eq!(outputs, [("worker-0".to_owned(), "one"), ("worker-1".to_owned(), "two")]);
    Ok(())
}

#[test]
fn other_tasks_and_their_cleanups_end_with_their_worker() -> io::Result<()> {
    static DONE: AtomicUsize = AtomicUsize::new(0);
    let _alone = alone();
    workers(2).run(async |_worker| {
        create_task(async {
            let _guard = cleanup(&DONE, MS);
            pending::<()>().await;
        })
        .detach();
        yield_now().await;
    })?;
    assert_eq!(DONE.load(Ordering::Relaxed), 2);
    Ok(())
}

#[test]
fn no_workers_are_a_mistake() {
    let payload = catch_unwind(|| workers(0)).unwrap_err();
    let expected = "there must be at least one worker: `per_core()` has one for each core";
    assert_eq!(payload.downcast_ref(), Some(&expected));
}

#[test]
fn inside_a_loop_it_panics() {
    let _alone = alone();
    let payload = catch_unwind(|| run(async { workers(2).run(async |_| ()) })).unwrap_err();
    let message = message(&*payload);
    assert!(message.contains("cannot be run at tests/workers.rs:"), "{message}");
}

#[test]
fn options_are_those_of_the_builder() -> io::Result<()> {
    let _alone = alone();
    let (sender, reported) = mpsc::channel();
    let options = workers(2).builder(move |index| {
        let sender = sender.clone();
        Builder::new().on_unhandled(move |unhandled| {
            sender.send((index, unhandled.message().to_owned())).unwrap();
        })
    });
    options.run(async |worker| {
        create_task(async move { Err::<(), _>(format!("of {}", worker.index())) }).detach();
        yield_now().await;
    })?;
    let mut reported: Vec<_> = reported.iter().collect();
    reported.sort();
    assert_eq!(reported, [(0, "of 0".to_owned()), (1, "of 1".to_owned())]);
    Ok(())
}

#[test]
fn all_listen_at_the_one_port_that_was_free() -> io::Result<()> {
    let _alone = alone();
    let addrs = workers(3).run(async |worker| {
        let first = worker.listen(ANY_PORT).await?;
        let second = worker.listen(ANY_PORT).await?;
        let by_name = worker.listen("localhost:0").await?;
        io::Result::Ok([first.local_addr()?, second.local_addr()?, by_name.local_addr()?])
    })?;
    let addrs = addrs.into_iter().collect::<io::Result<Vec<_>>>()?;
    assert!(addrs.iter().all(|of_worker| *of_worker == addrs[0]), "{addrs:?}");
    assert_ne!(addrs[0][0].port(), 0);
    assert_ne!(addrs[0][0], addrs[0][1]);
    Ok(())
}

#[test]
fn a_worker_may_listen_again_at_a_port_that_all_share() -> io::Result<()> {
    let _alone = alone();
    let free = net::TcpListener::bind(ANY_PORT)?.local_addr()?;
    let addrs = workers(2).run(async |worker| {
        for _ in 0..3 {
            assert_eq!(worker.listen(free).await?.local_addr()?, free);
        }
        io::Result::Ok(())
    })?;
    addrs.into_iter().collect()
}

#[test]
fn connections_come_to_all_workers() -> io::Result<()> {
    const EACH: usize = 20;
    let _alone = alone();
    let accepted = workers(2).run(async |worker| {
        let listener = worker.listen(ANY_PORT).await?;
        let addr = listener.local_addr()?;
        if worker.index() == 0 {
            let all = worker.clone();
            thread::spawn(move || {
                let mut answers = [0; 2];
                // The kernel draws lots.
                while answers.iter().any(|count| *count < EACH) {
                    answers[ask(addr).unwrap().parse::<usize>().unwrap()] += 1;
                }
                all.stop();
            });
        }
        let mut count = 0;
        loop {
            let (stream, _addr) = select! {
                () = worker.stopping() => return io::Result::Ok(count),
                accepted = listener.accept() => accepted?,
            };
            stream.write_all(worker.index().to_string().as_bytes()).await?;
            count += 1;
        }
    })?;
    assert!(accepted.into_iter().all(|count| count.unwrap() >= EACH));
    Ok(())
}

#[test]
fn a_port_of_another_program_is_not_shared_with_it() -> io::Result<()> {
    let _alone = alone();
    run(async {
        let theirs = TcpListener::builder().reuse_port(true).bind(ANY_PORT).await?;
        let addr = theirs.local_addr()?;
        let ours = thread::spawn(move || {
            workers(2).run(async |worker| worker.listen(addr).await.map(|_| ()))
        });
        for result in ours.join().unwrap()? {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AddrInUse);
            assert!(
                error.to_string().starts_with(&format!("cannot listen at {addr}: ")),
                "{error}"
            );
        }
        Ok(())
    })
}

#[test]
fn a_connection_may_move_to_another_worker() -> io::Result<()> {
    let _alone = alone();
    let answers = workers(2).run(async |worker| {
        if worker.index() == 1 {
            worker.stopping().await;
            return io::Result::Ok(None);
        }
        let listener = worker.listen(ANY_PORT).await?;
        let addr = listener.local_addr()?;
        let client = to_thread(move || ask(addr));
        let serve = async {
            let (stream, _addr) = listener.accept().await?;
            // What has been read here stays here; the rest is read there.
            stream.write_all(b"from 0, then ").await?;
            let stream = stream.into_std()?;
            worker.handle(1).call_soon_threadsafe(move || {
                create_task(async move {
                    let stream = TcpStream::from_std(stream)?;
                    let name = thread::current().name().map(str::to_owned);
                    stream.write_all(name.unwrap().as_bytes()).await
                })
                .detach();
            })?;
            io::Result::Ok(())
        };
        let (answer, served) = oneloop::gather!(client, serve).await;
        served?;
        worker.stop();
        answer.map(Some)
    })?;
    let answer = answers.into_iter().next().unwrap()?;
    assert_eq!(answer.as_deref(), Some("from 0, then worker-1"));
    Ok(())
}

#[test]
fn a_handle_of_a_worker_that_has_ended_says_so() -> io::Result<()> {
    let _alone = alone();
    let refused = workers(2).run(async |worker| {
        assert_eq!(worker.handles().len(), 2);
        assert_eq!(worker.handles()[1], worker.handle(1));
        if worker.index() == 1 {
            return true;
        }
        while worker.handle(1).call_soon_threadsafe(|| ()).is_ok() {
            sleep(MS).await;
        }
        true
    })?;
    assert_eq!(refused, [true, true]);
    let no_such = catch_unwind(|| workers(1).run(async |worker| worker.handle(7))).unwrap_err();
    assert_eq!(
        message(&*no_such),
        "worker 0 panicked: there is no worker 7: there are 1, and the first is 0"
    );
    Ok(())
}

#[test]
fn a_panic_of_one_stops_the_others_and_goes_on_in_the_caller() {
    static DONE: AtomicUsize = AtomicUsize::new(0);
    let _alone = alone();
    let start = time::now();
    let run = || {
        workers(3).run(async |worker| {
            let _guard = cleanup(&DONE, MS);
            assert_ne!(worker.index(), 1, "boom");
            pending::<()>().await;
        })
    };
    let payload = catch_unwind(run).unwrap_err();
    assert_eq!(
        message(&*payload),
        "worker 1 panicked: assertion `left != right` failed: boom\n  left: 1\n right: 1"
    );
    assert_eq!(DONE.load(Ordering::Relaxed), 3, "their cleanups ran");
    assert!(time::now() - start < AT_ONCE);
}

#[test]
fn the_first_panic_counts_and_those_who_look_out_end_by_themselves() {
    static ENDED: AtomicUsize = AtomicUsize::new(0);
    let _alone = alone();
    let run = || {
        workers(3).run(async |worker| match worker.index() {
            0 => {
                worker.stopping().await;
                panic!("because of the other");
            }
            1 => {
                worker.stopping().await;
                sleep(MS).await;
                ENDED.fetch_add(1, Ordering::Relaxed);
            }
            _ => panic!("first"),
        })
    };
    assert_eq!(message(&*catch_unwind(run).unwrap_err()), "worker 2 panicked: first");
    assert_eq!(ENDED.load(Ordering::Relaxed), 1);
}

#[test]
fn a_panic_of_the_builder_is_one_of_its_worker() {
    let _alone = alone();
    let run = || {
        let options = workers(2).builder(|index| {
            assert_eq!(index, 0, "no options");
            Builder::new()
        });
        options.run(async |_worker| unreachable!("no worker runs where one has no loop"))
    };
    let run: thread::Result<io::Result<Vec<()>>> = catch_unwind(run);
    let payload = run.unwrap_err();
    assert!(message(&*payload).starts_with("worker 1 panicked: "), "{}", message(&*payload));
}

#[test]
fn a_panicked_worker_starts_again_on_a_new_loop() -> io::Result<()> {
    let _alone = alone();
    let runs = [const { AtomicUsize::new(0) }; 2];
    let start = time::now();
    let outputs = workers(2).on_panic(OnPanic::Restart { times: 2 }).run(async |worker| {
        let run = runs[worker.index()].fetch_add(1, Ordering::Relaxed);
        let handle = worker.handle(worker.index());
        assert_eq!(handle, oneloop::Handle::current());
        assert!(worker.index() == 0 || run == 2, "again");
        run
    })?;
    assert_eq!(outputs, [0, 2]);
    // 10 ms, and twice as many.
    assert!(time::now() - start >= MS * 30);
    Ok(())
}

#[test]
fn a_worker_that_panics_too_often_stops_all() {
    let _alone = alone();
    let runs = AtomicUsize::new(0);
    let run = || {
        workers(2).on_panic(OnPanic::Restart { times: 1 }).run(async |worker| {
            if worker.index() == 0 {
                runs.fetch_add(1, Ordering::Relaxed);
                panic!("as always");
            }
            worker.stopping().await;
        })
    };
    let payload = catch_unwind(AssertUnwindSafe(run)).unwrap_err();
    assert_eq!(message(&*payload), "worker 0 panicked: as always");
    assert_eq!(runs.load(Ordering::Relaxed), 2);
}

#[test]
fn a_worker_that_shares_a_port_finds_it_again_after_a_restart() -> io::Result<()> {
    let _alone = alone();
    let runs = AtomicUsize::new(0);
    let addrs = workers(2).on_panic(OnPanic::Restart { times: 1 }).run(async |worker| {
        let listener = worker.listen(ANY_PORT).await?;
        assert!(worker.index() == 1 || runs.fetch_add(1, Ordering::Relaxed) == 1, "once");
        listener.local_addr()
    })?;
    let addrs = addrs.into_iter().collect::<io::Result<Vec<_>>>()?;
    assert_eq!(addrs[0], addrs[1]);
    Ok(())
}

#[test]
fn a_worker_that_waits_to_start_again_stops_with_the_others() {
    let _alone = alone();
    let start = time::now();
    let result = workers(2).on_panic(OnPanic::Restart { times: u32::MAX }).run(async |worker| {
        assert_ne!(worker.index(), 0, "again and again");
        // The pause is 80 ms then, or so.
        sleep(MS * 100).await;
        worker.stop();
    });
    // It was asked to stop in its pause or, less likely, in its run.
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Interrupted);
    assert!(time::now() - start < AT_ONCE);
}

#[test]
fn stop_cancels_those_who_do_not_look_out() {
    static DONE: AtomicUsize = AtomicUsize::new(0);
    let _alone = alone();
    let start = time::now();
    let result = workers(2).run(async |worker| {
        if worker.index() == 0 {
            worker.stop();
            assert!(worker.is_stopping());
        }
        let _guard = cleanup(&DONE, MS);
        pending::<()>().await;
    });
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    assert_eq!(error.to_string(), "the workers were stopped by one of them");
    assert_eq!(DONE.load(Ordering::Relaxed), 2);
    assert!(time::now() - start < AT_ONCE);
}

#[test]
fn those_who_look_out_have_the_grace() -> io::Result<()> {
    let _alone = alone();
    let outputs = workers(2).run(async |worker| {
        let token = worker.stop_token();
        if worker.index() == 0 {
            worker.stopping().await;
        } else {
            let elsewhere = worker.clone();
            thread::spawn(move || elsewhere.stop());
            token.cancelled().await;
        }
        sleep(MS * 5).await;
        "by itself"
    })?;
    assert_eq!(outputs, ["by itself"; 2]);
    let start = time::now();
    let result = workers(1).grace(MS * 5).run(async |worker| {
        worker.stop();
        worker.stopping().await;
        pending::<()>().await;
    });
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Interrupted);
    let took = time::now() - start;
    assert!(took >= MS * 5 && took < AT_ONCE, "{took:?}");
    Ok(())
}

#[test]
fn a_token_of_one_worker_stops_nobody_else() -> io::Result<()> {
    let _alone = alone();
    workers(2).run(async |worker| {
        worker.stop_token().cancel();
        sleep(MS).await;
        assert!(!worker.is_stopping());
    })?;
    Ok(())
}

#[test]
fn each_signal_that_asks_for_the_end_is_graceful_at_first() -> io::Result<()> {
    static DONE: AtomicUsize = AtomicUsize::new(0);
    let _alone = alone();
    for (signal, message) in
        [(Signal::SIGINT, "interrupted by Ctrl-C"), (Signal::SIGTERM, "interrupted by SIGTERM")]
    {
        // By themselves.
        let outputs = workers(2).run(async |worker| {
            if worker.index() == 0 {
                send(signal);
            }
            worker.stopping().await;
            worker.index()
        })?;
        assert_eq!(outputs, [0, 1]);
        // Cancelled.
        DONE.store(0, Ordering::Relaxed);
        let result = workers(2).run(async |worker| {
            let _guard = cleanup(&DONE, MS);
            if worker.index() == 0 {
                send(signal);
            }
            pending::<()>().await;
        });
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Interrupted, message));
        assert_eq!(DONE.load(Ordering::Relaxed), 2);
    }
    Ok(())
}

#[test]
fn the_second_signal_ends_at_once_what_waits() {
    static READY: AtomicUsize = AtomicUsize::new(0);
    static DONE: AtomicUsize = AtomicUsize::new(0);
    let _alone = alone();
    let start = time::now();
    let (sender, reported) = mpsc::channel();
    let options = workers(3).builder(move |index| {
        let sender = sender.clone();
        Builder::new().on_unhandled(move |unhandled| {
            assert!(unhandled.is_cleanup());
            sender.send(index).unwrap();
        })
    });
    let result = options.run(async |worker| {
        // In its cleanup, in its grace, and in that of another task.
        match worker.index() {
            0 => {
                let _guard = cleanup(&DONE, LONG);
                READY.fetch_add(1, Ordering::Relaxed);
                pending::<()>().await;
            }
            1 => {
                while READY.load(Ordering::Relaxed) < 2 {
                    sleep(MS).await;
                }
                send(Signal::SIGINT);
                let _guard = cleanup(&DONE, LONG);
                worker.stopping().await;
                // So that it is not the same signal still.
                sleep(MS * 20).await;
                send(Signal::SIGTERM);
                pending::<()>().await;
            }
            _ => {
                create_task(async {
                    let _guard = cleanup(&DONE, LONG);
                    READY.fetch_add(1, Ordering::Relaxed);
                    pending::<()>().await;
                })
                .detach();
                pending::<()>().await;
            }
        }
    });
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Interrupted);
    assert!(time::now() - start < AT_ONCE);
    assert_eq!(DONE.load(Ordering::Relaxed), 0);
    let mut reported: Vec<_> = reported.iter().collect();
    reported.sort_unstable();
    assert_eq!(reported, [0, 1, 2]);
}

#[test]
fn the_third_signal_ends_a_process_in_which_a_worker_is_stuck() {
    let name = "the_third_signal_ends_a_process_in_which_a_worker_is_stuck";
    let status = in_child(name, || {
        thread::spawn(|| {
            loop {
                thread::sleep(MS * 10);
                send(Signal::SIGINT);
            }
        });
        let result = workers(2).run(async |_worker| thread::sleep(LONG));
        panic!("it has ended with {result:?}");
    });
    if let Some(status) = status {
        assert_eq!(status.signal(), Some(Signal::SIGINT as i32), "{status}");
    }
}

#[test]
fn without_its_listeners_signals_do_what_they_always_do() {
    let status = in_child("without_its_listeners_signals_do_what_they_always_do", || {
        let result = workers(1).stop_on_signals(false).run(async |_worker| {
            send(Signal::SIGTERM);
            sleep(LONG).await;
        });
        panic!("it has ended with {result:?}");
    });
    if let Some(status) = status {
        assert_eq!(status.signal(), Some(Signal::SIGTERM as i32), "{status}");
    }
}

#[test]
fn where_one_has_no_loop_none_runs() {
    let status = in_child("where_one_has_no_loop_none_runs", || {
        let loops: Vec<_> = (0..4090).map(|_| Runtime::new().unwrap()).collect();
        let result = workers(8).run(async |_worker| unreachable!("some have no loop"));
        let result: io::Result<Vec<()>> = result;
        let error = result.unwrap_err().to_string();
        assert!(error.starts_with("cannot start worker "), "{error}");
        assert!(
            error.ends_with("4094 event loops exist already: drop a `Runtime` first"),
            "{error}"
        );
        drop(loops);
        assert_eq!(workers(8).run(async |_worker| ()).unwrap().len(), 8);
    });
    assert!(status.is_none_or(|status| status.success()));
}

#[test]
fn no_thread_and_no_descriptor_stays_behind() {
    let count = |what: &str| fs::read_dir(format!("/proc/self/{what}")).unwrap().count();
    let status = in_child("no_thread_and_no_descriptor_stays_behind", || {
        let once = || {
            let listens = async |worker: Worker| worker.listen(ANY_PORT).await.map(drop);
            workers(3).run(listens).unwrap();
            let panics = catch_unwind(|| workers(2).run(async |_worker| panic!("boom")));
            let panics: thread::Result<io::Result<Vec<()>>> = panics;
            panics.unwrap_err();
        };
        let threads = count("task");
        once();
        let descriptors = count("fd");
        for _ in 0..20 {
            once();
        }
        assert_eq!(count("fd"), descriptors);
        let start = time::now();
        // One that has been joined may still be on its way out.
        while count("task") > threads {
            assert!(time::now() - start < LONG, "{} threads more", count("task") - threads);
            thread::yield_now();
        }
    });
    assert!(status.is_none_or(|status| status.success()));
}

#[test]
fn pinned_workers_stay_on_cores_of_their_own() -> io::Result<()> {
    let cores = || {
        let allowed = sched_getaffinity(Pid::from_raw(0)).unwrap();
        (0..CpuSet::count()).filter(|&core| allowed.is_set(core).unwrap()).collect::<Vec<_>>()
    };
    let _alone = alone();
    let all = cores();
    let pinned = workers(all.len() + 1).pin_to_cores(true).run(async |_worker| cores())?;
    assert!(pinned.iter().all(|cores| cores.len() == 1));
    assert_eq!(pinned[..all.len()].concat(), all);
    assert_eq!(pinned[all.len()], pinned[0], "and so on, from the first");
    assert_eq!(cores(), all, "the caller is where it was");
    Ok(())
}
