//! tokio on one thread, in its three forms.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{Builder, LocalOptions},
    task::{LocalSet, spawn_local, yield_now},
    time::sleep,
};

use crate::{
    echo::{BUFFER_SIZE, address, announce},
    works::Runtime,
};

/// `current_thread` with `tokio::spawn`.
#[derive(Clone)]
pub struct Tokio;

impl Runtime for Tokio {
    fn run<F: Future>(main: impl FnOnce(Self) -> F) -> F::Output {
        let runtime = Builder::new_current_thread().enable_all().build().expect("tokio starts");
        runtime.block_on(main(Self))
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) -> impl Future {
        tokio::spawn(OnThisThread(task))
    }

    fn spawn_detached(&self, task: impl Future<Output = ()> + 'static) {
        drop(tokio::spawn(OnThisThread(task)));
    }

    fn yield_now() -> impl Future {
        yield_now()
    }

    fn sleep(duration: Duration) -> impl Future {
        sleep(duration)
    }
}

/// `tokio::spawn` requires `Send`, which the works do not implement. Promising it here costs
/// nothing.
struct OnThisThread<F>(F);

// SAFETY: the runtime runs only in `block_on`, on the thread that spawns, and is dropped there.
unsafe impl<F> Send for OnThisThread<F> {}

impl<F: Future> Future for OnThisThread<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: the future does not move.
        unsafe { self.map_unchecked_mut(|this| &mut this.0) }.poll(cx)
    }
}

/// `LocalRuntime` with `spawn_local`.
#[derive(Clone)]
pub struct TokioLocal;

impl Runtime for TokioLocal {
    fn run<F: Future>(main: impl FnOnce(Self) -> F) -> F::Output {
        let options = LocalOptions::default();
        let runtime = Builder::new_current_thread().enable_all().build_local(options);
        runtime.expect("tokio starts").block_on(main(Self))
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) -> impl Future {
        spawn_local(task)
    }

    fn spawn_detached(&self, task: impl Future<Output = ()> + 'static) {
        drop(spawn_local(task));
    }

    fn yield_now() -> impl Future {
        yield_now()
    }

    fn sleep(duration: Duration) -> impl Future {
        sleep(duration)
    }
}

/// `LocalSet` in `current_thread`.
#[derive(Clone)]
pub struct TokioLocalSet;

impl Runtime for TokioLocalSet {
    fn run<F: Future>(main: impl FnOnce(Self) -> F) -> F::Output {
        let runtime = Builder::new_current_thread().enable_all().build().expect("tokio starts");
        LocalSet::new().block_on(&runtime, main(Self))
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) -> impl Future {
        spawn_local(task)
    }

    fn spawn_detached(&self, task: impl Future<Output = ()> + 'static) {
        drop(spawn_local(task));
    }

    fn yield_now() -> impl Future {
        yield_now()
    }

    fn sleep(duration: Duration) -> impl Future {
        sleep(duration)
    }
}

pub fn serve(port: u16) -> io::Result<()> {
    Tokio::run(async |_| {
        let listener = TcpListener::bind(address(port)).await?;
        announce(listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            drop(tokio::spawn(echo(stream)));
        }
    })
}

pub fn serve_local(port: u16) -> io::Result<()> {
    TokioLocal::run(async |_| accept(port).await)
}

pub fn serve_local_set(port: u16) -> io::Result<()> {
    TokioLocalSet::run(async |_| accept(port).await)
}

async fn accept(port: u16) -> io::Result<()> {
    let listener = TcpListener::bind(address(port)).await?;
    announce(listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        drop(spawn_local(echo(stream)));
    }
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; BUFFER_SIZE];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..count]).await?;
    }
}
