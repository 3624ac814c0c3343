//! Bugs found by reading, each with its test.

use std::any::Any;
use std::cell::Cell;
use std::future::pending;
use std::io::{IoSlice, IoSliceMut, Result, Write as _};
use std::net::{TcpListener as StdListener, TcpStream as StdStream};
use std::os::fd::AsRawFd as _;
use std::panic::catch_unwind;
use std::pin::Pin;
use std::rc::Rc;
use std::result;
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use futures::channel::oneshot;
use mio::unix::SourceFd;
use mio::{Events, Interest, Token};
use oneloop::net::TcpListener;
use oneloop::{
    Runtime, Task, TimeoutError, all_tasks, create_task, interval, sleep, time, timeout, yield_now,
};

const LIMIT: Duration = Duration::from_millis(5);

/// The result of a time limit around a future that never ends.
type Timed = result::Result<(), TimeoutError>;

const LONG: Duration = Duration::from_secs(10);

#[oneloop::test]
async fn a_cancel_from_another_thread_does_not_reach_the_next_tenant_of_the_slot() {
    let done = create_task(async { 1 });
    yield_now().await;
    let cancel = move || {
        done.cancel();
        done
    };
    let done = thread::spawn(cancel).join().unwrap();
    assert_eq!(done.await.unwrap(), 1);
    let innocent = create_task(async {
        yield_now().await;
        yield_now().await;
        2
    });
    assert_eq!(innocent.await.unwrap(), 2);
}

#[oneloop::test]
async fn a_task_whose_parent_has_gone_has_no_parent() {
    let (sender, receiver) = oneshot::channel();
    let parent = create_task(async { sender.send(create_task(pending::<()>())).unwrap() });
    parent.await.unwrap();
    let orphan = receiver.await.unwrap();
    let orphan = all_tasks().into_iter().find(|task| task.key() == orphan.key()).unwrap();
    assert_eq!(orphan.parent(), None);
}

#[oneloop::test]
async fn more_buffers_than_one_call_takes_do_not_hang() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut peer = StdStream::connect(listener.local_addr()?)?;
    let (stream, _) = listener.accept().await?;
    // Takes in the first edge, so that no further one will come.
    timeout(Duration::from_millis(5), stream.read(&mut [0])).await.unwrap_err();
    assert_eq!(stream.write_vectored(&vec![IoSlice::new(b"x"); 1025]).await?, 1024);
    assert_eq!(timeout(LONG, stream.write(b"y")).await??, 1);

    peer.write_all(&[7; 1030])?;
    stream.readable().await?;
    let mut bytes = vec![[0_u8]; 1100];
    let mut bufs: Vec<_> = bytes.iter_mut().map(|byte| IoSliceMut::new(byte)).collect();
    let first = stream.read_vectored(&mut bufs).await?;
    let rest = timeout(LONG, stream.read_vectored(&mut bufs)).await??;
    assert_eq!(first + rest, 1030);
    Ok(())
}

#[oneloop::test(virtual_time)]
async fn many_endless_sleeps_do_not_move_virtual_time() {
    let sleeps: Vec<_> = (0..40).map(|_| create_task(sleep(Duration::MAX))).collect();
    let start = time::now();
    let (sender, receiver) = oneshot::channel();
    let sender = thread::spawn(move || sender.send(()).unwrap());
    receiver.await.unwrap();
    sender.join().unwrap();
    assert_eq!(time::now(), start);
    drop(sleeps);
}

#[oneloop::test]
async fn outputs_that_own_each_other_in_a_long_chain_are_dropped_without_a_deep_stack() {
    fn own(inner: impl Any) -> Box<dyn Any> {
        Box::new(inner)
    }

    let mut head: Task<Box<dyn Any>> = create_task(async { own(()) });
    for _ in 0..20_000 {
        head = create_task(async move { own(head) });
        yield_now().await;
    }
    drop(head);
}

#[test]
fn an_interval_far_behind_lets_others_run() {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        oneloop::run(async {
            let ticks = async {
                let mut interval = interval(Duration::from_nanos(1));
                loop {
                    interval.tick().await;
                }
            };
            let timed_out: Timed = timeout(LIMIT, ticks).await;
            assert!(timed_out.is_err());
        });
        sender.send(()).unwrap();
    });
    receiver.recv_timeout(LONG).expect("the time limit comes");
}

#[test]
fn when_main_panics_twice_the_first_panic_is_the_one_that_counts() {
    struct Bomb;

    impl Future for Bomb {
        type Output = ();

        fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
            panic!("first")
        }
    }

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("second")
        }
    }

    let payload = catch_unwind(|| oneloop::run(Bomb)).unwrap_err();
    assert_eq!(*payload.downcast_ref::<&str>().unwrap(), "first");
}

#[test]
fn the_descriptor_tells_of_a_task_before_the_first_turn() -> Result<()> {
    let mut runtime = Runtime::new()?;
    let descriptor = runtime.reactor_fd()?;
    let mut poll = mio::Poll::new()?;
    poll.registry().register(
        &mut SourceFd(&descriptor.as_raw_fd()),
        Token(0),
        Interest::READABLE,
    )?;
    let has_run = Rc::new(Cell::new(false));
    let flag = has_run.clone();
    let task = runtime.create_task(async move { flag.set(true) });
    let mut events = Events::with_capacity(4);
    poll.poll(&mut events, Some(LONG))?;
    assert!(!events.is_empty(), "the host would sleep for ever");
    runtime.turn();
    assert!(has_run.get());
    drop(task);
    Ok(())
}

#[test]
fn a_busy_hosted_loop_does_not_starve_its_sockets() -> Result<()> {
    let mut runtime = Runtime::new()?;
    let listener = StdListener::bind("127.0.0.1:0")?;
    let addr = listener.local_addr()?;
    let answered = Rc::new(Cell::new(false));
    let flag = answered.clone();
    let serve = runtime.create_task(async move {
        let (stream, _) = TcpListener::from_std(listener)?.accept().await?;
        stream.read_exact(&mut [0]).await?;
        flag.set(true);
        Result::Ok(())
    });
    let spin = runtime.create_task(async {
        loop {
            yield_now().await;
        }
    });
    runtime.turn();
    StdStream::connect(addr)?.write_all(b"x")?;
    // The reactor is due every 64 polls, or 50 us. This allows ten times as many turns.
    let turns = (0..200_000).take_while(|_| {
        runtime.turn();
        !answered.get()
    });
    assert!(turns.count() < 200_000);
    drop((serve, spin));
    Ok(())
}
