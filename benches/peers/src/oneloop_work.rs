//! oneloop.

use std::{io, time::Duration};

use oneloop::net::{TcpListener, TcpStream};

use crate::{
    echo::{BUFFER_SIZE, address, announce},
    works::Runtime,
};

#[derive(Clone)]
pub struct Oneloop;

impl Runtime for Oneloop {
    fn run<F: Future>(main: impl FnOnce(Self) -> F) -> F::Output {
        oneloop::run(main(Self))
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) -> impl Future {
        oneloop::create_task(task)
    }

    fn spawn_detached(&self, task: impl Future<Output = ()> + 'static) {
        drop(oneloop::create_task(task));
    }

    fn yield_now() -> impl Future {
        oneloop::yield_now()
    }

    fn sleep(duration: Duration) -> impl Future {
        oneloop::sleep(duration)
    }
}

pub fn serve(port: u16) -> io::Result<()> {
    oneloop::run(async {
        let listener = TcpListener::bind(address(port)).await?;
        announce(listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            drop(oneloop::create_task(echo(stream)));
        }
    })
}

async fn echo(stream: TcpStream) -> io::Result<()> {
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
