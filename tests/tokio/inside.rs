//! `Builder::tokio`: a loop with a tokio runtime around it.

use std::cell::RefCell;
use std::future::pending;
use std::io::ErrorKind;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use oneloop::net::{TcpListener, TcpStream};
use oneloop::{Builder, create_task, gather, sleep, time, timeout, with_cleanup, yield_now};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{mpsc, oneshot};

const NAP: Duration = Duration::from_millis(2);
const HOUR: Duration = Duration::from_secs(3600);

fn run<F: Future>(main: F) -> F::Output {
    Builder::new().tokio(true).run(main)
}

#[test]
fn tokios_own_things_work_in_tasks_of_the_loop() {
    run(async {
        tokio::time::sleep(NAP).await;
        assert_eq!(tokio::spawn(async { 1 }).await.unwrap(), 1);
        let shared = Rc::new(2);
        assert_eq!(tokio::task::spawn_local(async move { *shared }).await.unwrap(), 2);
        assert_eq!(tokio::task::spawn_blocking(|| 3).await.unwrap(), 3);
        let output = tokio::process::Command::new("echo").arg("hello").output().await.unwrap();
        assert_eq!(output.stdout, b"hello\n");
        assert!(!tokio::fs::read("Cargo.toml").await.unwrap().is_empty());
        let late = tokio::time::timeout(NAP, pending::<()>()).await;
        assert!(late.is_err());
        // Both libraries' limits around both libraries' waits.
        assert!(timeout(NAP, tokio::time::sleep(HOUR)).await.is_err());
        assert!(tokio::time::timeout(NAP, sleep(HOUR)).await.is_err());
    });
}

#[test]
fn sockets_of_both_talk_to_each_other() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let server = create_task(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut buf = [0; 5];
            for _ in 0..100 {
                stream.read_exact(&mut buf).await.unwrap();
                stream.write_all(&buf).await.unwrap();
            }
        });
        let client = tokio::spawn(async move {
            let mut stream = tokio::net::TcpStream::connect(addr).await.unwrap();
            let mut buf = [0; 5];
            for _ in 0..100 {
                stream.write_all(b"hello").await.unwrap();
                stream.read_exact(&mut buf).await.unwrap();
            }
            buf
        });
        assert_eq!(&client.await.unwrap(), b"hello");
        server.await.unwrap();
    });
}

#[test]
fn oneloop_works_in_tasks_of_tokio() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let of_tokio = tokio::task::spawn_local(async move {
            sleep(NAP).await;
            let task = create_task(async { (yield_now().await, 7).1 });
            let stream = TcpStream::connect(addr).await.unwrap();
            stream.write_all(b"x").await.unwrap();
            task.await.unwrap()
        });
        let (stream, _) = listener.accept().await.unwrap();
        assert_eq!(stream.read(&mut [0; 4]).await.unwrap(), 1);
        assert_eq!(of_tokio.await.unwrap(), 7);
    });
}

#[test]
fn no_wake_is_lost_in_a_storm_of_messages() {
    run(async {
        let (to_tokio, mut in_tokio) = mpsc::channel::<u32>(8);
        let (to_loop, mut in_loop) = mpsc::unbounded_channel::<u32>();
        let echo = tokio::spawn(async move {
            while let Some(number) = in_tokio.recv().await {
                if number % 16 == 0 {
                    tokio::task::yield_now().await;
                }
                to_loop.send(number).unwrap();
            }
        });
        let sending = create_task(async move {
            for number in 0..20_000 {
                to_tokio.send(number).await.unwrap();
                if number % 1000 == 0 {
                    sleep(Duration::from_micros(100)).await;
                }
            }
        });
        for number in 0..20_000 {
            assert_eq!(in_loop.recv().await, Some(number));
        }
        sending.await.unwrap();
        echo.await.unwrap();
    });
}

#[test]
fn busy_tasks_of_either_side_do_not_hold_up_the_other() {
    run(async {
        let spinning = create_task(async {
            loop {
                yield_now().await;
            }
        });
        let start = time::now();
        tokio::time::sleep(NAP).await;
        let late_beside_ours = time::now() - start;
        assert!(spinning.cancel());
        let spinning = tokio::spawn(async {
            loop {
                tokio::task::yield_now().await;
            }
        });
        let start = time::now();
        sleep(NAP).await;
        let late_beside_tokios = time::now() - start;
        spinning.abort();
        let patience = Duration::from_millis(500);
        assert!(late_beside_ours < patience, "{late_beside_ours:?}");
        assert!(late_beside_tokios < patience, "{late_beside_tokios:?}");
    });
}

