//! asyncio for Rust: a complete single-threaded async runtime.
//!
//! A program has one thread and one event loop. Futures need not be `Send`, so tasks share state
//! through `Rc` and `Cell`, without locks. Names and behaviour follow Python's [asyncio], in Rust's
//! form: [the table](#from-asyncio) shows the most common ones, and [`docs::asyncio`] all of them.
//!
//! This page is a tour. Every example on it is run as a test.
//!
//! # Running
//!
//! [`run`] makes an event loop, runs one future on it to completion, and returns its output:
//!
//! ```
//! use std::time::Duration;
//!
//! async fn answer() -> u32 {
//!     oneloop::sleep(Duration::from_millis(1)).await;
//!     42
//! }
//!
//! assert_eq!(oneloop::run(answer()), 42);
//! ```
//!
//! `#[oneloop::main]` wraps an `async fn main` in such a call, and `#[oneloop::test]` wraps a test.
//! Under `#[oneloop::main]`, Ctrl-C cancels main, as in asyncio: cleanups run, and then the signal
//! ends the process.
//!
//! ```
//! # #[cfg(feature = "macros")]
//! #[oneloop::main]
//! async fn main() -> std::io::Result<()> {
//!     oneloop::yield_now().await;
//!     Ok(())
//! }
//! # #[cfg(not(feature = "macros"))]
//! # fn main() {}
//! ```
//!
//! [`Builder`] sets the options of a loop. A [`Runtime`] is a loop that can be run more than once.
//!
//! # Tasks
//!
//! A future does nothing until it is awaited. [`create_task`] hands it to the loop, which polls it
//! alongside everything else, and returns its handle, a [`Task`]:
//!
//! ```
//! use std::cell::Cell;
//! use std::rc::Rc;
//!
//! oneloop::run(async {
//!     let count = Rc::new(Cell::new(0));
//!     let tasks: Vec<_> = (1..=3)
//!         .map(|n| {
//!             let count = Rc::clone(&count);
//!             oneloop::create_task(async move { count.set(count.get() + n) })
//!         })
//!         .collect();
//!     assert_eq!(count.get(), 0, "the caller goes on first");
//!     for task in tasks {
//!         task.await.unwrap();
//!     }
//!     assert_eq!(count.get(), 6);
//! });
//! ```
//!
//! Nothing else runs between two `await`s, so state that is consistent there needs no lock. The
//! price is that a task that computes for a long time holds up all others. [`yield_now`] lets them
//! run. The loop logs a warning when it is held up for more than 100 ms.
//!
//! Dropping the handle does not stop the task. [`Task::detach`] does the same explicitly, and an
//! error of the task is then reported. When the future given to [`run`] is ready, the remaining
//! tasks are cancelled.
//!
//! # Cancellation
//!
//! [`Task::cancel`] asks a task to stop: the loop drops its future, in the task's own turn, and
//! awaiting the task gives a [`JoinError`]. Code that must run at the end goes into `drop`, even
//! where Python has `finally` and `with`:
//!
//! ```
//! struct Connection;
//!
//! impl Drop for Connection {
//!     fn drop(&mut self) {
//!         assert_eq!(oneloop::current_task().unwrap().name(), "reader");
//!     }
//! }
//!
//! oneloop::run(async {
//!     let reader = oneloop::create_task(async {
//!         let _connection = Connection;
//!         std::future::pending::<()>().await;
//!     });
//!     let reader = reader.named("reader");
//!     oneloop::yield_now().await; // it starts, and waits
//!
//!     assert!(reader.cancel());
//!     let error = reader.await.unwrap_err();
//!     assert!(error.is_cancelled());
//!     assert_eq!(error.to_string(), "task `reader` was cancelled by request");
//! });
//! ```
//!
//! A future that is not a task is cancelled by dropping it, which is what [`timeout`] does. The
//! functions of this crate say under "Cancel safety" what such a drop loses.
//! [`Task::cancel_on_drop`] makes a task stop when its handle is dropped. A [`CancelToken`] is one
//! switch for many tasks: it can be passed around, and has children and a deadline.
//!
//! Code that must *await* something at the end goes into [`with_cleanup`]. However its guard is
//! dropped, the cleanup runs to its end and no cancel reaches it. An await of the task, the
//! timeout, the group or [`run`] resumes only after it. A [`shield`] lets a future go on without
//! anything waiting for it.
//!
//! ```
//! use oneloop::net::TcpStream;
//! use std::io;
//!
//! async fn session(stream: TcpStream) -> io::Result<()> {
//!     let stream = oneloop::with_cleanup(stream, async |stream| stream.write_all(b"bye\n").await);
//!     loop {
//!         let mut buf = [0; 1024];
//!         let len = stream.read(&mut buf).await?; // an error, a cancel, a timeout: the peer gets its "bye"
//!         stream.write_all(&buf[..len]).await?;
//!     }
//! }
//! ```
//!
//! # Task groups
//!
//! [`task_group`] runs tasks that end before it does. They may therefore borrow, and nothing is
//! lost: the first error or panic cancels the others and the body, and all errors come back
//! together, each with the name and place of its task.
//!
//! ```
//! use std::cell::Cell;
//! use std::io;
//!
//! async fn fetch(url: &str) -> io::Result<usize> {
//!     oneloop::yield_now().await;
//!     if url.is_empty() { Err(io::Error::other("no such page")) } else { Ok(url.len()) }
//! }
//!
//! async fn total(urls: &[&str]) -> Result<usize, oneloop::GroupError<io::Error>> {
//!     let total = Cell::new(0);
//!     oneloop::task_group(async |group| -> io::Result<()> {
//!         for url in urls {
//!             group.create_task(async {
//!                 let len = fetch(url).await?;
//!                 total.set(total.get() + len);
//!                 Ok(())
//!             });
//!         }
//!         Ok(())
//!     })
//!     .await?;
//!     Ok(total.get())
//! }
//!
//! oneloop::run(async {
//!     assert_eq!(total(&["a", "bc"]).await.unwrap(), 3);
//!     let error = total(&["a", ""]).await.unwrap_err();
//!     assert_eq!(error.first().error().to_string(), "no such page");
//! });
//! ```
//!
//! [`Group::start`] waits until a child is ready, and [`Group::set_limit`] bounds how many run at
//! once. A [`TaskSet`] is a group that lives in a struct: it returns results as they come, and
//! cancels the remaining tasks when it is dropped.
//!
//! # Several at once
//!
//! [`gather!`] runs a few futures of any types to completion. [`try_gather!`] stops at the first
//! error and drops the rest. The functions [`gather`](fn@gather) and [`try_gather`](fn@try_gather)
//! take a list of futures of one type, and optionally a limit. Each member is polled only after it
//! was woken. The futures run inside the task that awaits them, so they may borrow:
//!
//! ```
//! use std::time::Duration;
//!
//! async fn fetch(name: &str) -> usize {
//!     oneloop::sleep(Duration::from_millis(1)).await;
//!     name.len()
//! }
//!
//! oneloop::run(async {
//!     let names = vec!["apples".to_owned(), "figs".to_owned(), "limes".to_owned()];
//!
//!     let (first, last) = oneloop::gather!(fetch(&names[0]), fetch(&names[2])).await;
//!     assert_eq!((first, last), (6, 5));
//!
//!     let all = oneloop::gather(names.iter().map(|name| fetch(name))).limit(2).await;
//!     assert_eq!(all, [6, 4, 5]);
//! });
//! ```
//!
//! # One of several
//!
//! [`select!`] awaits a few futures until the first is ready, and drops the others before it runs
//! the handler of that one:
//!
//! ```
//! use oneloop::{Event, Queue};
//! use std::time::Duration;
//!
//! async fn work(queue: &Queue<u32>, stop: &Event) -> u32 {
//!     let mut sum = 0;
//!     loop {
//!         oneloop::select! {
//!             Some(item) = queue.get() => {
//!                 sum += item;
//!                 queue.task_done();
//!             }
//!             () = stop.wait() => return sum,
//!             () = oneloop::sleep(Duration::from_secs(60)) => println!("nothing for a minute"),
//!         }
//!     }
//! }
//!
//! oneloop::run(async {
//!     let (queue, stop) = (Queue::new(8), Event::new());
//!     let feed = async {
//!         for item in 1..=3 {
//!             queue.put(item).await.unwrap();
//!         }
//!         queue.join().await;
//!         stop.set();
//!     };
//!     let (sum, ()) = oneloop::gather!(work(&queue, &stop), feed).await;
//!     assert_eq!(sum, 6);
//! });
//! ```
//!
//! [`race`] does the same for a list, [`first_ok`] waits for the first success, and
//! [`staggered_race`] starts the futures one after the other. [`as_completed`] yields all outputs
//! as they become ready. [`wait`] takes the finished tasks out of a list, and leaves the others.
//!
//! # Locks, queues, channels
//!
//! The module [`sync`] contains what tasks of one loop need to wait for each other: queues and
//! channels, events and conditions, semaphores, barriers. Locks are rarely needed: between two
//! `await`s nothing else runs.
//!
//! A [`ContextVar`] is a global variable with a value for each task, such as the number of the
//! request that it serves. A task inherits the values of its creator.
//!
//! # Time
//!
//! [`sleep`] and [`sleep_until`] wait, [`timeout`] drops a future that is not ready in time, and
//! [`interval`] ticks. None of them is ever early. [`wait_for`] is `timeout` with the arguments in
//! asyncio's order.
//!
//! ```
//! use std::time::Duration;
//!
//! oneloop::run(async {
//!     let slow = oneloop::sleep(Duration::from_secs(60));
//!     let error = oneloop::timeout(Duration::from_millis(1), slow).await.unwrap_err();
//!     assert_eq!(std::io::Error::from(error).kind(), std::io::ErrorKind::TimedOut);
//! });
//! ```
//!
//! [`move_on_after`] is a `timeout` that is not an error, and [`deadline`] tells the code inside
//! how much time it has. The module [`time`] has the rest, such as [`time::now`], the loop's clock.
//!
//! # Streams and servers
//!
//! [`start_server`] runs a function for each connection, in a task of its own. [`open_connection`]
//! makes a connection. Both provide a [`StreamReader`], which reads lines and messages, and a
//! [`StreamWriter`], whose writes need not be awaited.
//!
//! ```
//! use oneloop::{StreamReader, StreamWriter};
//! use std::time::Duration;
//!
//! async fn echo(mut reader: StreamReader, mut writer: StreamWriter) -> std::io::Result<()> {
//!     loop {
//!         match reader.readline().await? {
//!             b"" => return Ok(()), // the end
//!             line => writer.write(line),
//!         }
//!         writer.drain().await?; // not faster than the peer reads
//!     }
//! }
//!
//! oneloop::run(async {
//!     let server = oneloop::start_server(echo, "127.0.0.1:0").await?;
//!
//!     let (mut reader, mut writer) = oneloop::open_connection(server.local_addrs()[0]).await?;
//!     writer.write("hello\n");
//!     assert_eq!(reader.readline().await?, b"hello\n");
//!     writer.write_eof();
//!
//!     server.shutdown(Duration::from_secs(5)).await;
//!     std::io::Result::Ok(())
//! })?;
//! # std::io::Result::Ok(())
//! ```
//!
//! An error of a handler is reported with the address of the peer, and ends only that connection.
//!
//! # Sockets
//!
//! Streams and servers are built on [`net::TcpListener`] and [`net::TcpStream`]. Their methods are
//! inherent, so no trait has to be imported, and take `&self`, so one task may read while another
//! writes:
//!
//! ```
//! use oneloop::net::{TcpListener, TcpStream};
//!
//! oneloop::run(async {
//!     let listener = TcpListener::bind("127.0.0.1:0").await?;
//!     let client = TcpStream::connect(listener.local_addr()?).await?;
//!     let (server, _addr) = listener.accept().await?;
//!
//!     client.write_all(b"hello").await?;
//!     let mut buf = [0; 5];
//!     server.read_exact(&mut buf).await?;
//!     assert_eq!(&buf, b"hello");
//!     std::io::Result::Ok(())
//! })?;
//! # std::io::Result::Ok(())
//! ```
//!
//! [`net`] also has UDP and Unix sockets, socket options, and host names, which are looked up on
//! other threads. For code that is generic over streams, the sockets implement the traits of
//! futures-io, which [`io`] re-exports. Pipes, the standard streams and any other descriptor are in
//! [`io`].
//!
//! # Files, processes, signals
//!
//! [`fs`] reads and writes files on other threads, in pieces. [`process`] runs programs, and
//! [`signal`] receives signals. Ctrl-C cancels the main future of `#[oneloop::main]` and of
//! [`run_until_ctrl_c`], and its cleanups run.
//!
//! ```
//! use oneloop::{fs, process::Command};
//!
//! oneloop::run(async {
//!     let dir = fs::temp_dir().await?;
//!     fs::write(dir.path().join("fruit"), "figs\napples\n").await?;
//!     let sorted = Command::new("sort").arg("fruit").current_dir(dir.path()).output().await?;
//!     assert_eq!(sorted.stdout, b"apples\nfigs\n");
//!     std::io::Result::Ok(())
//! })?;
//! # std::io::Result::Ok(())
//! ```
//!
//! # Errors and panics
//!
//! Errors are values. An operation that fails gives an [`io::Error`], a time limit a
//! [`TimeoutError`], and a task without output a [`JoinError`]. The last two convert into the
//! first, so `?` works in a function that returns `io::Result`.
//!
//! A panic ends its task and nothing else: it is caught at the task's edge and handed to the code
//! that awaits the task. A panic that no code can see, because the handle is gone, is reported
//! once: through the `log` crate (to standard error if the program has no logger), or by the hook
//! of [`Builder::on_unhandled`]. A panic of the future given to [`run`] continues in the caller of
//! `run`.
//!
//! ```
//! oneloop::run(async {
//!     let numbers: Vec<u32> = Vec::new();
//!     let task = oneloop::create_task(async move { numbers[0] });
//!     let error = task.await.unwrap_err();
//!     assert!(error.is_panic());
//!     assert!(error.to_string().contains("index out of bounds"), "{error}");
//! });
//! ```
//!
//! # Other threads
//!
//! Everything that belongs to a loop stays on its thread. [`to_thread`] moves a call that blocks,
//! or computes for a long time, to another thread, and the loop goes on meanwhile:
//!
//! ```
//! oneloop::run(async {
//!     let sum = oneloop::to_thread(|| (1..=1_000_000_u64).sum::<u64>()).await;
//!     assert_eq!(sum, 500_000_500_000);
//! });
//! ```
//!
//! The way back is a [`Handle`], which any thread may hold. It makes calls, and creates tasks, on
//! its loop. The future that the given function returns need not be `Send`:
//!
//! ```
//! use std::rc::Rc;
//!
//! oneloop::run(async {
//!     let handle = oneloop::Handle::current();
//!     let answer = oneloop::to_thread(move || {
//!         let task = handle.create_task_threadsafe(async || {
//!             let local = Rc::new(41);
//!             oneloop::yield_now().await;
//!             *local + 1
//!         });
//!         task.wait() // blocks this thread, not the loop
//!     });
//!     assert_eq!(answer.await.unwrap(), 42);
//! });
//! ```
//!
//! [`thread::channel`](thread::channel()) sends many items from a thread to a loop. A waker may be
//! used anywhere, so futures that other threads complete work as they do elsewhere. A [`Task`], a
//! socket and a `Sleep` are keys: they are `Send` and `Sync` whatever the task does, may be dropped
//! anywhere, and say so when they are used where their loop does not run. [`thread::LoopBound`]
//! carries an `Rc` value through code that requires `Send`.
//!
//! # More cores
//!
//! [`workers`](workers()) runs a loop on each core. The listeners of all workers share one port,
//! and the kernel spreads the connections over them:
//!
//! ```
//! use oneloop::net::TcpStream;
//!
//! let outputs = oneloop::workers(2).run(async |worker| {
//!     let listener = worker.listen("127.0.0.1:0").await?;
//!     TcpStream::connect(listener.local_addr()?).await?; // one of the two gets it
//!     Ok(worker.index())
//! })?;
//! let indices: std::io::Result<Vec<usize>> = outputs.into_iter().collect();
//! assert_eq!(indices?, [0, 1]);
//! # std::io::Result::Ok(())
//! ```
//!
//! # Inside another loop
//!
//! A host with a loop of its own, such as a GUI or a game, calls [`Runtime::turn`]: at once after
//! [`Turn::Busy`], and otherwise when the deadline of [`Turn::Park`] has come or
//! [`Runtime::reactor_fd`] is readable. A host that is a future polls a [`Guest`]. With the feature
//! `tokio`, `Builder::tokio` and `tokio::guest` do all that for tokio.
//!
//! ```
//! let mut runtime = oneloop::Runtime::new().unwrap();
//! let task = runtime.create_task(async { "done between two frames" });
//! while runtime.turn() == oneloop::Turn::Busy {}
//! assert_eq!(runtime.run(task).unwrap(), "done between two frames");
//! ```
//!
//! # Testing
//!
//! Under [virtual time](Builder::virtual_time) the clock stands still while tasks run, and jumps to
//! the next deadline when all of them wait. Hours pass at once, and in the right order:
//!
//! ```
//! use oneloop::{sleep, testing, time};
//! use std::time::Duration;
//!
//! // `#[oneloop::test(virtual_time)]` is short for this.
//! oneloop::Builder::new().virtual_time(true).run(async {
//!     let start = time::now();
//!     let task = oneloop::create_task(sleep(Duration::from_secs(3600)));
//!     testing::advance(Duration::from_secs(3599)).await;
//!     assert!(!task.is_finished());
//!     task.await.unwrap();
//!     assert_eq!(time::now() - start, Duration::from_secs(3600));
//! });
//! ```
//!
//! # From asyncio
//!
//! | asyncio | oneloop |
//! |---|---|
//! | `asyncio.run(main())` | [`run(main())`](run), `#[oneloop::main]` |
//! | `asyncio.Runner()` | [`Runtime`], with the options of [`Builder`] |
//! | `asyncio.create_task(c)` | [`create_task(f)`](create_task) |
//! | `create_task(c, eager_start=True)` | [`task::Builder::eager`] |
//! | `await task` | `task.await`, a `Result`: the output, or a [`JoinError`] |
//! | `task.cancel()`, `task.done()` | [`Task::cancel`], [`Task::is_finished`] |
//! | `except CancelledError`, `finally` | `drop`; with an `await` in it, [`with_cleanup`] |
//! | `async with asyncio.TaskGroup() as tg` | [`task_group(async \|group\| { .. })`](task_group) |
//! | `ExceptionGroup` | [`GroupError`] |
//! | `asyncio.shield(c)` | [`shield(f)`](shield) |
//! | `asyncio.wait(tasks, return_when=..., timeout=...)` | [`wait(&mut tasks, task::FirstCompleted)`](wait), [`timeout`](task::Wait::timeout) |
//! | `asyncio.Lock`, `Event`, `Condition`, `Semaphore`, `Barrier` | [`Lock`], [`Event`], [`Condition`], [`Semaphore`], [`Barrier`] |
//! | `asyncio.Queue`, `LifoQueue`, `PriorityQueue` | [`Queue`], [`LifoQueue`], [`PriorityQueue`] |
//! | `asyncio.Future` | [`sync::oneshot`], [`sync::promise`] |
//! | `contextvars.ContextVar` | [`ContextVar`] |
//! | `asyncio.current_task()`, `asyncio.all_tasks()` | [`current_task`], [`all_tasks`] |
//! | `asyncio.gather(a, b, return_exceptions=True)` | [`gather!(a, b)`](gather!), [`gather(list)`](fn@gather) |
//! | `asyncio.gather(a, b)` | [`try_gather!(a, b)`](try_gather!), [`try_gather(list)`](fn@try_gather); these drop the rest |
//! | `asyncio.sleep(1)`, `asyncio.sleep(0)` | [`sleep(Duration::from_secs(1))`](sleep), [`yield_now()`](yield_now) |
//! | `async with asyncio.timeout(5): ...` | [`timeout(Duration::from_secs(5), async { .. })`](timeout), which waits for the cleanups of the dropped future |
//! | `asyncio.wait_for(c, 5)` | [`wait_for(f, Duration::from_secs(5))`](wait_for) |
//! | `loop.call_soon(f)`, `loop.call_later(5, f)` | [`call_soon`], [`call_later`] |
//! | `loop.call_soon_threadsafe(f)` | [`Handle::call_soon_threadsafe`] |
//! | `asyncio.open_connection(host, port)` | [`open_connection((host, port))`](open_connection) |
//! | `asyncio.start_server(f, host, port)` | [`start_server(f, (host, port))`](start_server), a [`Server`] |
//! | `StreamReader`, `StreamWriter` | [`StreamReader`], [`StreamWriter`] |
//! | `asyncio.to_thread(f)` | [`to_thread(f)`](to_thread) |
//! | `asyncio.run_coroutine_threadsafe(c, loop)` | [`Handle::create_task_threadsafe`] |
//! | `asyncio.create_subprocess_exec(..)`, `create_subprocess_shell` | [`process::Command`], [`process::Command::shell`] |
//! | `loop.add_reader(fd, f)` | [`io::add_reader`], [`io::AsyncFd`] |
//! | `KeyboardInterrupt` | `#[oneloop::main]` and [`run_until_ctrl_c`], whose `main` is cancelled; [`signal::ctrl_c`] |
//! | `loop.add_signal_handler(n, f)`, `remove_signal_handler` | [`signal::signal(kind)`](signal::signal()), and its drop |
//! | `unittest.IsolatedAsyncioTestCase` | `#[oneloop::test]` |
//!
//! # Names at the root
//!
//! A name at the root of asyncio is at the root of this crate, if oneloop has it: `asyncio.Queue`
//! is `oneloop::Queue`, and `asyncio.to_thread` is `oneloop::to_thread`. The types that these
//! functions return or take are there as well, and so are functions and macros that stand beside
//! asyncio's, such as [`race`], [`select!`] and [`with_cleanup`]. Everything else is only in its
//! module. Each item has one page: in its module if that is public, else here.
//!
//! # Features
//!
//! [`docs::features`] lists the features with their costs: one for each module that not every
//! program needs, all of which are on by default, and others that add dependencies.
//!
//! # Platforms
//!
//! oneloop runs on Unix and needs Rust 1.85 or later. Timers are exact to some tens of microseconds
//! on Linux, and to a millisecond elsewhere.
//!
//! [asyncio]: https://docs.python.org/3/library/asyncio.html
#![cfg_attr(docsrs, feature(doc_cfg))]
// These three features turn on the other modules.
#![cfg_attr(
    not(all(feature = "fs", feature = "process", feature = "workers")),
    allow(dead_code, unreachable_pub, unused_imports, reason = "modules that are off use it"),
    allow(rustdoc::broken_intra_doc_links, reason = "they may point to modules that are off")
)]

