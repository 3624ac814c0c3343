//! Handles that outlive their loop, or are used elsewhere, and loops that end with their thread.

#![expect(clippy::unwrap_used, reason = "these are tests, and their helpers")]

use std::cell::RefCell;
use std::future::pending;
use std::io::Write as _;
use std::net;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use futures::FutureExt as _;
use futures::channel::oneshot;
use futures::future::{FutureObj, LocalFutureObj};
use futures::task::{LocalSpawn, Spawn};
use oneloop::net::{TcpListener, TcpStream};
use oneloop::task::Gather;
use oneloop::time::{Sleep, Timeout};
use oneloop::{Closed, Handle, Runtime, Task, create_task, gather, run, sleep, timeout, yield_now};

use super::nested::panic_of;

const HOUR: Duration = Duration::from_secs(3600);

/// One of everything that holds a key. Each has been used.
struct Keys {
    task: Task<u32>,
    ended: Task<u32>,
    sleep: Sleep,
    timeout: Timeout<Sleep>,
    gather: Gather<Sleep>,
    listener: TcpListener,
    stream: TcpStream,
    handle: Handle,
    task_ref: oneloop::TaskRef,
}

impl Keys {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let task = create_task(async { (pending::<()>().await, 1).1 });
        let ended = create_task(async { 2 });
        let mut keys = Self {
            sleep: sleep(HOUR),
            timeout: timeout(HOUR, sleep(HOUR)),
            gather: gather([sleep(HOUR), sleep(HOUR)]),
            listener,
            stream,
            handle: Handle::current(),
            task_ref: oneloop::current_task().unwrap(),
            task,
            ended,
        };
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut keys.sleep).poll(&mut cx).is_pending());
        assert!(Pin::new(&mut keys.gather).poll(&mut cx).is_pending());
        let mut timeout = Box::pin(keys.timeout);
        assert!(timeout.as_mut().poll(&mut cx).is_pending());
        keys.timeout = *Pin::into_inner(timeout);
        yield_now().await;
        keys
    }

    /// Uses each where its loop does not run. Each error says `why`.
    fn misuse(&mut self, why: &str) {
        let mut cx = Context::from_waker(Waker::noop());
        for message in [
            panic_of(|| Pin::new(&mut self.sleep).poll(&mut cx)),
            panic_of(|| Pin::new(&mut self.gather).poll(&mut cx)),
            self.stream.try_read(&mut [0]).unwrap_err().to_string(),
            self.stream.try_write(&[0]).unwrap_err().to_string(),
            run_if_none(async { self.stream.readable().await.unwrap_err().to_string() }),
            run_if_none(async { self.stream.read(&mut [0]).await.unwrap_err().to_string() }),
            run_if_none(async { self.stream.write(&[0]).await.unwrap_err().to_string() }),
            run_if_none(async { self.listener.accept().await.unwrap_err().to_string() }),
        ] {
            assert!(message.contains(why), "{message}");
        }
        // Methods that ask only the kernel work everywhere.
        assert_eq!(self.stream.peer_addr().unwrap(), self.listener.local_addr().unwrap());
        assert!(!self.task_ref.name().is_empty());
    }

    /// Uses each after the end of the loop.
    fn misuse_after_the_end(&mut self) {
        self.misuse("has ended");
        assert!(self.task.is_finished() && self.ended.is_finished() && self.task_ref.is_finished());
        assert!(!self.task.cancel() && !self.ended.cancel() && !self.task_ref.cancel());
        assert_eq!((self.task.name(), self.ended.name()), (String::new(), String::new()));
        let mut cx = Context::from_waker(Waker::noop());
        for task in [&mut self.task, &mut self.ended] {
            let Poll::Ready(Err(error)) = Pin::new(task).poll(&mut cx) else {
                panic!("the task has ended with its loop");
            };
            assert!(error.is_cancelled());
            assert_eq!(error.reason(), Some(oneloop::CancelReason::LoopEnded));
            assert_eq!(
                error.to_string(),
                "task `of an ended loop` was cancelled because its event loop ended"
            );
        }
        assert!(self.handle.call_soon_threadsafe(|| unreachable!("the loop has ended")).is_err());
        assert!(self.handle.status().unwrap_err().is_shutdown());
        assert!(self.handle.status_local().unwrap_err().is_shutdown());
    }
}

