//! An echo server on all cores.
//!
//! Usage: `workers [ADDR]`. The default is 127.0.0.1:8888; try it with `nc 127.0.0.1 8888`. Each
//! core has an event loop of its own, and all of them listen on the same address. Ctrl-C stops
//! them: they accept no more connections, and open ones have 5 s to end. A second Ctrl-C ends those
//! at once.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

use std::env;
use std::io;
use std::process::ExitCode;

use oneloop::net::TcpStream;
use oneloop::workers::{Worker, per_core};
use oneloop::{TaskSet, create_task, select};

async fn echo(stream: TcpStream) -> io::Result<()> {
    let mut buf = vec![0; 16 * 1024];
    loop {
        match stream.read(&mut buf).await? {
            0 => return Ok(()),
            len => stream.write_all(&buf[..len]).await?,
        }
    }
}

/// Serves until the worker is asked to stop. Returns the number of connections.
async fn serve(worker: &Worker, addr: &str) -> io::Result<u64> {
    let listener = worker.listen(addr).await?;
    if worker.index() == 0 {
        println!("listening at {}", listener.local_addr()?);
    }
    let (mut connections, mut count) = (TaskSet::new(), 0);
    loop {
        select! {
            () = worker.stopping() => break,
            accepted = listener.accept() => {
                connections.add(create_task(echo(accepted?.0)));
                count += 1;
            }
            Some(_ended) = connections.next() => {}
        }
    }
    drop(listener);
    while connections.next().await.is_some() {}
    Ok(count)
}

fn main() -> ExitCode {
    let addr = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8888".to_owned());
    match per_core().try_run(async |worker| serve(&worker, &addr).await) {
        Ok(counts) => {
            println!("{} connections on {} cores", counts.iter().sum::<u64>(), counts.len());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("workers: {error}");
            ExitCode::FAILURE
        }
    }
}
