//! How workers end: asked by each other, and by signals.

use std::future::pending;
use std::io::{self, ErrorKind};
use std::os::unix::process::ExitStatusExt as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use nix::sys::signal::Signal;
use oneloop::{Builder, create_task, sleep, time, workers};

use crate::{AT_ONCE, LONG, MS, alone, cleanup, in_child, send};

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
        // In its cleanup, in its grace period, and in the cleanup of another task.
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
                // Otherwise the two would count as one signal.
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
    let name = "ending::the_third_signal_ends_a_process_in_which_a_worker_is_stuck";
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
    let status = in_child("ending::without_its_listeners_signals_do_what_they_always_do", || {
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
fn the_first_error_stops_the_others_and_is_the_result() {
    static DONE: AtomicUsize = AtomicUsize::new(0);
    let _alone = alone();
    let start = time::now();
    let result = workers(3).try_run(async |worker| {
        let _guard = cleanup(&DONE, MS);
        match worker.index() {
            0 => {
                worker.stopping().await;
                Err(io::Error::other("because of the other"))
            }
            1 => pending().await,
            _ => {
                sleep(MS).await;
                Err(io::Error::other("the first"))
            }
        }
    });
    let result: io::Result<Vec<()>> = result;
    assert_eq!(result.unwrap_err().to_string(), "the first");
    assert_eq!(DONE.load(Ordering::Relaxed), 3);
    assert!(time::now() - start < AT_ONCE);
}

#[test]
fn without_an_error_try_run_gives_all_values() -> io::Result<()> {
    let _alone = alone();
    let values = workers(2).try_run(async |worker| io::Result::Ok(worker.index()))?;
    assert_eq!(values, [0, 1]);
    let result = workers(2).try_run(async |worker| {
        worker.stop();
        pending::<io::Result<()>>().await
    });
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Interrupted);
    Ok(())
}
