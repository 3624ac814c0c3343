//! A hook around each wait of the loop, and work in batches between two looks.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{Read as _, Write as _};
use std::net;
use std::os::unix::net::UnixStream as StdStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use futures::channel::oneshot;
use oneloop::io::AsyncFd;
use oneloop::net::TcpListener;
use oneloop::task::wake_after_look;
use oneloop::{Builder, create_task, sleep, with_cleanup, yield_now};

const NAP: Duration = Duration::from_millis(2);

#[test]
fn each_wait_is_inside_the_hook_and_no_poll_is() {
    let (parks, is_inside) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
    let (counted, inside) = (Rc::clone(&parks), Rc::clone(&is_inside));
    let builder = Builder::new().around_park(move |park| {
        counted.set(counted.get() + 1);
        inside.set(true);
        park();
        inside.set(false);
    });
    builder.run(async {
        for _ in 0..100 {
            yield_now().await;
            assert!(!is_inside.get());
        }
        assert_eq!(parks.get(), 0, "a busy loop does not wait");
        sleep(NAP).await;
        assert!(!is_inside.get());
        assert!(parks.get() > 0);
        let (sender, receiver) = oneshot::channel();
        thread::spawn(move || sender.send(()).unwrap());
        receiver.await.unwrap();
        // The wait for a cleanup at the end is one too.
        let before = parks.get();
        let parks = Rc::clone(&parks);
        create_task(async move {
            let _guard = with_cleanup((), async move |()| {
                sleep(NAP).await;
                assert!(parks.get() > before);
            });
            sleep(1000 * NAP).await;
        })
        .detach();
        yield_now().await;
    });
    assert!(!is_inside.get());
}

#[test]
fn a_task_that_the_hook_wakes_ends_the_wait() {
    let waker = Rc::new(RefCell::new(Waker::noop().clone()));
    let woken = Rc::clone(&waker);
    let created = Rc::new(Cell::new(false));
    let creates = Rc::clone(&created);
    let builder = Builder::new().around_park(move |park| {
        woken.borrow().wake_by_ref();
        if !creates.replace(true) {
            create_task(async {}).detach();
        }
        park();
    });
    let mut is_second = false;
    builder.run(poll_fn(|cx| {
        if is_second {
            return Poll::Ready(());
        }
        is_second = true;
        waker.replace(cx.waker().clone());
        Poll::Pending
    }));
    assert!(created.get());
}

#[test]
fn a_hook_that_does_not_park_delays_nothing() {
    let calls = Rc::new(Cell::new(0));
    let counted = Rc::clone(&calls);
    let builder = Builder::new().around_park(move |_park| counted.set(counted.get() + 1));
    builder.run(sleep(NAP));
    assert!(calls.get() > 0);
}

#[test]
fn a_hook_that_parks_twice_waits_once() {
    Builder::new().around_park(|park| (park(), park()).0).run(async {
        sleep(NAP).await;
        let (sender, receiver) = oneshot::channel();
        thread::spawn(move || sender.send(()).unwrap());
        receiver.await.unwrap();
    });
}

#[test]
fn a_panic_of_the_hook_comes_out_of_run() {
    let builder = Builder::new().around_park(|_park| panic!("on purpose"));
    let panicked = catch_unwind(AssertUnwindSafe(|| builder.run(sleep(NAP))));
    assert_eq!(*panicked.unwrap_err().downcast_ref::<&str>().unwrap(), "on purpose");
    assert_eq!(oneloop::run(async { 1 }), 1);
}

#[test]
fn work_in_batches_comes_behind_what_each_look_finds() {
    oneloop::run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let batches = Rc::new(Cell::new(0_u32));
        let count = Rc::clone(&batches);
        let pump = create_task(poll_fn(move |cx| {
            count.set(count.get() + 1);
            wake_after_look(cx);
            Poll::<()>::Pending
        }));
        let client = thread::spawn(move || {
            let mut stream = net::TcpStream::connect(addr).unwrap();
            let mut byte = [0];
            for _ in 0..100 {
                stream.write_all(b"x").unwrap();
                stream.read_exact(&mut byte).unwrap();
            }
        });
        let (stream, _) = listener.accept().await.unwrap();
        for _ in 0..100 {
            stream.read_exact(&mut [0]).await.unwrap();
            stream.write_all(b"y").await.unwrap();
        }
        client.join().unwrap();
        // A timer and a batch take turns: none waits for more than one of the other.
        let before = batches.get();
        sleep(NAP).await;
        assert!(batches.get() > before);
        pump.cancel();
    });
}

#[test]
fn each_look_between_two_batches_finds_the_sockets() {
    oneloop::run(async {
        let (mut one, other) = StdStream::pair().unwrap();
        other.set_nonblocking(true).unwrap();
        let other = AsyncFd::new(other).unwrap();
        let read = Rc::new(Cell::new(0));
        let count = Rc::clone(&read);
        let reading = create_task(async move {
            loop {
                other.read_with(|mut stream| stream.read(&mut [0])).await.unwrap();
                count.set(count.get() + 1);
            }
        });
        yield_now().await;
        let mut batches = 0;
        poll_fn(move |cx| {
            assert_eq!(read.get(), batches, "what came in one batch is read before the next");
            batches += 1;
            if batches == 100 {
                return Poll::Ready(());
            }
            one.write_all(b"x").unwrap();
            wake_after_look(cx);
            Poll::Pending
        })
        .await;
        reading.cancel();
    });
}

#[test]
fn a_task_that_was_runnable_before_comes_before_the_next_batch() {
    oneloop::run(async {
        let log = Rc::new(RefCell::new(Vec::new()));
        let of_pump = Rc::clone(&log);
        let mut batches = 0;
        let pump = create_task(poll_fn(move |cx| {
            batches += 1;
            of_pump.borrow_mut().push("batch");
            if batches == 2 {
                return Poll::Ready(());
            }
            wake_after_look(cx);
            Poll::Pending
        }));
        let of_task = Rc::clone(&log);
        let task = create_task(async move {
            of_task.borrow_mut().push("task");
            yield_now().await;
            of_task.borrow_mut().push("again");
        });
        pump.await.unwrap();
        task.await.unwrap();
        assert_eq!(*log.borrow(), ["batch", "task", "again", "batch"]);
    });
}