mod runtime;
mod sys;

#[cfg(feature = "fs")]
pub mod fs;
#[cfg(feature = "hyper")]
pub mod hyper;
pub mod io;
#[cfg(feature = "net")]
pub mod net;
#[cfg(feature = "process")]
pub mod process;
#[cfg(feature = "signal")]
pub mod signal;
pub mod sync;
pub mod task;
pub mod testing;
#[cfg(feature = "thread")]
pub mod thread;
pub mod time;
#[cfg(feature = "tokio")]
pub mod tokio;
#[cfg(feature = "workers")]
pub mod workers;

// The loop.
#[cfg(feature = "macros")]
pub use oneloop_macros::{main, test};
#[cfg(not(feature = "signal"))]
#[doc(hidden)]
pub use runtime::run_main;
pub use runtime::{Builder, Closed, Guest, Handle, Runtime, Turn, Unhandled, UnhandledKind, run};
#[cfg(feature = "signal")]
#[doc(hidden)]
pub use signal::run_main;
#[cfg(feature = "signal")]
#[doc(no_inline)]
pub use signal::{Interrupted, run_until_ctrl_c};

// Tasks.
#[doc(no_inline)]
pub use task::{
    CancelOnDrop, CancelReason, CancelToken, Cleanup, CleanupError, ContextVar, Group, GroupError,
    JoinError, Task, TaskKey, TaskRef, TaskSet, all_tasks, as_completed, call_later, call_soon,
    create_task, current_task, first_ok, gather, race, shield, staggered_race, task_group,
    try_gather, wait, with_cleanup, yield_now,
};

// Locks and queues.
#[doc(no_inline)]
pub use sync::{Barrier, Condition, Event, LifoQueue, Lock, PriorityQueue, Queue, Semaphore};

// Connections.
#[doc(no_inline)]
pub use io::{StreamReader, StreamWriter};
#[cfg(feature = "net")]
#[doc(no_inline)]
pub use net::{Server, open_connection, open_unix_connection, start_server, start_unix_server};

// Time.
#[doc(no_inline)]
pub use time::{
    TimeoutError, deadline, interval, move_on_after, move_on_at, sleep, sleep_until, timeout,
    timeout_at, wait_for,
};

// Threads and cores.
#[cfg(feature = "thread")]
#[doc(no_inline)]
pub use thread::to_thread;
#[cfg(feature = "workers")]
#[doc(no_inline)]
pub use workers::workers;

#[cfg(any(doc, doctest))]
pub mod docs;
