//! Tests that need a process with one thread: `fork`, the end of the main thread, and the maximum
//! number of loops.
//!
//! There is no libtest harness, because it has threads: after `fork` only the calling thread is
//! left, and the locks of the others stay locked.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is a test, with a harness of its own"
)]
#![expect(unsafe_code, reason = "the standard library has no `fork`")]

mod connections;

use std::cell::RefCell;
use std::env;
use std::future::{pending, poll_fn};
use std::io::{self, Read, Write};
use std::net;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{self, Command, ExitCode};
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use nix::libc;
use nix::sys::signal::{Signal, raise};
use oneloop::fs;
use oneloop::io::{StreamReader, StreamWriter};
use oneloop::net::{TcpListener, TcpStream, UnixListener};
use oneloop::process as children;
use oneloop::signal::{SignalKind, Signals, signal};
use oneloop::thread::to_thread;
use oneloop::time::now;
use oneloop::{Runtime, Turn, create_task, run, sleep, start_server, timeout, yield_now};

const PATIENCE: Duration = Duration::from_secs(10);
const AT_EXIT: &str = "ONELOOP_TEST_AT_EXIT";

fn main() -> ExitCode {
    if env::var_os(AT_EXIT).is_some() {
        keep_runtime_till_exit();
        return ExitCode::SUCCESS;
    }
    let tests: [(&str, fn()); 22] = [
        ("dropping what was inherited leaves the parent alone", dropping_leaves_the_parent_alone),
        ("dropping an inherited listener leaves its file to the parent", a_file_stays_the_parents),
        (
            "dropping an inherited server takes no client from the parent",
            a_client_stays_the_parents,
        ),
        ("an inherited loop refuses to run", an_inherited_loop_refuses_to_run),
        ("an inherited loop refuses to turn", an_inherited_loop_refuses_to_turn),
        ("an inherited loop refuses new sockets", an_inherited_loop_refuses_new_sockets),
        (
            "a loop that goes on after a fork inside it panics",
            a_loop_that_goes_on_in_the_child_panics,
        ),
        ("a task may fork, and its child start a loop on another thread", a_task_may_fork),
        (
            "a runtime in a thread-local ends with the main thread",
            a_runtime_ends_with_the_main_thread,
        ),
        ("a signal to a child is none to its parent", a_signal_to_a_child_is_none_to_its_parent),
        ("children are those of their parent alone", children_are_those_of_their_parent_alone),
        (
            "a child that returns leaves the connections alone",
            connections::a_child_that_returns_harms_nobody,
        ),
        (
            "a child that unwinds leaves the connections alone",
            connections::a_child_that_unwinds_harms_nobody,
        ),
        (
            "a child sends nothing of what its parent has queued",
            connections::a_child_sends_nothing_queued,
        ),
        (
            "a child sends nothing that waits for the poll's end",
            connections::a_child_ends_no_poll_of_its_parent,
        ),
        (
            "a child runs no cleanup of its parent",
            connections::a_child_runs_no_cleanup_of_its_parent,
        ),
        ("a child removes no temporary file of its parent", temporary_files_stay_the_parents),
        ("a child that drops a lock leaves it to its parent", a_lock_stays_the_parents),
        ("a child ends without the threads of its parent", a_child_ends_without_threads),
        ("a loop of its own runs inside the inherited one", a_loop_runs_inside_the_inherited_one),
        ("a loop in a loop is refused in a child too", a_loop_in_a_loop_is_refused_in_a_child_too),
        ("one loop too many is an error", one_loop_too_many_is_an_error),
    ];
    let mut failed = 0;
    for (name, test) in tests {
        let is_ok = catch_unwind(test).is_ok();
        failed += u32::from(!is_ok);
        println!("test {name} ... {}", if is_ok { "ok" } else { "FAILED" });
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Calls `child` in a forked process, and waits for its end. A panic there makes this panic.
#[track_caller]
fn in_fork(child: impl FnOnce()) {
    // SAFETY: the process has one thread, so no lock is taken in the child.
    let process = unsafe { libc::fork() };
    assert!(process >= 0, "fork failed");
    if process == 0 {
        let status = i32::from(catch_unwind(AssertUnwindSafe(child)).is_err());
        // SAFETY: this ends the process, and touches none of its memory.
        unsafe { libc::_exit(status) };
    }
    let mut status = -1;
    // SAFETY: the pointer is to a local variable.
    let ended = unsafe { libc::waitpid(process, &raw mut status, 0) };
    assert_eq!((ended, status), (process, 0), "the child failed: see its message above");
}

/// A loop with sockets on which tasks already wait, and their peer.
struct Parent {
    runtime: Runtime,
    listener: TcpListener,
    stream: TcpStream,
    peer: net::TcpStream,
}

impl Parent {
    fn new() -> Self {
        let mut runtime = Runtime::new().unwrap();
        let (listener, stream, peer) = runtime.run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let peer = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            // No data has arrived yet, so from now on only an event can announce any.
            assert!(timeout(Duration::from_millis(5), stream.read(&mut [0])).await.is_err());
            (listener, stream, peer)
        });
        Self { runtime, listener, stream, peer }
    }

    /// The loop still sees what happens to its sockets.
    fn works(mut self) {
        self.peer.write_all(b"x").unwrap();
        let addr = self.listener.local_addr().unwrap();
        self.runtime.run(async {
            timeout(PATIENCE, self.stream.readable())
                .await
                .expect("the event is not lost")
                .unwrap();
            self.stream.read_exact(&mut [0]).await.unwrap();
            let mut second = net::TcpStream::connect(addr).unwrap();
            let (accepted, _) =
                timeout(PATIENCE, self.listener.accept()).await.expect("nor this one").unwrap();
            accepted.write_all(b"y").await.unwrap();
            second.read_exact(&mut [0]).unwrap();
            assert!(timeout(Duration::from_millis(5), pending::<()>()).await.is_err());
        });
    }
}

