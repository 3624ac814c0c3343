//! A loop driven by a host that is a future: the host's waker tells it to come, and the loop stays
//! the thread's loop between two turns.

#![expect(clippy::unwrap_used, reason = "these are tests, and their helpers")]

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::io::{ErrorKind, Read as _, Write as _};
use std::mem;
use std::net;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use futures::channel::oneshot;
use oneloop::io::AsyncFd;
use oneloop::net::TcpListener;
use oneloop::sync::channel;
use oneloop::{Runtime, Turn, create_task, sleep, time, yield_now};

use super::host_waiter::{Bell, HostWaiter};

const HOUR: Duration = Duration::from_secs(3600);

struct Host {
    runtime: Runtime,
    waiter: HostWaiter,
}

impl Host {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let waiter = HostWaiter::of(&runtime);
        Self { runtime, waiter }
    }

    fn turn(&mut self) -> Turn {
        let is_readable = mem::take(&mut self.waiter.is_readable);
        self.runtime.poll_turn(&mut Context::from_waker(&self.waiter.waker()), is_readable)
    }

    /// Turns until the loop parks. Returns its deadline.
    fn settle(&mut self) -> Option<Instant> {
        loop {
            if let Turn::Park(deadline) = self.turn() {
                return deadline;
            }
        }
    }

    /// How often the host was woken since it was last asked.
    fn rings(&self) -> u32 {
        self.waiter.bell.rings.swap(0, Ordering::Relaxed)
    }

    /// Drives the loop, and polls `future` as a task of the host itself, until it is ready.
    fn drive<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = pin!(future);
        let waker = self.waiter.waker();
        let mut cx = Context::from_waker(&waker);
        loop {
            let turn = self.turn();
            if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
                return output;
            }
            if turn != Turn::Busy {
                self.waiter.wait();
            }
        }
    }
}

#[test]
fn between_turns_the_loop_is_the_threads_loop() {
    let mut host = Host::new();
    host.settle();
    let task = create_task(async { (sleep(Duration::from_millis(1)).await, 5).1 });
    assert!(!task.is_finished());
    let start = time::now();
    let (slept, joined) = host.drive(async {
        sleep(Duration::from_millis(3)).await;
        (time::now() - start, task.await.unwrap())
    });
    assert!(slept >= Duration::from_millis(3));
    assert_eq!(joined, 5);
}

#[test]
fn sockets_serve_a_task_of_the_host() {
    let mut host = Host::new();
    host.settle();
    host.drive(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let client = thread::spawn(move || {
            let mut stream = net::TcpStream::connect(addr).unwrap();
            let mut buf = [0; 4];
            for _ in 0..50 {
                stream.write_all(b"ping").unwrap();
                stream.read_exact(&mut buf).unwrap();
            }
        });
        let (stream, _) = listener.accept().await.unwrap();
        let mut buf = [0; 4];
        for _ in 0..50 {
            stream.read_exact(&mut buf).await.unwrap();
            stream.write_all(&buf).await.unwrap();
        }
        client.join().unwrap();
    });
}

#[test]
fn what_gives_the_loop_something_to_do_between_turns_wakes_the_host_once() {
    let mut host = Host::new();
    assert_eq!(host.settle(), None);
    assert_eq!(host.rings(), 0);

    let tasks = [create_task(pending::<()>()), create_task(pending::<()>())];
    assert_eq!(host.rings(), 1, "two new tasks");
    host.settle();

    assert!(!tasks[0].is_finished() && tasks[1].cancel());
    assert_eq!(host.rings(), 1, "a cancelled task");
    host.settle();

    let shared = Rc::new(RefCell::new(Waker::noop().clone()));
    let shown = Rc::clone(&shared);
    let waiting = create_task(poll_fn(move |cx| {
        shown.replace(cx.waker().clone());
        Poll::<()>::Pending
    }));
    host.settle();
    host.rings();
    shared.borrow().wake_by_ref();
    shared.borrow().wake_by_ref();
    assert_eq!(host.rings(), 1, "a task that was woken");
    assert_eq!(host.settle(), None);

    assert!(!waiting.is_finished(), "a question changes nothing");
    assert_eq!(host.rings(), 0);
}

