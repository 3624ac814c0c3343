//! A loop driven by a host: the host waits, and the loop says for how long and on which descriptor.

#![expect(clippy::unwrap_used, reason = "these are tests, and their helpers")]

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::io::{ErrorKind, Read, Write};
use std::mem;
use std::net;
use std::os::fd::AsRawFd as _;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use futures::channel::oneshot;
use mio::unix::SourceFd;
use mio::{Events, Interest, Token};
use oneloop::net::TcpListener;
use oneloop::{Runtime, Task, Turn, create_task, sleep, time, yield_now};

const HOUR: Duration = Duration::from_secs(3600);

/// The host, with `mio::Poll` in place of a GUI's loop.
struct Host {
    poll: mio::Poll,
    runtime: Runtime,
    turns: u32,
}

impl Host {
    fn new() -> Self {
        let host =
            Self { poll: mio::Poll::new().unwrap(), runtime: Runtime::new().unwrap(), turns: 0 };
        let descriptor = host.runtime.reactor_fd().unwrap();
        host.poll
            .registry()
            .register(&mut SourceFd(&descriptor.as_raw_fd()), Token(0), Interest::READABLE)
            .unwrap();
        host
    }

    /// Turns until the loop says `Park`.
    fn turn(&mut self) -> Option<Instant> {
        loop {
            self.turns += 1;
            assert!(self.turns < 10_000, "the loop is busy for ever");
            if let Turn::Park(deadline) = self.runtime.turn() {
                return deadline;
            }
        }
    }

    /// Waits as the loop says. Returns `false` if that is longer than the test can wait.
    fn wait(&mut self, deadline: Option<Instant>) -> bool {
        let patience = Duration::from_secs(10);
        let left =
            deadline.map_or(HOUR, |deadline| deadline.saturating_duration_since(time::now()));
        let mut events = Events::with_capacity(8);
        // Rounded up to milliseconds, in which mio counts.
        let timeout = left + Duration::from_millis(1);
        let waited = self.poll.poll(&mut events, Some(timeout.min(patience)));
        // As if the process was stopped, and continued.
        let is_interrupted =
            waited.as_ref().is_err_and(|error| error.kind() == ErrorKind::Interrupted);
        if !is_interrupted {
            waited.unwrap();
        }
        is_interrupted || !events.is_empty() || left < patience
    }

    /// Drives the loop until the task has ended.
    fn drive<T: 'static>(&mut self, task: Task<T>) -> T {
        let done = Rc::new(Cell::new(None));
        let output = Rc::clone(&done);
        let awaiting =
            self.runtime.create_task(async move { output.set(Some(task.await.unwrap())) });
        loop {
            let deadline = self.turn();
            if let Some(output) = done.take() {
                drop(awaiting);
                return output;
            }
            assert!(self.wait(deadline), "the host sleeps, and nobody will wake it");
        }
    }

    /// Whether the host would have to turn the loop at once.
    fn is_readable(&mut self) -> bool {
        let mut events = Events::with_capacity(8);
        self.poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
        !events.is_empty()
    }
}

#[test]
fn a_turn_of_an_empty_loop_parks_without_a_deadline() {
    let mut runtime = Runtime::new().unwrap();
    for _ in 0..3 {
        assert_eq!(runtime.turn(), Turn::Park(None));
        assert_eq!(runtime.next_deadline(), None);
    }
}

#[test]
fn the_deadline_of_a_park_is_that_of_the_earliest_timer() {
    let mut host = Host::new();
    let start = time::now();
    let (late, early) = (start + HOUR, start + HOUR / 2);
    let late_task = host.runtime.create_task(oneloop::sleep_until(late));
    assert_eq!(host.turn(), Some(late));
    let early_task = host.runtime.create_task(oneloop::sleep_until(early));
    assert_eq!(host.turn(), Some(early));
    assert_eq!(host.runtime.next_deadline(), Some(early));
    early_task.cancel();
    assert_eq!(host.turn(), Some(late));
    late_task.cancel();
    assert_eq!(host.turn(), None);
}

