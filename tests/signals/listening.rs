//! Listeners: which ones hear which signals.

use std::io::{ErrorKind, Result};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use futures::StreamExt as _;
use nix::sys::signal::{Signal, raise};
use nix::unistd::getpid;
use oneloop::signal::{SignalKind, signal, signals};
use oneloop::{Runtime, create_task, gather, run, sleep, time, timeout, yield_now};
use signal_hook::{flag, low_level};

use crate::{PATIENCE, USR1, USR2, alone, is_waiting, run_alone, send};

#[test]
fn a_signal_comes_to_its_listener() -> Result<()> {
    run_alone(async {
        let mut listener = signal(USR1)?;
        let sent = create_task(async { send(Signal::SIGUSR1) });
        assert_eq!(listener.recv().await?, USR1);
        assert!(is_waiting(&mut listener), "it comes once");
        sent.await?
    })
}

#[test]
fn all_listeners_hear_each_signal() -> Result<()> {
    run_alone(async {
        let (mut first, mut second) = (signal(USR1)?, signal(USR1)?);
        for _ in 0..3 {
            let heard = async { gather!(first.recv(), second.recv()).await };
            let (heard, sent) = gather!(heard, async { send(Signal::SIGUSR1) }).await;
            sent?;
            assert_eq!((heard.0?, heard.1?), (USR1, USR1));
        }
        // A listener that was not waiting hears it too.
        raise(Signal::SIGUSR1)?;
        first.recv().await?;
        second.recv().await?;
        assert!(is_waiting(&mut first) && is_waiting(&mut second));
        Ok(())
    })
}

#[test]
fn a_signal_between_two_waits_is_not_lost() -> Result<()> {
    run_alone(async {
        let mut listener = signal(USR1)?;
        for _ in 0..100 {
            raise(Signal::SIGUSR1)?;
            yield_now().await;
            listener.recv().await?;
        }
        assert!(is_waiting(&mut listener));
        Ok(())
    })
}

#[test]
fn signals_are_coalesced_until_the_listener_looks() -> Result<()> {
    run_alone(async {
        let mut listener = signal(USR1)?;
        // More than the pipe holds.
        for _ in 0..10_000 {
            raise(Signal::SIGUSR1)?;
        }
        listener.recv().await?;
        for _ in 0..1000 {
            assert!(is_waiting(&mut listener));
            yield_now().await;
        }
        raise(Signal::SIGUSR1)?;
        listener.recv().await?;
        Ok(())
    })
}

#[test]
fn what_came_before_a_listener_was_made_is_not_for_it() -> Result<()> {
    run_alone(async {
        let mut first = signal(USR1)?;
        assert!(is_waiting(&mut first));
        raise(Signal::SIGUSR1)?;
        let mut second = signal(USR1)?;
        assert!(is_waiting(&mut second));
        first.recv().await?;
        assert!(is_waiting(&mut second));
        raise(Signal::SIGUSR1)?;
        second.recv().await?;
        first.recv().await?;
        Ok(())
    })
}

#[test]
fn a_new_listener_takes_nothing_from_those_who_wait() -> Result<()> {
    run_alone(async {
        let mut first = signal(USR1)?;
        let waits = create_task(async move { first.recv().await });
        sleep(Duration::from_millis(1)).await;
        raise(Signal::SIGUSR1)?;
        // The loop has not looked at the pipe yet. It looks now, and finds the signal.
        let mut second = signal(USR1)?;
        assert!(is_waiting(&mut second));
        waits.await??;
        assert!(is_waiting(&mut second));
        Ok(())
    })
}

#[test]
fn one_listener_may_go_while_others_stay() -> Result<()> {
    run_alone(async {
        let (mut first, second) = (signal(USR1)?, signal(USR1)?);
        let mut third = signal(USR1)?;
        let waits = create_task(async move {
            let mut second = second;
            second.recv().await
        });
        yield_now().await;
        waits.cancel();
        assert!(waits.await.unwrap_err().is_cancelled());
        send(Signal::SIGUSR1)?;
        first.recv().await?;
        third.recv().await?;
        drop(first);
        send(Signal::SIGUSR1)?;
        third.recv().await?;
        Ok(())
    })
}