#[test]
fn a_timer_that_is_due_before_all_others_wakes_the_host() {
    let mut host = Host::new();
    let mut cx = Context::from_waker(Waker::noop());
    let long = create_in(&host.runtime, sleep(HOUR));
    assert!(host.settle().is_some());
    host.rings();
    let (mut later, mut sooner) = (pin!(sleep(2 * HOUR)), pin!(sleep(HOUR / 2)));
    assert!(later.as_mut().poll(&mut cx).is_pending());
    assert_eq!(host.rings(), 0, "it is due later");
    assert!(sooner.as_mut().poll(&mut cx).is_pending());
    assert_eq!(host.rings(), 1, "it is due sooner");
    drop(long);
}

fn create_in<F: Future<Output: 'static> + 'static>(
    runtime: &Runtime,
    future: F,
) -> oneloop::Task<F::Output> {
    runtime.enter(|| create_task(future))
}

#[test]
fn a_busy_loop_does_not_wake_the_host() {
    let mut host = Host::new();
    create_in(&host.runtime, async {
        loop {
            yield_now().await;
        }
    })
    .detach();
    for _ in 0..10 {
        assert_eq!(host.turn(), Turn::Busy);
        let _more = create_task(async {});
    }
    assert_eq!(host.rings(), 0, "the host comes by itself");
}

