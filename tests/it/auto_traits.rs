//! Which types are `Send`, `Sync` and `Unpin`, as the API promises, and the sizes of the small
//! ones.
//!
//! Types that are not `Send` also have a `compile_fail` example in their documentation, if users
//! may wonder.

use std::cell::Cell;
use std::env;
use std::fs::File;
use std::future::{Ready, ready};
use std::io;
use std::marker::PhantomPinned;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::process;
use std::rc::Rc;
use std::time::Duration;

use oneloop::fs::{
    self, CopyFile, DirEntry, FileLock, MakeTempDir, MakeTempFile, OpenOptions, ReadDir, ReadFile,
    ReadFileToString, ReplaceFile, TempDir, TempFile, WriteFile,
};
use oneloop::io::{AsyncFd, FdCallback, Interest, Stderr, Stdin, Stdout, pipe, stdin, stdout};
use oneloop::net::{
    Batch, BatchIter, ConnectError, Connector, Datagram, Datagrams, Incoming, OwnedReadHalf,
    OwnedWriteHalf, ReadHalf, ReuniteError, SendFileError, SystemResolver, TcpListener,
    TcpListenerBuilder, TcpSocket, TcpStream, UdpSocket, UdpSocketBuilder, UnixDatagram,
    UnixListener, UnixListenerBuilder, UnixStream, WriteHalf, lookup_host,
};
use oneloop::process::{Child, Command, Stdio};
use oneloop::signal::{SignalKind, Signals};
use oneloop::sync::queue::{Fifo, Get, Put, PutError, QueueStream, TryGetError, TryPutError};
use oneloop::sync::{
    Barrier, Borrower, BrokenBarrier, BrokenPromise, CapacityLimiter, CapacityPermit, Condition,
    Event, LifoQueue, Lock, LockGuard, OnceCell, OwnedCapacityPermit, OwnedLockGuard, OwnedPermit,
    Permit, PriorityQueue, Promise, PromiseResolver, PromiseWait, Queue, ReadGuard, Receiver,
    RwLock, Semaphore, Sender, WaitQueue, WaitQueueWait, WriteGuard, broadcast, channel, oneshot,
    watch,
};
use oneloop::task::{
    self, All, AsCompleted, CallHandle, CancelToken, Cancelled, Cleanup, Context, ContextVar,
    DropGuard, FirstCompleted, FirstError, FirstOk, Gather, Group, GroupError, Race, Scope, Shield,
    StaggeredRace, StartError, TaskError, TryGather, YieldNow,
};
use oneloop::thread::{self, Limited, LoopBound, RemoteTask, ToThread};
use oneloop::time::{Interval, MissedTicks, Sleep, Timeout, now};
use oneloop::workers::{OnPanic, Worker, Workers};
use oneloop::{
    CancelOnDrop, CancelReason, Closed, Handle, Interrupted, JoinError, Runtime, Task, TaskKey,
    TaskRef, TaskSet, TimeoutError, Turn, Unhandled, UnhandledKind, signal, testing,
};

fn assert_send<T: Send + ?Sized>() {}
fn assert_sync<T: Sync + ?Sized>() {}
fn assert_unpin<T: Unpin + ?Sized>() {}

fn assert_all<T: Send + Sync + Unpin>() {
    assert_send::<T>();
    assert_sync::<T>();
    assert_unpin::<T>();
}

/// For futures without a name.
fn assert_send_value<T: Send>(value: T) {
    drop(value);
}

fn assert_unpin_value<T: Unpin>(_: &T) {}

/// Compiles only if the types are not `Send`. Otherwise two traits would apply.
macro_rules! assert_not_send {
    ($($name:ty),* $(,)?) => {{
        trait Either<Case> {
            fn choose() {}
        }
        impl<T: ?Sized> Either<()> for T {}
        impl<T: ?Sized + Send> Either<u8> for T {}
        $(<$name as Either<_>>::choose();)*
    }};
}

/// Is not `Send`, like many outputs of tasks.
type Local = Rc<Cell<u8>>;

// Comes after the macro, which it uses.
mod streams;