/// Polls `main` on a new loop, or on the current one if there is one.
fn run_if_none<T>(main: impl Future<Output = T>) -> T {
    if oneloop::current_task().is_none() {
        return run(main);
    }
    match std::pin::pin!(main).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it ought to fail at once"),
    }
}

#[test]
fn handles_that_outlive_their_loop_are_inert() {
    let mut keys = run(Keys::new());
    keys.misuse_after_the_end();
    drop(keys);
    drop(run(Keys::new()));
}

#[test]
fn handles_that_outlive_their_loop_are_inert_in_a_later_loop() {
    let mut keys = run(Keys::new());
    run(async {
        let mut own = Keys::new().await;
        keys.misuse_after_the_end();
        drop(keys);
        // The same slots of this loop are unaffected.
        assert!(!own.task.is_finished());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut own.sleep).poll(&mut cx).is_pending());
        assert!(Pin::new(&mut own.gather).poll(&mut cx).is_pending());
        let (server, _) = own.listener.accept().await.unwrap();
        server.write_all(b"x").await.unwrap();
        own.stream.read_exact(&mut [0]).await.unwrap();
    });
}

#[test]
fn handles_that_outlive_their_loop_are_inert_on_another_thread() {
    let mut keys = run(Keys::new());
    thread::spawn(move || keys.misuse_after_the_end()).join().unwrap();
}

#[test]
fn handles_on_another_thread_say_where_they_belong() {
    let owner = thread::Builder::new().name("owner".to_owned());
    let check = || {
        run(async {
            let mut keys = Keys::new().await;
            let guest = thread::Builder::new().name("guest".to_owned());
            let misuse = move || {
                keys.misuse("belongs to the loop of thread `owner`, not of `guest`");
                let message = panic_of(|| keys.task.is_finished());
                assert_eq!(
                    message,
                    "this `Task` belongs to the loop of thread `owner`, not of `guest`: ask on the loop's thread"
                );
                let mut cx = Context::from_waker(Waker::noop());
                let message = panic_of(|| Pin::new(&mut keys.task).poll(&mut cx));
                assert!(message.ends_with("await it on the loop's thread"), "{message}");
                assert!(keys.task.cancel(), "to cancel is legal anywhere");
                keys
            };
            let mut keys = guest.spawn(misuse).unwrap().join().unwrap();
            assert!((&mut keys.task).await.unwrap_err().is_cancelled());
            assert_eq!((&mut keys.ended).await.unwrap(), 2);
            let mut cx = Context::from_waker(Waker::noop());
            assert!(Pin::new(&mut keys.sleep).poll(&mut cx).is_pending(), "it was not harmed");
            // Dropped on another thread, while the loop lives.
            thread::spawn(move || drop(keys)).join().unwrap();
            sleep(Duration::from_millis(1)).await;
        });
    };
    owner.spawn(check).unwrap().join().unwrap();
}

#[test]
fn a_task_may_be_detached_where_its_loop_does_not_run() {
    let reports = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&reports);
    let builder = oneloop::Builder::new();
    let mut runtime = builder
        .on_unhandled(move |report| log.borrow_mut().push(report.to_string()))
        .build()
        .unwrap();
    runtime.create_task(async { Err::<(), _>("between two runs") }).detach();
    let task = runtime.create_task(async { Err::<(), _>("on another thread") });
    thread::spawn(move || task.detach()).join().unwrap();
    runtime.run(sleep(Duration::from_millis(1)));
    let reports = reports.borrow();
    assert_eq!(reports.len(), 2, "{reports:?}");
    assert!(reports[0].ends_with("nobody awaits it: between two runs"), "{reports:?}");
    assert!(reports[1].ends_with("nobody awaits it: on another thread"), "{reports:?}");
}

#[test]
fn handles_belong_to_one_of_several_runtimes_of_a_thread() {
    let (mut first, mut second) = (Runtime::new().unwrap(), Runtime::new().unwrap());
    let mut keys = first.run(Keys::new());
    second
        .run(async { keys.misuse("belongs to a `Runtime` of this thread that does not run now") });
    first.run(async {
        assert!(!keys.task.is_finished());
        assert_eq!((&mut keys.ended).await.unwrap(), 2);
    });
    second.run(async { drop(keys) });
    first.run(yield_now());
}

