//! An echo server: sends back what it is sent. `echo_server [ADDR]`, 127.0.0.1:8888 by default.
//!
//! Ctrl-C stops it: no new connections, and 5 s for those that are open. A second Ctrl-C ends these at once.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

use std::cell::Cell;
use std::env;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use oneloop::net::{TcpListener, TcpStream};
use oneloop::signal::ctrl_c;
use oneloop::{CancelToken, select, sleep, task_group};

const GRACE: Duration = Duration::from_secs(5);

#[derive(Default)]
struct Totals {
    connections: Cell<u64>,
    bytes: Cell<u64>,
}

async fn echo(stream: TcpStream, totals: &Totals) -> io::Result<()> {
    let mut buf = vec![0; 16 * 1024];
    loop {
        // A peer that has closed its side still gets what it is owed.
        let len = stream.read(&mut buf).await?;
        if len == 0 {
            return Ok(());
        }
        stream.write_all(&buf[..len]).await?;
        totals.bytes.set(totals.bytes.get() + len as u64);
    }
}

/// Accepts until it is told to stop, and ends when the last connection has ended.
async fn serve(listener: TcpListener, stop: &CancelToken, totals: &Totals) -> io::Result<()> {
    println!("listening at {}", listener.local_addr()?);
    // `move`: the listener is the body's, and goes with it, before the connections do.
    let served = task_group(async move |group| -> io::Result<()> {
        loop {
            let (stream, _addr) = select! {
                () = stop.cancelled() => return Ok(()),
                accepted = listener.accept() => accepted?,
            };
            totals.connections.set(totals.connections.get() + 1);
            group.create_task(async {
                // An error means that the peer has gone away: no fault of the server's.
                let _end = echo(stream, totals).await;
            });
        }
    });
    Ok(served.await?)
}

async fn run(addr: &str) -> io::Result<()> {
    let listener = TcpListener::bind(addr).await?;
    let totals = Totals::default();
    let stop = CancelToken::new();
    let patience = async {
        ctrl_c().await?;
        stop.cancel();
        select! {
            again = ctrl_c() => again,
            () = sleep(GRACE) => Ok(()),
        }
    };
    // In this order: Ctrl-C is waited for by the time the server says where it listens.
    let cut_off = select! {
        over = patience => over.map(|()| ", some of them cut off")?,
        served = serve(listener, &stop, &totals) => served.map(|()| "")?,
    };
    println!("{} connections{cut_off}, {} bytes", totals.connections.get(), totals.bytes.get());
    Ok(())
}

fn main() -> ExitCode {
    let addr = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8888".to_owned());
    match oneloop::run(run(&addr)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo_server: {error}");
            ExitCode::FAILURE
        }
    }
}