#[test]
fn handles_are_send_and_sync_whatever_the_task_is() {
    assert_all::<Task<()>>();
    assert_all::<Task<Local>>();
    assert_all::<CancelOnDrop<Local>>();
    assert_all::<TaskSet<Local>>();
    assert_all::<task::Wait<'_, Local>>();
    assert_all::<CallHandle>();
    assert_all::<TaskRef>();
    assert_all::<TaskKey>();
    assert_all::<Handle>();
}

#[test]
fn what_goes_between_threads_is_send_and_sync_where_values_are_send() {
    assert_all::<ToThread<Cell<u8>>>();
    assert_all::<RemoteTask<Cell<u8>>>();
    assert_all::<LoopBound<Local>>();
    assert_all::<thread::Sender<Cell<u8>>>();
    assert_send::<thread::channel::Sending<'_, Cell<u8>>>();
    assert_all::<thread::CallCancelled>();
    assert_send::<thread::Receiver<Cell<u8>>>();
    assert_send::<thread::channel::Recv<'_, Cell<u8>>>();
    assert_unpin::<ToThread<PhantomPinned>>();
    assert_unpin::<RemoteTask<PhantomPinned>>();
    assert_unpin::<thread::Receiver<PhantomPinned>>();
    assert_unpin::<thread::channel::Sending<'_, PhantomPinned>>();
    // The limiter is local.
    assert_not_send!(Limited<u8>);
    assert_unpin::<Limited<PhantomPinned>>();
}

#[test]
fn sockets_are_send_and_sync() {
    assert_all::<TcpStream>();
    assert_all::<TcpSocket>();
    assert_all::<Connector>();
    assert_all::<ConnectError>();
    assert_all::<SendFileError>();
    assert_all::<SystemResolver>();
    assert_all::<UdpSocket>();
    assert_all::<UdpSocketBuilder>();
    assert_all::<Datagrams<'_>>();
    assert_all::<Datagram<'_>>();
    assert_all::<Batch>();
    assert_all::<BatchIter<'_>>();
    assert_all::<TcpListener>();
    assert_all::<TcpListenerBuilder>();
    assert_all::<ReadHalf<'_>>();
    assert_all::<WriteHalf<'_>>();
    assert_all::<OwnedReadHalf>();
    assert_all::<OwnedWriteHalf>();
    assert_all::<Incoming<'_>>();
    assert_all::<ReuniteError>();
    assert_all::<UnixStream>();
    assert_all::<UnixListener>();
    assert_all::<UnixListenerBuilder>();
    assert_all::<UnixDatagram>();
    assert_all::<ReadHalf<'_, UnixStream>>();
    assert_all::<WriteHalf<'_, UnixStream>>();
    assert_all::<OwnedReadHalf<UnixStream>>();
    assert_all::<OwnedWriteHalf<UnixStream>>();
    assert_all::<Incoming<'_, UnixListener>>();
}

#[test]
fn pipes_are_send_and_sync() {
    assert_all::<pipe::Sender>();
    assert_all::<pipe::Receiver>();
}

async fn with_child(mut child: Child) -> io::Result<()> {
    child.wait().await?;
    child.communicate("input").await?;
    child.wait_with_output().await.map(drop)
}

#[test]
fn children_and_listeners_for_signals_are_send_and_sync() {
    assert_all::<(Signals, Child, Command, Stdio)>();
    assert_send_value(Command::new("true").output());
    assert_send_value(Command::new("true").status());
    oneloop::run(async {
        let child = Command::new("true").spawn().unwrap();
        assert_send_value(with_child(child));
    });
}

#[test]
fn descriptors_are_send_and_sync_if_what_holds_them_is() {
    assert_all::<AsyncFd<OwnedFd>>();
    assert_all::<AsyncFd<BorrowedFd<'_>>>();
    assert_not_send!(AsyncFd<Rc<OwnedFd>>);
    assert_all::<Interest>();
    assert_all::<FdCallback>();
}

#[test]
fn standard_input_and_output_are_send_and_sync() {
    assert_all::<Stdin>();
    assert_all::<Stdout>();
    assert_all::<Stderr>();
    let (mut line, mut buf) = (String::new(), Vec::new());
    assert_send_value(stdin().read_line(&mut line));
    assert_send_value(stdin().read_to_end(&mut buf));
    assert_send_value(stdout().write_all(b""));
}