#[test]
fn tasks_of_the_loop_do_not_share_one_budget_of_tokios() {
    run(async {
        // Tokio lets a task do 128 operations in a poll. All tasks here are in one poll of tokio's.
        let takers = (0..64).map(|_| {
            let (sender, mut receiver) = mpsc::unbounded_channel();
            (0..64).for_each(|n| sender.send(n).unwrap());
            async move {
                let mut sum = 0;
                for _ in 0..64 {
                    sum += receiver.recv().await.unwrap();
                }
                sum
            }
        });
        assert_eq!(gather(takers).await.into_iter().sum::<i32>(), 64 * 63 * 32);
    });
}

#[test]
fn cleanups_may_await_things_of_tokio_also_at_the_end_of_the_loop() {
    let events = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&events);
    let of_task = Rc::clone(&events);
    run(async move {
        let _guard = with_cleanup((), async move |()| {
            tokio::time::sleep(NAP).await;
            log.borrow_mut().push("main");
        });
        create_task(async move {
            let _guard = with_cleanup((), async move |()| {
                tokio::spawn(tokio::time::sleep(NAP)).await.unwrap();
                of_task.borrow_mut().push("task");
            });
            pending::<()>().await;
        })
        .detach();
        yield_now().await;
    });
    assert_eq!(*events.borrow(), ["main", "task"]);
}

#[test]
fn tasks_of_tokio_are_dropped_when_the_loop_has_ended() {
    struct Flag(Arc<AtomicBool>);
    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let is_dropped = Arc::new(AtomicBool::new(false));
    let flag = Flag(Arc::clone(&is_dropped));
    run(async move {
        tokio::spawn(async move {
            let _flag = flag;
            pending::<()>().await;
        });
        // A call on a thread of tokio's does not hold up the end either.
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || receiver.recv().unwrap_err());
        tokio::task::yield_now().await;
        let _leaked = ManuallyDrop::new(sender);
    });
    assert!(is_dropped.load(Ordering::Relaxed));
}

#[test]
fn a_panic_of_main_comes_out_of_run() {
    let panicked = catch_unwind(|| {
        run(async {
            tokio::task::yield_now().await;
            panic!("on purpose");
        })
    });
    assert_eq!(*panicked.unwrap_err().downcast_ref::<&str>().unwrap(), "on purpose");
}

#[test]
fn a_runtime_can_be_run_again_and_tasks_of_both_go_on() {
    let mut runtime = Builder::new().tokio(true).build().unwrap();
    let (task, of_tokio) = runtime.run(async {
        let task = create_task(async { (tokio::time::sleep(NAP).await, 1).1 });
        (task, tokio::spawn(async { (tokio::time::sleep(NAP).await, 2).1 }))
    });
    let ours = runtime.run(async { task.await.unwrap() });
    assert_eq!((ours, runtime.run(of_tokio).unwrap()), (1, 2));
}

#[test]
fn workers_run_inside_tokio_too() {
    let outputs = oneloop::workers(2)
        .builder(|_| Builder::new().tokio(true))
        .run(async |worker| tokio::spawn(async move { worker.index() }).await.unwrap())
        .unwrap();
    assert_eq!(outputs, [0, 1]);
}

#[test]
fn a_run_inside_another_tokio_runtime_panics_and_says_what_to_do() {
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let panicked = tokio.block_on(async { catch_unwind(|| run(async {})) });
    let payload = panicked.unwrap_err();
    let message = payload.downcast_ref::<String>().unwrap();
    assert!(message.contains("`oneloop::tokio::guest`"), "{message}");
    assert_eq!(run(async { 5 }), 5);
}

#[test]
fn virtual_time_inside_tokio_is_refused() {
    let error = Builder::new().tokio(true).virtual_time(true).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("virtual time"), "{error}");
    let error = Builder::new().tokio(true).guest(async {}).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("oneloop::tokio::guest"), "{error}");
}

#[test]
fn without_tokio_its_panic_says_what_to_do() {
    let lines = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&lines);
    let builder = Builder::new().on_unhandled(move |report| {
        seen.borrow_mut().push(report.to_string());
    });
    builder.run(async {
        create_task(async { drop(tokio::spawn(async {})) }).detach();
        yield_now().await;
    });
    let lines = lines.borrow();
    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains("`Builder::tokio`"), "{}", lines[0]);
    assert!(catch_unwind(AssertUnwindSafe(|| oneloop::run(tokio::time::sleep(NAP)))).is_err());
}

#[test]
fn other_threads_of_tokio_wake_tasks_of_the_loop() {
    run(async {
        for number in 0..200 {
            let (sender, receiver) = oneshot::channel();
            tokio::task::spawn_blocking(move || sender.send(number).unwrap());
            assert_eq!(receiver.await.unwrap(), number);
        }
    });
}
