//! An echo server: sends back what it is sent. `echo_server [ADDR]`, 127.0.0.1:8888 by default.
//!
//! Ctrl-C stops it: no new connections, and 5 s for those that are open.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

use std::cell::Cell;
use std::env;
use std::io;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::channel::mpsc::{Sender, channel};
use futures::future::select;
use oneloop::net::{TcpListener, TcpStream};
use oneloop::signal::ctrl_c;

const GRACE: Duration = Duration::from_secs(5);

#[derive(Default)]
struct Totals {
    connections: Cell<u64>,
    bytes: Cell<u64>,
}

async fn echo(stream: &TcpStream, totals: &Totals) -> io::Result<()> {
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

/// Accepts for ever. Each connection holds a clone of `open` until it ends.
async fn serve(listener: TcpListener, open: Sender<()>, totals: Rc<Totals>) -> io::Result<()> {
    loop {
        let (stream, _addr) = listener.accept().await?;
        totals.connections.set(totals.connections.get() + 1);
        let (open, totals) = (open.clone(), Rc::clone(&totals));
        let connection = async move {
            // An error means that the peer has gone away: no fault of the server's.
            let _end = echo(&stream, &totals).await;
            drop(open);
        };
        oneloop::create_task(connection).detach();
    }
}

async fn run(addr: &str) -> io::Result<()> {
    let listener = TcpListener::bind(addr).await?;
    println!("listening at {}", listener.local_addr()?);
    let totals = Rc::new(Totals::default());
    let (open, mut closed) = channel(0);
    let serving = serve(listener, open, Rc::clone(&totals));
    // Whichever ends first; the other is dropped, and the listener with it.
    select(Box::pin(serving), Box::pin(ctrl_c())).await.factor_first().0?;
    // Nothing is ever sent, so this waits until the last connection has dropped its clone.
    let in_time = oneloop::timeout(GRACE, closed.next()).await.is_ok();
    let cut_off = if in_time { "" } else { ", some of them cut off" };
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