#[test]
fn a_listener_may_be_dropped_on_another_thread() -> Result<()> {
    run_alone(async {
        let (mut stays, mut goes) = (signal(USR1)?, signal(USR1)?);
        let waits = timeout(Duration::from_millis(1), goes.recv()).await;
        assert!(waits.is_err());
        thread::spawn(move || drop(goes)).join().unwrap();
        send(Signal::SIGUSR1)?;
        stays.recv().await?;
        thread::spawn(move || drop(stays)).join().unwrap();
        // Another pipe takes its place.
        let mut other = signal(USR1)?;
        send(Signal::SIGUSR1)?;
        other.recv().await?;
        Ok(())
    })
}

#[test]
fn a_listener_used_elsewhere_says_where_it_belongs() -> Result<()> {
    run_alone(async {
        let mut listener = signal(USR1)?;
        let elsewhere = thread::Builder::new().name("elsewhere".to_owned());
        let used = elsewhere.spawn(move || run(async { (listener.recv().await, listener) }))?;
        let (error, mut listener) = used.join().unwrap();
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("not of `elsewhere`: make another one here, with `signal`"),
            "{error}"
        );
        send(Signal::SIGUSR1)?;
        listener.recv().await?;
        Ok(())
    })
}

#[test]
fn after_the_loop_there_is_nothing_to_hear() -> Result<()> {
    let mut late = run_alone(async { signal(USR1) })?;
    let error = run(late.recv()).unwrap_err();
    assert!(error.to_string().contains("has ended"), "{error}");
    Ok(())
}

#[test]
fn without_a_loop_there_is_no_listener() {
    let error = signal(USR1).unwrap_err().to_string();
    assert_eq!(
        error,
        "a signal listener needs a running event loop: make it inside `oneloop::run`"
    );
}