#[test]
fn other_threads_wake_the_host_and_not_the_descriptor() {
    let mut host = Host::new();
    for _ in 0..100 {
        let (sender, receiver) = oneshot::channel();
        let task = create_in(&host.runtime, receiver);
        assert_eq!(host.settle(), None);
        let thread = thread::spawn(move || sender.send(7).unwrap());
        assert_eq!(host.drive(task).unwrap().unwrap(), 7);
        thread.join().unwrap();
        assert!(!host.waiter.is_readable);

        let (handle, called) = (host.runtime.handle(), Arc::new(AtomicU32::new(0)));
        let counter = Arc::clone(&called);
        let call = move || counter.store(1, Ordering::Relaxed);
        thread::spawn(move || handle.call_soon_threadsafe(call).unwrap()).join().unwrap();
        while called.load(Ordering::Relaxed) == 0 {
            if host.turn() != Turn::Busy {
                assert_ne!(called.load(Ordering::Relaxed), 0, "the call was announced");
            }
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn events_beyond_one_look_are_not_lost_on_an_edge_triggered_host() {
    use nix::sys::eventfd::EventFd;
    use nix::sys::resource::{Resource, getrlimit, setrlimit};

    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, soft.max(hard.min(4096)), hard).unwrap();
    let mut host = Host::new();
    // One look takes 1024 events, in the order in which they came. Only the last descriptor is
    // awaited, so the first look wakes no task.
    let descriptors: Vec<_> = host.runtime.enter(|| {
        (0..1100).map(|_| Rc::new(AsyncFd::new(EventFd::new().unwrap()).unwrap())).collect()
    });
    let awaited = Rc::clone(&descriptors[1099]);
    let task = create_in(&host.runtime, async move {
        // A new descriptor counts as readable until an attempt says otherwise.
        let empty = awaited.try_read_with(|_| Err::<(), _>(ErrorKind::WouldBlock.into()));
        assert!(empty.is_err());
        awaited.readable().await.unwrap();
    });
    host.settle();
    for descriptor in &descriptors {
        descriptor.get_ref().write(1).unwrap();
    }
    host.drive(task).unwrap();
}

#[test]
fn a_loop_can_be_run_and_turned_after_a_host_has_polled_it() {
    let mut host = Host::new();
    host.settle();
    let (sender, receiver) = oneshot::channel();
    let sending = thread::spawn(move || {
        thread::sleep(Duration::from_millis(5));
        sender.send(3).unwrap();
    });
    assert_eq!(host.runtime.run(receiver).unwrap(), 3);
    sending.join().unwrap();
    assert_eq!(host.rings(), 0, "the loop has parked by itself");
    assert_eq!(Arc::strong_count(&host.waiter.bell), 1, "the host's waker is gone");
    assert!(catch_unwind(|| create_task(async {})).is_err(), "it is not the thread's loop now");
    assert_eq!(host.runtime.turn(), Turn::Park(None));
    assert_eq!(host.settle(), None);
    create_task(async {}).detach();
    assert_eq!(host.rings(), 1);
}

#[test]
fn another_loop_may_run_between_turns() {
    let mut host = Host::new();
    host.settle();
    let task = create_task(async { 1 });
    assert_eq!(oneloop::run(async { create_task(async { 2 }).await.unwrap() }), 2);
    assert!(!task.is_finished(), "the hosted loop is the thread's loop again");
    assert_eq!(host.drive(task).unwrap(), 1);
}

#[test]
fn of_two_hosted_loops_the_last_one_polled_is_the_threads_loop() {
    let (mut first, mut second) = (Host::new(), Host::new());
    first.settle();
    second.settle();
    let of_second = create_task(async { 2 });
    assert_eq!((first.rings(), second.rings()), (0, 1));
    first.settle();
    let of_first = create_task(async { 1 });
    assert_eq!((first.rings(), second.rings()), (1, 0));
    assert_eq!(second.drive(of_second).unwrap(), 2);
    assert_eq!(first.drive(of_first).unwrap(), 1);
}

#[test]
fn the_waker_of_the_last_turn_is_the_one_that_is_woken() {
    let mut host = Host::new();
    host.settle();
    let former = Arc::clone(&host.waiter.bell);
    let ends_wait = Arc::clone(&former.ends_wait);
    host.waiter.bell = Arc::new(Bell { rings: AtomicU32::new(0), ends_wait });
    host.settle();
    assert_eq!(Arc::strong_count(&former), 1);
    let handle = host.runtime.handle();
    thread::spawn(move || handle.call_soon_threadsafe(|| {}).unwrap()).join().unwrap();
    assert_eq!(host.rings(), 1);
    host.settle();
    drop(create_task(async {}));
    assert_eq!(host.rings(), 1);
    assert_eq!(former.rings.load(Ordering::Relaxed), 0);
}

#[test]
fn a_dropped_runtime_leaves_the_thread_without_a_loop() {
    let mut host = Host::new();
    host.settle();
    let task = create_task(pending::<()>());
    let bell = Arc::clone(&host.waiter.bell);
    drop(host);
    assert!(task.is_finished());
    assert!(catch_unwind(AssertUnwindSafe(|| create_task(async {}))).is_err());
    assert_eq!(Arc::strong_count(&bell), 1);
    assert_eq!(oneloop::run(async { 4 }), 4);
}

#[test]
fn no_wake_is_lost_in_a_storm_of_messages_between_host_and_loop() {
    let mut host = Host::new();
    host.settle();
    let (to_loop, in_loop) = channel::<u32>(4);
    let (to_host, in_host) = channel::<u32>(4);
    create_task(async move {
        while let Some(number) = in_loop.recv().await {
            if number % 7 == 0 {
                sleep(Duration::from_micros(number.into())).await;
            }
            to_host.send(number).await.unwrap();
        }
    })
    .detach();
    let sum = Rc::new(Cell::new(0));
    let total = Rc::clone(&sum);
    host.drive(async move {
        // One to three messages are under way.
        for batch in 0..1500_u32 {
            let count = 1 + batch % 3;
            for number in 0..count {
                to_loop.send(batch + number).await.unwrap();
            }
            for number in 0..count {
                assert_eq!(in_host.recv().await, Some(batch + number));
            }
            total.set(total.get() + count);
        }
    });
    assert_eq!(sum.get(), 3000);
}

/// A waker that uses the loop, as no waker should.
struct Intruder(thread::ThreadId);

impl Wake for Intruder {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        assert_eq!(thread::current().id(), self.0);
        create_task(async {}).detach();
    }
}

#[test]
fn a_waker_of_the_host_may_use_the_loop() {
    let mut runtime = Runtime::new().unwrap();
    let waker = Waker::from(Arc::new(Intruder(thread::current().id())));
    let mut cx = Context::from_waker(&waker);
    assert_eq!(runtime.poll_turn(&mut cx, false), Turn::Park(None));
    let task = create_task(async { 6 });
    while runtime.poll_turn(&mut cx, false) == Turn::Busy {}
    assert!(task.is_finished());
}

#[test]
fn a_turn_inside_a_turn_panics() {
    let runtime = Rc::new(RefCell::new(Runtime::new().unwrap()));
    let inner = Rc::new(Cell::new(false));
    let seen = Rc::clone(&inner);
    create_in(&runtime.borrow(), async move {
        let mut cx = Context::from_waker(Waker::noop());
        let mut other = Runtime::new().unwrap();
        let turned = catch_unwind(AssertUnwindSafe(|| other.poll_turn(&mut cx, false)));
        seen.set(turned.is_err());
    })
    .detach();
    let mut cx = Context::from_waker(Waker::noop());
    while runtime.borrow_mut().poll_turn(&mut cx, false) == Turn::Busy {}
    assert!(inner.get());
}