#[test]
fn workers_are_send_and_sync() {
    assert_all::<Worker>();
    assert_all::<OnPanic>();
    assert_send::<Workers>();
    assert_sync::<Workers>();
    oneloop::workers(1)
        .run(async |worker| {
            assert_send_value(worker.stopping());
            assert_send_value(worker.listen("127.0.0.1:0"));
        })
        .unwrap();
}

#[test]
fn files_and_their_futures_are_send_and_sync() {
    assert_all::<fs::File>();
    assert_all::<FileLock>();
    assert_all::<OpenOptions>();
    assert_all::<DirEntry>();
    assert_all::<ReadDir>();
    assert_all::<TempDir>();
    assert_all::<TempFile>();
    assert_all::<MakeTempDir>();
    assert_all::<MakeTempFile>();
    assert_all::<ReadFile>();
    assert_all::<ReadFileToString>();
    assert_all::<WriteFile<&[u8]>>();
    assert_all::<ReplaceFile<String>>();
    assert_all::<CopyFile>();
    // Auto traits follow the contents.
    assert_not_send!(WriteFile<Rc<[u8]>>, ReplaceFile<Rc<[u8]>>);
    let local = Local::default();
    let read = fs::read("/dev/null").progress(|_, _| local.set(1));
    assert_unpin_value(&read);
    assert_send_value(async { with_file(fs::File::open("/dev/null").await?).await?.close().await });
    assert_send_value(fs::File::options().read(true).open("/dev/null"));
    assert_send_value(async { fs::read_dir("/").await?.next().await.transpose() });
    assert_send_value(fs::metadata("/"));
    assert_send_value(fs::rename("a", "b"));
    assert_send_value(fs::remove_dir_all("a"));
}

/// Its futures, as the body of one.
async fn with_file(file: fs::File) -> io::Result<fs::File> {
    let mut buf = [0; 4];
    file.read(&mut buf).await?;
    file.read_exact(&mut buf).await?;
    file.read_to_end(&mut Vec::new()).await?;
    file.read_to_string(&mut String::new()).await?;
    file.read_at(&mut buf, 0).await?;
    file.write(&buf).await?;
    file.write_all(&buf).await?;
    file.write_all_at(&buf, 0).await?;
    file.seek(io::SeekFrom::Start(0)).await?;
    file.sync_all().await?;
    file.metadata().await?;
    drop(file.lock().await?);
    Ok(fs::File::from_std(file.try_clone().await?.into_std().await?))
}

#[test]
fn timers_are_send_and_sync() {
    assert_all::<Sleep>();
    assert_all::<Interval>();
    assert_all::<MissedTicks>();
    assert_all::<YieldNow>();
}

#[test]
fn errors_and_plain_data_are_send_and_sync() {
    assert_all::<JoinError>();
    assert_all::<GroupError<io::Error>>();
    assert_all::<TaskError<io::Error>>();
    assert_all::<StartError<io::Error>>();
    assert_all::<TimeoutError>();
    assert_all::<Closed>();
    assert_all::<Interrupted>();
    assert_all::<SignalKind>();
    assert_all::<CancelReason>();
    assert_all::<UnhandledKind>();
    assert_all::<Turn>();
    assert_all::<FirstCompleted>();
    assert_all::<FirstError>();
    assert_all::<All>();
    // It holds the error, which may be local to its thread.
    assert_unpin::<Unhandled>();
    // A builder holds a context, which stays on its thread.
    assert_unpin::<task::Builder>();
}

#[test]
fn tokens_and_variables_may_be_used_from_all_threads() {
    assert_all::<CancelToken>();
    assert_all::<Cancelled>();
    assert_all::<DropGuard>();
    // A variable is a `static`, regardless of its values.
    assert_all::<ContextVar<Local>>();
    let token = CancelToken::new();
    assert_send_value(token.run_until_cancelled(oneloop::sleep(Duration::ZERO)));
}