#[test]
fn what_nobody_can_listen_for_is_refused() -> Result<()> {
    run_alone(async {
        let refused = [
            (
                SignalKind::SIGKILL,
                "cannot listen for SIGKILL: the system lets no program handle it",
            ),
            (
                SignalKind::SIGSTOP,
                "cannot listen for SIGSTOP: the system lets no program handle it",
            ),
            (
                SignalKind::SIGSEGV,
                "cannot listen for SIGSEGV: it tells of a fault in the code that runs, which cannot go on",
            ),
        ];
        for (kind, message) in refused {
            let error = signal(kind).unwrap_err();
            assert_eq!(
                (error.kind(), error.to_string().as_str()),
                (ErrorKind::InvalidInput, message)
            );
        }
        for number in [Signal::SIGILL, Signal::SIGFPE, Signal::SIGBUS] {
            assert!(signal(SignalKind::from_raw(number as i32)).is_err());
        }
        for number in [0, -1, 32, 65, i32::MAX, i32::MIN] {
            let error = signal(SignalKind::from_raw(number)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            let message = format!("cannot listen for signal {number}: Invalid argument");
            assert!(error.to_string().starts_with(&message), "{error}");
        }
        Ok(())
    })
}

#[test]
fn a_signal_without_a_name_can_be_listened_for() -> Result<()> {
    run_alone(async {
        let kind = SignalKind::from_raw(40);
        assert_eq!(format!("{kind} {kind:?}"), "signal 40 SignalKind(signal 40)");
        let mut listener = signal(kind)?;
        let pid = getpid().to_string();
        let sent = Command::new("sh").args(["-c", "kill -40 \"$0\"", &pid]).status()?;
        assert!(sent.success());
        assert_eq!(listener.recv().await?, kind);
        Ok(())
    })
}

#[test]
fn it_says_which_of_several_signals_came() -> Result<()> {
    run_alone(async {
        let mut listener = signals([USR1, USR2])?;
        for (signal, kind) in [(Signal::SIGUSR2, USR2), (Signal::SIGUSR1, USR1)] {
            send(signal)?;
            assert_eq!(listener.recv().await?, kind);
        }
        raise(Signal::SIGUSR1)?;
        raise(Signal::SIGUSR2)?;
        let mut both = [listener.recv().await?, listener.recv().await?];
        both.sort();
        let mut expected = [USR1, USR2];
        expected.sort();
        assert_eq!(both, expected);
        Ok(())
    })
}

#[test]
fn a_signal_that_always_comes_does_not_hide_another() -> Result<()> {
    run_alone(async {
        let mut listener = signals([USR1, USR2])?;
        raise(Signal::SIGUSR2)?;
        for _ in 0..2 {
            raise(Signal::SIGUSR1)?;
            if listener.recv().await? == USR2 {
                return Ok(());
            }
        }
        panic!("it was never told");
    })
}

#[test]
fn nothing_to_listen_for_is_never_ready() -> Result<()> {
    run_alone(async {
        let mut none = signals([])?;
        assert!(is_waiting(&mut none));
        assert_eq!(format!("{none:?}"), "Signals([])");
        Ok(())
    })
}

#[test]
fn it_is_a_stream_without_end() -> Result<()> {
    run_alone(async {
        let mut listener = signal(USR1)?;
        raise(Signal::SIGUSR1)?;
        assert_eq!(listener.next().await.unwrap()?, USR1);
        let mut stream = listener.map(|kind| kind.unwrap().to_string());
        raise(Signal::SIGUSR1)?;
        assert_eq!(stream.next().await.as_deref(), Some("SIGUSR1"));
        Ok(())
    })
}

#[test]
fn a_signal_ends_the_park_at_once() -> Result<()> {
    run_alone(async {
        let mut listener = signal(USR1)?;
        let before = time::now();
        let sent = thread::spawn(|| {
            thread::sleep(Duration::from_millis(20));
            send(Signal::SIGUSR1)
        });
        listener.recv().await?;
        let took = time::now() - before;
        assert!(took < PATIENCE / 2, "it was the time limit that ended it: {took:?}");
        sent.join().unwrap()
    })
}

#[test]
fn signals_come_while_the_loop_is_busy_and_after_it_was_blocked() -> Result<()> {
    run_alone(async {
        let stop = Arc::new(AtomicBool::new(false));
        let until_stop = Arc::clone(&stop);
        let busy = create_task(async move {
            while !until_stop.load(Ordering::Relaxed) {
                yield_now().await;
            }
        });
        let mut listener = signal(USR1)?;
        send(Signal::SIGUSR1)?;
        listener.recv().await?;
        stop.store(true, Ordering::Relaxed);
        busy.await?;
        send(Signal::SIGUSR1)?;
        thread::sleep(Duration::from_millis(5));
        listener.recv().await?;
        Ok(())
    })
}

#[test]
fn each_loop_hears_each_signal() -> Result<()> {
    let _alone = alone();
    let (ready, all_ready) = mpsc::channel();
    let listen = || {
        let ready = ready.clone();
        thread::spawn(move || {
            run(async {
                let mut listener = signal(USR1)?;
                for _ in 0..3 {
                    ready.send(()).unwrap();
                    timeout(PATIENCE, listener.recv()).await??;
                }
                Result::Ok(())
            })
        })
    };
    let loops = [listen(), listen(), listen()];
    for _ in 0..3 {
        for _ in &loops {
            all_ready.recv().unwrap();
        }
        send(Signal::SIGUSR1)?;
    }
    loops.map(|one| one.join().unwrap()).into_iter().collect()
}

#[test]
fn a_signal_between_two_runs_is_there_in_the_second() -> Result<()> {
    let _alone = alone();
    let mut runtime = Runtime::new()?;
    let mut listener = runtime.run(async { signal(USR1) })?;
    runtime.run(async { assert!(is_waiting(&mut listener)) });
    raise(Signal::SIGUSR1)?;
    assert_eq!(runtime.run(timeout(PATIENCE, listener.recv()))??, USR1);
    Ok(())
}

#[test]
fn other_users_of_the_signal_keep_working() -> Result<()> {
    // No other test listens for this signal.
    let alarm = SignalKind::SIGALRM;
    run_alone(async {
        let (before, after) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let kept = Arc::clone(&before);
        // SAFETY: the handler only counts.
        let theirs = unsafe {
            low_level::register(alarm.as_raw(), move || {
                kept.fetch_add(1, Ordering::Relaxed);
            })
        }?;
        let mut listener = signal(alarm)?;
        let others = flag::register(alarm.as_raw(), Arc::clone(&after))?;
        raise(Signal::SIGALRM)?;
        listener.recv().await?;
        assert_eq!((before.load(Ordering::Relaxed), after.load(Ordering::Relaxed)), (1, true));
        drop(listener);
        raise(Signal::SIGALRM)?;
        assert_eq!(
            before.load(Ordering::Relaxed),
            2,
            "it was handled before we came, and still is"
        );
        low_level::unregister(theirs);
        low_level::unregister(others);
        Ok(())
    })
}
