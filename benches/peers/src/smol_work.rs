//! smol with a `LocalExecutor`.

use std::{io, rc::Rc, time::Duration};

use smol::{
    LocalExecutor, Timer, block_on, future,
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{
    echo::{BUFFER_SIZE, address, announce},
    works::Runtime,
};

#[derive(Clone)]
pub struct Smol(Rc<LocalExecutor<'static>>);

impl Runtime for Smol {
    fn run<F: Future>(main: impl FnOnce(Self) -> F) -> F::Output {
        let executor = Rc::new(LocalExecutor::new());
        block_on(executor.run(main(Self(executor.clone()))))
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) -> impl Future {
        self.0.spawn(task)
    }

    fn spawn_detached(&self, task: impl Future<Output = ()> + 'static) {
        self.0.spawn(task).detach();
    }

    fn yield_now() -> impl Future {
        future::yield_now()
    }

    fn sleep(duration: Duration) -> impl Future {
        Timer::after(duration)
    }
}

pub fn serve(port: u16) -> io::Result<()> {
    Smol::run(async |smol| {
        let listener = TcpListener::bind(address(port)).await?;
        announce(listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            smol.0.spawn(echo(stream)).detach();
        }
    })
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