fn a_file_stays_the_parents() {
    let path = env::temp_dir().join(format!("oneloop-fork-{}", process::id()));
    let mut runtime = Runtime::new().unwrap();
    let listener = runtime.run(async { UnixListener::bind(&path) }).unwrap();
    let mut listener = Some(listener);
    in_fork(|| drop(listener.take()));
    let listener = listener.expect("the child has dropped its own");
    let _client = UnixStream::connect(&path).expect("the parent's file is there");
    runtime.run(timeout(PATIENCE, listener.accept())).unwrap().unwrap();
    drop(listener);
    assert!(!path.exists());
}

fn a_client_stays_the_parents() {
    let mut runtime = Runtime::new().unwrap();
    let answer = async |_: StreamReader, mut writer: StreamWriter| writer.write("hello");
    let server = runtime.run(start_server(answer, "127.0.0.1:0")).unwrap();
    let mut client = net::TcpStream::connect(server.local_addrs()[0]).unwrap();
    let mut server = Some(server);
    in_fork(|| drop(server.take()));
    let server = server.expect("the child has dropped its own");
    runtime.run(timeout(PATIENCE, server.shutdown(PATIENCE))).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "hello");
}

fn a_fresh_loop_works() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let client =
            create_task(async move { TcpStream::connect(addr).await?.write_all(b"hello").await });
        let (stream, _) = listener.accept().await.unwrap();
        stream.read_exact(&mut [0; 5]).await.unwrap();
        client.await.unwrap().unwrap();
        sleep(Duration::from_millis(2)).await;
    });
}

/// `f` panics, and the message names the process of the loop.
fn refuses(f: impl FnOnce()) {
    let payload = catch_unwind(AssertUnwindSafe(f)).expect_err("it panics");
    is_clear(payload.downcast_ref::<String>().expect("with a message"));
}

fn is_clear(message: &str) {
    let whose = format!(
        "and process {} is a fork of it: start a loop of its own in the child",
        process::id()
    );
    assert!(message.contains("this event loop belongs to process"), "{message}");
    assert!(message.contains(&whose), "{message}");
}

fn dropping_leaves_the_parent_alone() {
    let mut parent = Some(Parent::new());
    in_fork(|| {
        // The child has a copy of all of these.
        let Parent { runtime, listener, stream, peer } = parent.take().unwrap();
        drop((stream, peer, listener, runtime));
        a_fresh_loop_works();
    });
    parent.unwrap().works();
    // The same if the loop is dropped first, and a task has something to drop.
    let mut parent = Some(Parent::new());
    let task = parent.as_ref().unwrap().runtime.create_task(async {
        let _listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        sleep(PATIENCE).await;
    });
    parent.as_mut().unwrap().runtime.run(sleep(Duration::from_millis(1)));
    in_fork(|| {
        let Parent { runtime, listener, stream, peer } = parent.take().unwrap();
        drop(runtime);
        drop((stream, peer, listener));
        a_fresh_loop_works();
    });
    task.cancel();
    parent.unwrap().works();
}

fn an_inherited_loop_refuses_to_run() {
    let mut parent = Parent::new();
    // An event that the parent has not taken in, and that the child must not take.
    parent.peer.write_all(b"x").unwrap();
    in_fork(|| {
        let Parent { runtime, stream, .. } = &mut parent;
        refuses(|| drop(runtime.run(stream.readable())));
        refuses(|| {
            runtime.run(async {
                for _ in 0..1000 {
                    yield_now().await;
                }
            });
        });
        refuses(|| runtime.run(sleep(Duration::from_millis(1))));
        a_fresh_loop_works();
    });
    parent.works();
}