#[test]
fn what_holds_futures_is_send_when_they_are() {
    assert_all::<Timeout<Sleep>>();
    assert_all::<Timeout<Task<Local>>>();
    assert_all::<Gather<Sleep>>();
    // It holds the outputs of futures that have ended, so these count too.
    assert_all::<Gather<Task<String>>>();
    assert_all::<TryGather<Ready<io::Result<u8>>>>();
    assert_all::<AsCompleted<Task<Local>>>();
    assert_all::<Race<Task<Local>>>();
    // They hold the errors of futures that have failed.
    assert_all::<FirstOk<Task<Local>>>();
    assert_all::<StaggeredRace<Ready<io::Result<u8>>>>();
    assert_send_value(oneloop::gather!(oneloop::sleep(Duration::ZERO), async { 1 }));
    assert_send_value(oneloop::try_gather!(ready(io::Result::Ok(1)), ready(io::Result::Ok("x"))));
    assert_send_value(oneloop::timeout(Duration::ZERO, async { oneloop::yield_now().await }));
    assert_send_value(oneloop::move_on_after(Duration::ZERO, oneloop::sleep(Duration::ZERO)));
    assert_send_value(oneloop::move_on_at(now(), oneloop::sleep(Duration::ZERO)));
    assert_send_value(oneloop::gather([async { oneloop::sleep(Duration::ZERO).await }]));
    assert_not_send!(Timeout<Ready<Local>>, Gather<Ready<Local>>, Race<Ready<Local>>);
    assert_not_send!(AsCompleted<Ready<Local>>, FirstOk<Ready<Result<Local, u8>>>);
}

#[test]
fn what_cleans_is_send_when_what_it_guards_is() {
    assert_all::<Cleanup<String>>();
    assert_not_send!(Cleanup<Local>);
    assert_all::<Shield<Sleep>>();
    assert_not_send!(Shield<Ready<Local>>);
    assert_send_value(oneloop::shield(async { oneloop::yield_now().await }));
    // The function of a guard is in the loop, so it does not count.
    assert_send_value(async {
        let local = Local::default();
        let guard = oneloop::with_cleanup(1, async move |_| drop(local));
        oneloop::yield_now().await;
        drop(guard);
    });
}

#[test]
fn what_waits_for_the_first_is_send_when_its_members_are() {
    let mut outputs = oneloop::as_completed([async { oneloop::yield_now().await }]);
    assert_send_value(outputs.next());
    let mut set: TaskSet<Local> = TaskSet::new();
    assert_send_value(set.next());
    assert_send_value(set.cancel_and_wait(Duration::from_secs(5)));
    let mut tasks: Vec<Task<Local>> = Vec::new();
    assert_send_value(oneloop::wait(&mut tasks, FirstCompleted));
    assert_send_value(async {
        oneloop::select! {
            random;
            () = oneloop::sleep(Duration::ZERO) => {}
            () = oneloop::yield_now() => {}
        }
    });
    assert_send_value(async {
        let mut task = oneloop::create_task(async { Local::default() });
        oneloop::select! {
            // The outputs are not `Send`, but they are dropped before the handler waits.
            output = &mut task => drop(output),
            () = oneloop::sleep(Duration::ZERO), if true => oneloop::yield_now().await,
            else => {}
        }
    });
}

#[test]
fn gatherings_of_local_futures_are_unpin_too() {
    fn unpin<T: Unpin>(value: T) {
        drop(value);
    }
    let local: Local = Rc::default();
    unpin(oneloop::gather([async { drop(local) }]));
    unpin(oneloop::try_gather([async { Ok::<Local, io::Error>(Rc::default()) }]));
}

#[test]
fn futures_of_sockets_are_send() {
    async fn with_stream(stream: TcpStream) -> io::Result<()> {
        let mut buf = [0; 4];
        stream.read(&mut buf).await?;
        stream.read_exact(&mut buf).await?;
        stream.peek(&mut buf).await?;
        stream.readable().await?;
        stream.write(&buf).await?;
        stream.write_all(&buf).await?;
        stream.writable().await?;
        stream.write_vectored(&[io::IoSlice::new(b"")]).await?;
        stream.read_vectored(&mut [io::IoSliceMut::new(&mut buf)]).await?;
        let (mut read, mut write) = stream.split();
        read.read(&mut buf).await?;
        write.write_all(&buf).await?;
        let (mut read, mut write) = stream.into_split();
        read.read_exact(&mut buf).await?;
        write.write(&buf).await?;
        Ok(())
    }
    async fn with_listener(listener: TcpListener) -> io::Result<()> {
        listener.accept().await?;
        if let Some(stream) = listener.incoming().next().await {
            drop(stream?);
        }
        Ok(())
    }
    oneloop::run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        assert_send_value(with_stream(
            TcpStream::connect(listener.local_addr().unwrap()).await.unwrap(),
        ));
        assert_send_value(with_listener(listener));
    });
    let addr = SocketAddr::from(([127, 0, 0, 1], 0));
    assert_send_value(TcpStream::connect(addr));
    assert_send_value(TcpStream::connect("localhost:0"));
    assert_send_value(TcpStream::connect(("localhost", 0)));
    assert_send_value(TcpListener::bind("localhost:0"));
    assert_send_value(TcpListener::builder().bind(addr));
    assert_send_value(TcpStream::connector().connect("localhost:0"));
    assert_send_value(async move { TcpSocket::new_v4()?.connect(addr).await });
    assert_send_value(lookup_host("localhost:0"));
    assert_send_value(UdpSocket::bind("localhost:0"));
    assert_send_value(UdpSocket::builder().connect("localhost:0"));
}