#[test]
fn a_dropped_handle_of_another_thread_gives_its_slot_and_its_output_back() {
    let dropped = Rc::new(());
    let output = Rc::clone(&dropped);
    run(async {
        let task = create_task(async move { output });
        yield_now().await;
        assert_eq!(Rc::strong_count(&dropped), 2);
        thread::spawn(move || drop(task)).join().unwrap();
        sleep(Duration::from_millis(1)).await;
        assert_eq!(Rc::strong_count(&dropped), 1, "dropped at home");
    });
}

thread_local! {
    static KEYS: RefCell<Vec<Keys>> = const { RefCell::new(Vec::new()) };
    static RUNTIME: RefCell<Option<Runtime>> = const { RefCell::new(None) };
}

#[test]
fn handles_in_a_thread_local_are_dropped_after_their_loop() {
    thread::spawn(|| {
        run(async {
            let keys = Keys::new().await;
            KEYS.with_borrow_mut(|all| all.push(keys));
        });
    })
    .join()
    .unwrap();
}

#[test]
fn handles_in_a_thread_local_of_another_thread_are_dropped_before_their_loop_ends() {
    run(async {
        let keys = Keys::new().await;
        thread::spawn(move || KEYS.with_borrow_mut(|all| all.push(keys))).join().unwrap();
        sleep(Duration::from_millis(1)).await;
        create_task(yield_now()).await.unwrap();
    });
}

/// Uses the loop in its drop. The loop must still be there.
struct UsesLoop(mpsc::Sender<&'static str>);

impl Drop for UsesLoop {
    fn drop(&mut self) {
        drop(create_task(async {}));
        drop(sleep(HOUR));
        let task = oneloop::current_task().expect("it is dropped as the current task");
        assert!(!task.is_finished());
        self.0.send("dropped on its loop").unwrap();
    }
}

fn keep_runtime(sender: &mpsc::Sender<&'static str>) {
    let mut runtime = Runtime::new().unwrap();
    let guard = UsesLoop(sender.clone());
    runtime
        .create_task(async move {
            let _guard = guard;
            let _keys = Keys::new().await;
            pending::<()>().await;
        })
        .detach();
    let keys = runtime.run(async { (sleep(Duration::from_millis(1)).await, Keys::new().await).1 });
    KEYS.with_borrow_mut(|all| all.push(keys));
    RUNTIME.set(Some(runtime));
}

#[test]
fn a_runtime_in_a_thread_local_ends_with_its_thread() {
    let (sender, receiver) = mpsc::channel();
    // The two thread-locals end in either order.
    for keys_first in [false, true] {
        let sender = sender.clone();
        let end = move || {
            if keys_first {
                KEYS.with_borrow_mut(Vec::clear);
            } else {
                drop(RUNTIME.take());
            }
            keep_runtime(&sender);
        };
        thread::spawn(end).join().unwrap();
        assert_eq!(receiver.try_recv(), Ok("dropped on its loop"));
    }
}

#[test]
fn calls_from_one_thread_keep_their_order_and_wake_a_sleeping_loop() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let (sender, receiver) = oneshot::channel();
    run(async {
        let (handle, shared) = (Handle::current(), Arc::clone(&log));
        let thread = thread::spawn(move || {
            for number in 0..100 {
                let log = Arc::clone(&shared);
                handle.call_soon_threadsafe(move || log.lock().unwrap().push(number)).unwrap();
            }
            handle.call_soon_threadsafe(move || sender.send(()).unwrap()).unwrap();
        });
        receiver.await.unwrap();
        thread.join().unwrap();
    });
    assert_eq!(*log.lock().unwrap(), (0..100).collect::<Vec<_>>());
}

#[test]
fn a_call_wakes_a_loop_however_it_sleeps() {
    // The loop has a timer or not, and a socket or not. The call comes from another thread, or from
    // the loop's own thread before it sleeps.
    for (with_timer, with_socket, from_here) in
        (0..8).map(|bits| (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0))
    {
        run(async {
            let (sender, receiver) = oneshot::channel();
            let _timer = with_timer.then(|| create_task(sleep(HOUR)));
            let _socket = if with_socket {
                Some(TcpListener::bind("127.0.0.1:0").await.unwrap())
            } else {
                None
            };
            let handle = Handle::current();
            let call = move || sender.send("called").unwrap();
            if from_here {
                handle.call_soon_threadsafe(call).unwrap();
                assert_eq!(receiver.await.unwrap(), "called");
            } else {
                let thread = thread::spawn(move || handle.call_soon_threadsafe(call).unwrap());
                assert_eq!(receiver.await.unwrap(), "called");
                thread.join().unwrap();
            }
        });
    }
}