fn an_inherited_loop_refuses_to_turn() {
    let mut parent = Parent::new();
    parent.peer.write_all(b"x").unwrap();
    in_fork(|| {
        refuses(|| assert_eq!(parent.runtime.turn(), Turn::Busy));
        let mut cx = Context::from_waker(Waker::noop());
        refuses(|| assert_eq!(parent.runtime.poll_turn(&mut cx, true), Turn::Busy));
    });
    parent.works();
}

fn an_inherited_loop_refuses_new_sockets() {
    let mut parent = Parent::new();
    parent.runtime.run(async {
        in_fork(|| {
            let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
            is_clear(&TcpListener::from_std(listener).unwrap_err().to_string());
        });
    });
    parent.works();
}

fn a_loop_that_goes_on_in_the_child_panics() {
    let mut parent = Parent::new();
    let (mut reader, writer) = UnixStream::pair().unwrap();
    let parents_process = process::id();
    let in_child = move || {
        let mut writer = writer;
        writer.write_all(b"refused").unwrap();
    };
    let runs = catch_unwind(AssertUnwindSafe(|| {
        parent.runtime.run(async {
            // SAFETY: as in `in_fork`; the child ends below.
            if unsafe { libc::fork() } == 0 {
                loop {
                    sleep(Duration::from_millis(2)).await;
                }
            }
        });
    }));
    if process::id() != parents_process {
        let payload = runs.expect_err("the loop would go on for ever");
        let is_clear =
            catch_unwind(AssertUnwindSafe(|| is_clear(payload.downcast_ref::<String>().unwrap())));
        if is_clear.is_ok() {
            in_child();
        }
        // SAFETY: as in `in_fork`.
        unsafe { libc::_exit(0) };
    }
    runs.unwrap();
    drop(in_child);
    let mut said = String::new();
    reader.read_to_string(&mut said).unwrap();
    assert_eq!(said, "refused");
    parent.works();
}

fn a_task_may_fork() {
    let mut parent = Parent::new();
    parent.runtime.run(async {
        let task = create_task(async {
            in_fork(|| thread::spawn(a_fresh_loop_works).join().unwrap());
            "forked"
        });
        assert_eq!(task.await.unwrap(), "forked");
    });
    parent.works();
}

thread_local! {
    static KEPT: RefCell<Option<(Runtime, TcpListener, SaysBye)>> = const { RefCell::new(None) };
}

struct SaysBye;

impl Drop for SaysBye {
    fn drop(&mut self) {
        // The main thread's locals are destroyed while the process exits.
        eprintln!("bye from {:?}", oneloop::current_task().map(|task| task.name()));
    }
}

fn keep_runtime_till_exit() {
    let mut runtime = Runtime::new().unwrap();
    let listener = runtime.run(TcpListener::bind("127.0.0.1:0")).unwrap();
    let guard = SaysBye;
    let waits = async move {
        sleep(PATIENCE).await;
        drop(guard);
    };
    runtime.run(async { drop(task_named("t", waits)) });
    KEPT.set(Some((runtime, listener, SaysBye)));
}

fn task_named(name: &str, future: impl Future<Output = ()> + 'static) -> oneloop::Task<()> {
    create_task(future).named(name)
}

fn a_runtime_ends_with_the_main_thread() {
    let child = Command::new(env::current_exe().unwrap()).env(AT_EXIT, "1").output().unwrap();
    let said = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{said}");
    assert_eq!(said, "bye from Some(\"t\")\nbye from None\n");
}

fn a_signal_to_a_child_is_none_to_its_parent() {
    run(async {
        let mut listener = signal(SignalKind::SIGUSR1).unwrap();
        let hears_nothing = async |listener: &mut Signals| {
            timeout(Duration::from_millis(5), listener.recv()).await.is_err()
        };
        assert!(hears_nothing(&mut listener).await);
        let refuses = |listener: &mut Signals| {
            let Poll::Ready(Err(error)) =
                listener.poll_recv(&mut Context::from_waker(Waker::noop()))
            else {
                panic!("the child would hear what its parent does")
            };
            let whose = format!("and process {} is a fork of it", process::id());
            assert!(error.to_string().contains(&whose), "{error}");
        };
        in_fork(|| {
            raise(Signal::SIGUSR1).unwrap();
            refuses(&mut listener);
            thread::spawn(|| {
                run(async {
                    let mut listener = signal(SignalKind::SIGUSR1).unwrap();
                    raise(Signal::SIGUSR1).unwrap();
                    timeout(PATIENCE, listener.recv()).await.unwrap().unwrap();
                });
            })
            .join()
            .unwrap();
        });
        assert!(hears_nothing(&mut listener).await, "what the child heard");
        raise(Signal::SIGUSR1).unwrap();
        in_fork(|| refuses(&mut listener));
        timeout(PATIENCE, listener.recv()).await.expect("the child has not taken it").unwrap();
    });
}

