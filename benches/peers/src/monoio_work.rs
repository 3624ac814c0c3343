//! monoio, on epoll and on `io_uring`.

use std::{
    cell::RefCell,
    future::poll_fn,
    io, mem,
    task::{Poll, Waker},
    time::Duration,
};

use monoio::{
    IoUringDriver, LegacyDriver, RuntimeBuilder,
    io::{AsyncReadRent, AsyncWriteRentExt},
    net::{TcpListener, TcpStream},
    time::sleep,
};

use crate::{
    echo::{BUFFER_SIZE, address, announce},
    works::Runtime,
};

#[derive(Clone)]
pub struct MonoioEpoll;

impl Runtime for MonoioEpoll {
    fn run<F: Future>(main: impl FnOnce(Self) -> F) -> F::Output {
        let builder = RuntimeBuilder::<LegacyDriver>::new().enable_timer();
        builder.build().expect("monoio starts").block_on(main(Self))
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) -> impl Future {
        monoio::spawn(task)
    }

    fn spawn_detached(&self, task: impl Future<Output = ()> + 'static) {
        drop(monoio::spawn(task));
    }

    fn yield_now() -> impl Future {
        yield_now()
    }

    fn yield_alone() -> impl Future {
        wake_self()
    }

    fn sleep(duration: Duration) -> impl Future {
        sleep(duration)
    }
}

#[derive(Clone)]
pub struct MonoioUring;

impl Runtime for MonoioUring {
    fn run<F: Future>(main: impl FnOnce(Self) -> F) -> F::Output {
        let builder = RuntimeBuilder::<IoUringDriver>::new().enable_timer();
        builder.build().expect("monoio starts").block_on(main(Self))
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) -> impl Future {
        monoio::spawn(task)
    }

    fn spawn_detached(&self, task: impl Future<Output = ()> + 'static) {
        drop(monoio::spawn(task));
    }

    fn yield_now() -> impl Future {
        yield_now()
    }

    fn yield_alone() -> impl Future {
        wake_self()
    }

    fn sleep(duration: Duration) -> impl Future {
        sleep(duration)
    }
}

/// The counterpart of the other runtimes' `yield_now`. It runs this task again at once, because
/// monoio puts a task that wakes itself at the front of the queue.
async fn wake_self() {
    let mut yielded = false;
    poll_fn(|cx| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

thread_local! {
    static YIELDED: RefCell<Vec<Waker>> = RefCell::default();
}

/// Lets the other tasks run, which monoio itself cannot do: all tasks that yield in a turn of the
/// loop share a new task, which comes last in the queue and wakes them.
async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        let first = YIELDED.with_borrow_mut(|wakers| {
            wakers.push(cx.waker().clone());
            wakers.len() == 1
        });
        if first {
            drop(monoio::spawn(async {
                YIELDED.with_borrow_mut(mem::take).into_iter().for_each(Waker::wake);
            }));
        }
        Poll::Pending
    })
    .await;
}

pub fn serve_epoll(port: u16) -> io::Result<()> {
    MonoioEpoll::run(async |_| accept(port).await)
}

pub fn serve_uring(port: u16) -> io::Result<()> {
    MonoioUring::run(async |_| accept(port).await)
}

async fn accept(port: u16) -> io::Result<()> {
    let listener = TcpListener::bind(address(port))?;
    announce(listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        drop(monoio::spawn(echo(stream)));
    }
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(BUFFER_SIZE);
    let mut result;
    loop {
        (result, buffer) = stream.read(buffer).await;
        if result? == 0 {
            return Ok(());
        }
        (result, buffer) = stream.write_all(buffer).await;
        result?;
    }
}