#[test]
fn a_call_may_do_what_a_task_may() {
    let (sender, receiver) = oneshot::channel();
    run(async {
        let call = move || {
            assert!(oneloop::current_task().is_none());
            create_task(async move {
                yield_now().await;
                sender.send(Handle::current()).unwrap();
            })
            .detach();
        };
        Handle::current().call_soon_threadsafe(call).unwrap();
        assert_eq!(receiver.await.unwrap(), Handle::current());
    });
}

#[test]
fn a_call_has_a_budget_of_its_own() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.write_all(&[0; 4096]).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        stream.readable().await.unwrap();
        // Uses up the budget of this poll.
        while stream.read(&mut [0]).now_or_never().is_some() {}
        let (sender, receiver) = oneshot::channel();
        let call = move || sender.send(stream.read(&mut [0]).now_or_never().is_some()).unwrap();
        Handle::current().call_soon_threadsafe(call).unwrap();
        assert!(receiver.await.unwrap(), "the poll before has used it up");
    });
}

#[test]
fn a_call_that_comes_too_late_is_dropped_and_the_error_says_so() {
    struct SendOnDrop(mpsc::Sender<thread::ThreadId>);
    impl Drop for SendOnDrop {
        fn drop(&mut self) {
            self.0.send(thread::current().id()).unwrap();
        }
    }
    let (sender, receiver) = mpsc::channel();
    let runtime = Runtime::new().unwrap();
    let handle = runtime.handle();
    let guard = SendOnDrop(sender.clone());
    thread::spawn(move || handle.call_soon_threadsafe(move || drop(guard)).unwrap())
        .join()
        .unwrap();
    assert!(receiver.try_recv().is_err(), "it waits for the next run");
    drop(runtime);
    assert_eq!(
        receiver.try_recv(),
        Ok(thread::current().id()),
        "unread, it is dropped on the loop's thread"
    );
    let guard = SendOnDrop(sender);
    let error: Closed = handle.call_soon_threadsafe(move || drop(guard)).unwrap_err();
    assert_eq!(error.to_string(), "the event loop has ended");
    assert!(receiver.try_recv().is_ok());
}

#[test]
fn a_handle_spawns_for_the_traits_of_futures_task() {
    let log = Rc::new(RefCell::new(Vec::new()));
    run(async {
        let handle = Handle::current();
        let local = Rc::clone(&log);
        handle.status_local().unwrap();
        handle
            .spawn_local_obj(LocalFutureObj::new(Box::new(async move {
                local.borrow_mut().push("local");
            })))
            .unwrap();
        let (sender, receiver) = oneshot::channel();
        let spawn = move || {
            handle.status().unwrap();
            assert!(handle.status_local().unwrap_err().is_shutdown());
            let refused = LocalFutureObj::new(Box::new(async {}));
            assert!(handle.spawn_local_obj(refused).unwrap_err().is_shutdown());
            let send = async move { sender.send(thread::current().id()).unwrap() };
            handle.spawn_obj(FutureObj::new(Box::new(send))).unwrap();
        };
        thread::spawn(spawn).join().unwrap();
        assert_eq!(receiver.await.unwrap(), thread::current().id());
        let (sender, receiver) = oneshot::channel();
        handle
            .spawn_obj(FutureObj::new(Box::new(async move { sender.send(()).unwrap() })))
            .unwrap();
        receiver.await.unwrap();
    });
    assert_eq!(*log.borrow(), ["local"]);
}

#[test]
fn a_future_spawned_as_the_loop_ends_is_dropped() {
    struct Spawns(Handle, mpsc::Sender<bool>);
    impl Drop for Spawns {
        fn drop(&mut self) {
            let local = LocalFutureObj::new(Box::new(pending()));
            let send = FutureObj::new(Box::new(pending()));
            let refused = self.0.spawn_local_obj(local).is_err();
            let _accepted_or_not = self.0.spawn_obj(send);
            self.1.send(refused).unwrap();
        }
    }
    let (sender, receiver) = mpsc::channel();
    run(async {
        let guard = Spawns(Handle::current(), sender);
        create_task(async move {
            pending::<()>().await;
            drop(guard);
        })
        .detach();
        yield_now().await;
    });
    assert_eq!(receiver.try_recv(), Ok(true));
}