fn children_are_those_of_their_parent_alone() {
    let mut runtime = Some(Runtime::new().unwrap());
    let mut child = runtime.as_mut().unwrap().run(async {
        let child = children::Command::new("cat").stdin(children::Stdio::piped()).spawn().unwrap();
        let refuses = |result: io::Result<()>| {
            let message = result.unwrap_err().to_string();
            let whose = format!("and process {} is a fork of it", process::id());
            assert!(message.contains(&whose), "{message}");
        };
        let mut child = Some(child);
        in_fork(|| {
            let child = child.take().unwrap();
            assert_eq!(child.id(), None);
            refuses(child.kill());
            refuses(child.kill_tree());
            refuses(child.try_wait().map(drop));
            refuses(children::Command::new("true").spawn().map(drop));
            // Without the fork check, this would end it.
            drop(child);
            let own = || {
                run(async {
                    let status = children::Command::new("true").status().await;
                    assert!(status.unwrap().success());
                });
            };
            thread::spawn(own).join().unwrap();
        });
        child
    });
    // The end of the loop does not end it either.
    in_fork(|| drop(runtime.take()));
    let child = child.as_mut().unwrap();
    runtime.as_mut().unwrap().run(async {
        assert!(children::Command::new("true").status().await.unwrap().success());
        assert_eq!(child.try_wait().unwrap(), None);
        drop(child.stdin.take());
        assert!(timeout(PATIENCE, child.wait()).await.unwrap().unwrap().success());
    });
}

fn temporary_files_stay_the_parents() {
    let (file, dir) =
        run(async { (fs::temp_file().await.unwrap(), fs::temp_dir().await.unwrap()) });
    let paths = [file.path().to_owned(), dir.path().to_owned()];
    let mut both = Some((file, dir));
    in_fork(|| drop(both.take()));
    assert!(paths.iter().all(|path| path.exists()));
    drop(both);
    assert!(!paths.iter().any(|path| path.exists()));
}

fn a_lock_stays_the_parents() {
    run(async {
        let dir = fs::temp_dir().await.unwrap();
        let path = dir.path().join("lock");
        let file = fs::File::create(&path).await.unwrap();
        let mut lock = Some(file.lock().await.unwrap());
        in_fork(|| drop(lock.take()));
        let other = fs::File::open(&path).await.unwrap();
        assert!(other.try_lock().await.unwrap().is_none(), "the parent has it still");
        drop(lock);
        assert!(other.try_lock().await.unwrap().is_some());
    });
}

fn a_child_ends_without_threads() {
    let mut runtime = Some(Runtime::new().unwrap());
    let (gate, waiting) = mpsc::channel::<()>();
    let mut call = None;
    runtime.as_mut().unwrap().run(async {
        // One thread is idle, and one is busy.
        to_thread(|| ()).await;
        call = Some(create_task(to_thread(move || waiting.recv().unwrap_or(()))));
        to_thread(|| ()).await;
    });
    let since = now();
    in_fork(|| drop(runtime.take()));
    assert!(now() - since < Duration::from_secs(2), "it waited for threads that it has not");
    drop(gate);
    runtime.as_mut().unwrap().run(call.unwrap()).unwrap();
}

fn a_loop_runs_inside_the_inherited_one() {
    // One process with a reactor, and one without.
    let mut parent = Parent::new();
    parent.runtime.run(async { in_fork(a_fresh_loop_works) });
    parent.works();
    run(async {
        in_fork(|| assert_eq!(run(async { 42 }), 42));
        in_fork(a_fresh_loop_works);
    });
}

fn a_loop_in_a_loop_is_refused_in_a_child_too() {
    run(async {
        in_fork(|| {
            run(async {
                let nested = catch_unwind(|| run(async {}));
                let payload = nested.expect_err("the loop of the child runs here");
                let message = payload.downcast_ref::<String>().unwrap();
                assert!(message.contains("inside the one that runs on this thread"), "{message}");
            });
        });
    });
}

fn one_loop_too_many_is_an_error() {
    let mut runtimes: Vec<Runtime> = (0..4094).map(|_| Runtime::new().unwrap()).collect();
    let error = Runtime::new().unwrap_err();
    assert_eq!(error.to_string(), "4094 event loops exist already: drop a `Runtime` first");
    let payload = catch_unwind(|| run(async {})).unwrap_err();
    assert!(
        payload.downcast_ref::<String>().unwrap().starts_with("cannot make an event loop: 4094 ")
    );
    assert!(
        runtimes
            .iter_mut()
            .all(|runtime| runtime.run(async { poll_fn(|_| Poll::Ready(true)).await }))
    );
    drop(runtimes.pop());
    run(yield_now());
    drop(runtimes);
    a_fresh_loop_works();
}