#[test]
fn futures_of_datagrams_and_files_are_send() {
    async fn with_socket(socket: UdpSocket) -> io::Result<()> {
        let mut buf = [0; 4];
        socket.connect("localhost:0").await?;
        socket.recv_from(&mut buf).await?;
        socket.recv(&mut buf).await?;
        socket.peek_from(&mut buf).await?;
        socket.peek(&mut buf).await?;
        socket.readable().await?;
        socket.send_to(&buf, "localhost:0").await?;
        socket.send(&buf).await?;
        socket.writable().await?;
        socket.recv_with(|_| Ok(())).await?;
        socket.send_with(|_| Ok(())).await?;
        let mut batch = Batch::new(1, 1);
        socket.recv_batch(&mut batch).await?;
        socket.send_batch(&batch.iter().collect::<Vec<_>>()).await?;
        drop(socket.datagrams().next().await);
        Ok(())
    }
    async fn with_file(stream: TcpStream, file: File) -> io::Result<u64> {
        stream.send_file(&file, ..).await
    }
    assert_send_value(async { with_socket(UdpSocket::bind("localhost:0").await?).await });
    assert_send_value(async {
        with_file(TcpStream::connect("localhost:0").await?, File::open("x")?).await
    });
}

#[test]
fn futures_of_unix_sockets_are_send() {
    async fn with_sockets(stream: UnixStream, socket: UnixDatagram) -> io::Result<()> {
        let mut buf = [0; 4];
        stream.read(&mut buf).await?;
        stream.read_exact(&mut buf).await?;
        stream.write_all(&buf).await?;
        stream.writable().await?;
        let (mut read, mut write) = stream.into_split();
        read.read_exact(&mut buf).await?;
        write.write(&buf).await?;
        socket.recv_from(&mut buf).await?;
        socket.send(&buf).await?;
        socket.send_to(&buf, "no such path").await?;
        Ok(())
    }
    async fn with_listener(listener: UnixListener) -> io::Result<()> {
        listener.accept().await?;
        if let Some(stream) = listener.incoming().next().await {
            drop(stream?);
        }
        Ok(())
    }
    oneloop::run(async {
        let (stream, _other) = UnixStream::pair().unwrap();
        assert_send_value(with_sockets(stream, UnixDatagram::unbound().unwrap()));
        let path = env::temp_dir().join(format!("oneloop-send-{}", process::id()));
        assert_send_value(with_listener(UnixListener::bind(path).unwrap()));
    });
    assert_send_value(UnixStream::connect("no such path"));
}

#[test]
fn other_futures_are_send() {
    assert_send_value(signal::ctrl_c());
    assert_send_value(signal::shutdown());
    assert_send_value(async {
        let mut signals = signal::signal(SignalKind::SIGHUP)?;
        signals.recv().await
    });
    assert_send_value(async {
        let task = oneloop::create_task(async { Local::default() });
        drop(task.cancel_and_wait(Duration::ZERO).await);
    });
    assert_send_value(testing::advance(Duration::ZERO));
    let mut interval = oneloop::interval(Duration::from_secs(1));
    assert_send_value(interval.tick());
    // A program's own futures, as in an axum handler.
    assert_send_value(async {
        let task = oneloop::create_task(async { Local::default() });
        oneloop::sleep(Duration::ZERO).await;
        task.await.is_ok()
    });
}