#[test]
fn an_idle_host_is_not_woken() {
    let mut host = Host::new();
    let listener = host.runtime.create_task(TcpListener::bind("127.0.0.1:0"));
    let listener = host.drive(listener).unwrap();
    let accepting = host.runtime.create_task(async move { listener.accept().await.unwrap() });
    let sleeping = host.runtime.create_task(sleep(HOUR));
    let before = host.turns;
    let deadline = host.turn();
    assert!(deadline.is_some());
    while host.is_readable() {
        host.turn();
    }
    assert!(host.turns - before < 5, "{} turns", host.turns - before);
    assert!(!host.is_readable());
    drop((accepting, sleeping));
}

#[test]
fn timers_expire_in_a_hosted_loop_and_never_early() {
    let mut host = Host::new();
    let start = time::now();
    let nap = Duration::from_millis(3);
    let task = host.runtime.create_task(async move {
        sleep(nap).await;
        sleep(nap).await;
    });
    host.drive(task);
    assert!(time::now() - start >= 2 * nap);
    assert!(host.turns < 20, "{} turns", host.turns);
}

#[test]
fn sockets_wake_the_host() {
    let mut host = Host::new();
    let listener = host.runtime.create_task(TcpListener::bind("127.0.0.1:0"));
    let listener = host.drive(listener).unwrap();
    let addr = listener.local_addr().unwrap();
    let echo = host.runtime.create_task(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut buf = [0; 4];
        for _ in 0..50 {
            stream.read_exact(&mut buf).await.unwrap();
            stream.write_all(&buf).await.unwrap();
        }
    });
    let client = thread::spawn(move || {
        let mut stream = net::TcpStream::connect(addr).unwrap();
        let mut buf = [0; 4];
        for _ in 0..50 {
            stream.write_all(b"ping").unwrap();
            stream.read_exact(&mut buf).unwrap();
        }
    });
    let before = host.turns;
    host.drive(echo);
    client.join().unwrap();
    assert!(host.turns - before < 50 * 6, "{} turns", host.turns - before);
}

#[test]
fn wakes_and_calls_of_other_threads_wake_the_host() {
    let mut host = Host::new();
    for _ in 0..100 {
        let (sender, receiver) = oneshot::channel();
        let task = host.runtime.create_task(receiver);
        assert_eq!(host.turn(), None);
        let thread = thread::spawn(move || sender.send(()).unwrap());
        host.drive(task).unwrap();
        thread.join().unwrap();
        let handle = host.runtime.handle();
        let (sender, receiver) = oneshot::channel();
        let thread = thread::spawn(move || {
            // The call creates a task, so the loop has work to do after it.
            let call = move || create_task(async move { sender.send(()).unwrap() }).detach();
            handle.call_soon_threadsafe(call).unwrap();
        });
        let task = host.runtime.create_task(receiver);
        host.drive(task).unwrap();
        thread.join().unwrap();
    }
    assert!(host.turns < 100 * 12, "{} turns", host.turns);
}

#[test]
fn a_call_that_creates_a_task_leaves_the_loop_busy() {
    let mut host = Host::new();
    assert_eq!(host.turn(), None);
    let done = Rc::new(Cell::new(false));
    let handle = host.runtime.handle();
    handle.call_soon_threadsafe(|| drop(create_task(async {}))).unwrap();
    let flag = Rc::clone(&done);
    let task = host.runtime.create_task(async move {
        yield_now().await;
        flag.set(true);
    });
    host.turn();
    assert!(done.get());
    // The turn has taken the call in, and makes it before the host may sleep.
    let calls = poll_fn({
        let mut has_called = false;
        move |cx| {
            if mem::replace(&mut has_called, true) {
                return Poll::Ready(());
            }
            let waker = cx.waker().clone();
            handle.call_soon_threadsafe(move || waker.wake()).unwrap();
            Poll::Pending
        }
    });
    let calls = host.runtime.create_task(calls);
    host.turn();
    assert!(host.runtime.run(async { calls.is_finished() }));
    drop(task);
}

