//! compio.

use std::{future::poll_fn, io, task::Poll, time::Duration};

use compio::{
    buf::{IntoInner, IoBuf},
    io::{AsyncRead, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{self, spawn},
    time::sleep,
};

use crate::{
    echo::{BUFFER_SIZE, address, announce},
    works::Runtime,
};

#[derive(Clone)]
pub struct Compio;

impl Runtime for Compio {
    fn run<F: Future>(main: impl FnOnce(Self) -> F) -> F::Output {
        runtime::Runtime::new().expect("compio starts").block_on(main(Self))
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) -> impl Future {
        spawn(task)
    }

    fn spawn_detached(&self, task: impl Future<Output = ()> + 'static) {
        spawn(task).detach();
    }

    fn yield_now() -> impl Future {
        yield_now()
    }

    fn sleep(duration: Duration) -> impl Future {
        sleep(duration)
    }
}

/// compio has no yield of its own.
async fn yield_now() {
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

pub fn serve(port: u16) -> io::Result<()> {
    Compio::run(async |_| {
        let listener = TcpListener::bind(address(port)).await?;
        announce(listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            spawn(echo(stream)).detach();
        }
    })
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(BUFFER_SIZE);
    loop {
        let (count, filled) = stream.read(buffer).await.into();
        let count = count?;
        if count == 0 {
            return Ok(());
        }
        let (written, slice) = stream.write_all(filled.slice(..count)).await.into();
        written?;
        buffer = slice.into_inner();
    }
}