#[test]
fn what_tasks_share_stays_on_its_thread() {
    assert_not_send!(WaitQueue, WaitQueueWait<'_>, Event, Condition, Barrier, OnceCell<u8>);
    assert_not_send!(Lock<u8>, LockGuard<'_, u8>, OwnedLockGuard<u8>);
    assert_not_send!(RwLock<u8>, ReadGuard<'_, u8>, WriteGuard<'_, u8>);
    assert_not_send!(Semaphore, Permit<'_>, OwnedPermit);
    assert_not_send!(CapacityLimiter, CapacityPermit<'_>, OwnedCapacityPermit, Borrower);
    assert_unpin::<WaitQueueWait<'_>>();
    assert_all::<BrokenBarrier>();
}

#[test]
fn groups_and_contexts_stay_on_their_thread() {
    assert_not_send!(Group<'_, io::Error>, task::Ready<u8>);
    // They hold the values of context variables.
    assert_not_send!(Context, Scope<Sleep>, task::Builder);
    assert_not_send!(Runtime, oneloop::Builder);
}

#[test]
fn queues_and_channels_stay_on_their_thread() {
    assert_not_send!(Queue<u8>, LifoQueue<u8>, PriorityQueue<u8>);
    assert_not_send!(Put<'_, u8, Fifo<u8>>, Get<'_, u8, Fifo<u8>>, QueueStream<'_, u8, Fifo<u8>>);
    assert_not_send!(Sender<u8>, Receiver<u8>, channel::Sending<'_, u8>, channel::Recv<'_, u8>);
    assert_not_send!(oneshot::Sender<u8>, oneshot::Receiver<u8>);
    assert_not_send!(broadcast::Sender<u8>, broadcast::Receiver<u8>, broadcast::Recv<'_, u8>);
    assert_not_send!(watch::Sender<u8>, watch::Receiver<u8>, watch::Ref<u8>);
    assert_not_send!(PromiseResolver<u8>, Promise<u8>, PromiseWait<'_, u8>);
}

#[test]
fn futures_of_queues_and_channels_are_unpin_whatever_the_item_is() {
    assert_unpin::<Put<'_, PhantomPinned, Fifo<PhantomPinned>>>();
    assert_unpin::<Get<'_, PhantomPinned, Fifo<PhantomPinned>>>();
    assert_unpin::<channel::Sending<'_, PhantomPinned>>();
    assert_unpin::<channel::Recv<'_, PhantomPinned>>();
    assert_unpin::<oneshot::Receiver<PhantomPinned>>();
    assert_unpin::<broadcast::Recv<'_, PhantomPinned>>();
    assert_unpin::<PromiseWait<'_, PhantomPinned>>();
}

#[test]
fn errors_of_channels_are_send_and_sync_as_their_items_are() {
    assert_all::<PutError<u8>>();
    assert_all::<TryPutError<u8>>();
    assert_all::<TryGetError>();
    assert_all::<channel::SendError<u8>>();
    assert_all::<channel::TrySendError<u8>>();
    assert_all::<channel::TryRecvError>();
    assert_all::<channel::Statistics>();
    assert_all::<oneshot::RecvError>();
    assert_all::<broadcast::RecvError>();
    assert_all::<broadcast::TryRecvError>();
    assert_all::<BrokenPromise>();
}

#[test]
fn small_types_are_small() {
    assert_eq!(size_of::<Task<String>>(), 12);
    assert_eq!(size_of::<CancelOnDrop<String>>(), 12);
    assert_eq!(size_of::<CallHandle>(), 12);
    assert_eq!(size_of::<Sleep>(), 16);
    assert_eq!(size_of::<Timeout<Sleep>>(), 40);
    assert_eq!(size_of::<JoinError>(), size_of::<usize>());
    assert_eq!(size_of::<Handle>(), 8);
    assert_eq!(size_of::<TaskRef>(), 20_usize.next_multiple_of(align_of::<u64>()));
    // In debug builds, mio adds a word.
    assert!(size_of::<TcpStream>() <= 48, "{}", size_of::<TcpStream>());
    assert!(size_of::<Runtime>() <= 512, "{}", size_of::<Runtime>());
}