#[test]
fn what_changes_the_loop_between_turns_wakes_the_host() {
    let mut host = Host::new();
    assert_eq!(host.turn(), None);
    assert!(!host.is_readable());
    let created = host.runtime.create_task(pending::<()>());
    assert!(host.is_readable(), "a new task");
    host.turn();
    assert!(!host.is_readable());
    let waker = Rc::new(Cell::new(Waker::noop().clone()));
    let shown = Rc::clone(&waker);
    let waiting = host.runtime.create_task(poll_fn(move |cx| {
        shown.set(cx.waker().clone());
        Poll::<()>::Pending
    }));
    host.turn();
    while host.is_readable() {
        host.turn();
    }
    waker.take_or_noop().wake();
    assert!(host.is_readable(), "a wake on the same thread");
    host.turn();
    assert!(!host.is_readable());
    created.cancel();
    assert!(host.is_readable(), "a cancelled task");
    host.turn();
    drop(waiting);
    assert!(host.is_readable(), "a dropped handle");
    host.turn();
    assert!(!host.is_readable());
}

trait TakeOrNoop {
    fn take_or_noop(&self) -> Waker;
}

impl TakeOrNoop for Cell<Waker> {
    fn take_or_noop(&self) -> Waker {
        self.replace(Waker::noop().clone())
    }
}

#[test]
fn a_descriptor_that_is_asked_for_late_knows_what_was_sent_before() {
    let mut runtime = Runtime::new().unwrap();
    let called = Rc::new(Cell::new(false));
    let flag = Rc::clone(&called);
    let (sender, receiver) = oneshot::channel();
    runtime
        .create_task(async move {
            receiver.await.unwrap();
            flag.set(true);
        })
        .detach();
    while runtime.turn() == Turn::Busy {}
    // The host may sleep now, and only then asks for the descriptor to wait on.
    thread::spawn(move || sender.send(()).unwrap()).join().unwrap();
    let mut poll = mio::Poll::new().unwrap();
    let descriptor = runtime.reactor_fd().unwrap();
    poll.registry()
        .register(&mut SourceFd(&descriptor.as_raw_fd()), Token(0), Interest::READABLE)
        .unwrap();
    let mut events = Events::with_capacity(1);
    poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
    assert!(!events.is_empty(), "the host is told to turn the loop");
    while runtime.turn() == Turn::Busy {}
    assert!(called.get());
}

#[test]
fn a_busy_loop_says_so_and_gives_the_host_its_turn() {
    let mut host = Host::new();
    let steps = Rc::new(Cell::new(0_u32));
    let counted = Rc::clone(&steps);
    host.runtime
        .create_task(async move {
            loop {
                counted.set(counted.get() + 1);
                yield_now().await;
            }
        })
        .detach();
    for _ in 0..5 {
        let before = steps.get();
        assert_eq!(host.runtime.turn(), Turn::Busy);
        assert!((1..=64).contains(&(steps.get() - before)), "a round has 64 polls at most");
    }
}

#[test]
fn a_loop_may_be_run_between_turns() {
    let mut host = Host::new();
    let task = host.runtime.create_task(async { (sleep(Duration::from_millis(1)).await, 5).1 });
    host.turn();
    assert_eq!(host.runtime.run(task).unwrap(), 5);
    assert_eq!(host.turn(), None);
    assert!(!host.is_readable());
    let task = host.runtime.create_task(async { 6 });
    assert_eq!(host.drive(task), 6);
}

#[test]
fn two_loops_share_one_host() {
    let mut hosts = [Host::new(), Host::new()];
    let (sender, receiver) = oneshot::channel::<u32>();
    let sending = hosts[0].runtime.create_task(async move {
        sleep(Duration::from_millis(1)).await;
        sender.send(9).unwrap();
    });
    let answer = hosts[1].runtime.create_task(receiver);
    assert_eq!(hosts[1].turn(), None);
    hosts[0].drive(sending);
    assert!(hosts[1].is_readable(), "a wake from the loop of the same thread");
    assert_eq!(hosts[1].drive(answer).unwrap(), 9);
}
