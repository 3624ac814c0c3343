//! glommio.

use std::{io, time::Duration};

use futures_lite::io::{AsyncReadExt, AsyncWriteExt};
use glommio::{
    LocalExecutorBuilder, executor,
    net::{TcpListener, TcpStream},
    spawn_local,
    timer::sleep,
};

use crate::{
    echo::{BUFFER_SIZE, address, announce},
    works::Runtime,
};

#[derive(Clone)]
pub struct Glommio;

impl Runtime for Glommio {
    fn run<F: Future>(main: impl FnOnce(Self) -> F) -> F::Output {
        let executor = LocalExecutorBuilder::default().make().expect("glommio starts");
        executor.run(main(Self))
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) -> impl Future {
        spawn_local(task)
    }

    fn spawn_detached(&self, task: impl Future<Output = ()> + 'static) {
        drop(spawn_local(task).detach());
    }

    fn yield_now() -> impl Future {
        async { executor().yield_now().await }
    }

    fn sleep(duration: Duration) -> impl Future {
        sleep(duration)
    }
}

pub fn serve(port: u16) -> io::Result<()> {
    Glommio::run(async |_| {
        let listener = TcpListener::bind(address(port))?;
        announce(listener.local_addr()?);
        loop {
            let stream = listener.accept().await?;
            drop(spawn_local(echo(stream)).detach());
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
