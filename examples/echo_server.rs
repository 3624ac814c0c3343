//! An echo server: sends back what it is sent. `echo_server [ADDR]`, 127.0.0.1:8888 by default.
//!
//! Ctrl-C stops it: no new connections, and 5 s for those that are open.

use std::cell::Cell;
use std::io::{self, ErrorKind};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use oneloop::net::{TcpListener, TcpStream};

#[derive(Default)]
struct Totals {
    connections: Cell<u64>,
    open: Cell<u64>,
    bytes: Cell<u64>,
}

async fn serve(listener: TcpListener, totals: Rc<Totals>) -> io::Result<()> {
    loop {
        let (stream, addr) = listener.accept().await?;
        let totals = totals.clone();
        let echo = async move {
            totals.connections.set(totals.connections.get() + 1);
            totals.open.set(totals.open.get() + 1);
            let result = echo(&stream, &totals.bytes).await;
            totals.open.set(totals.open.get() - 1);
            match result {
                // A peer that goes away is no fault of the server's.
                Err(error) if !matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {
                    eprintln!("{addr}: {error}");
                }
                _ => {}
            }
        };
        oneloop::create_task(echo).detach();
    }
}

async fn echo(stream: &TcpStream, bytes: &Cell<u64>) -> io::Result<()> {
    let mut buf = vec![0; 16 * 1024];
    loop {
        // A peer that has closed its side still gets what it is owed.
        let len = stream.read(&mut buf).await?;
        if len == 0 {
            return Ok(());
        }
        stream.write_all(&buf[..len]).await?;
        bytes.set(bytes.get() + len as u64);
    }
}

async fn run(addr: &str) -> io::Result<()> {
    let listener = TcpListener::bind(addr).await?;
    println!("listening at {}", listener.local_addr()?);
    let totals = Rc::new(Totals::default());
    let server = oneloop::create_task(serve(listener, totals.clone())).cancel_on_drop();
    let ctrl_c = oneloop::signal::ctrl_c().await;
    drop(server);
    ctrl_c?;
    let all_closed = async {
        while totals.open.get() > 0 {
            oneloop::sleep(Duration::from_millis(20)).await;
        }
    };
    let _cut_off = oneloop::timeout(Duration::from_secs(5), all_closed).await;
    println!("{} connections, {} bytes", totals.connections.get(), totals.bytes.get());
    Ok(())
}

fn main() -> ExitCode {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8888".to_owned());
    match oneloop::run(run(&addr)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo_server: {error}");
            ExitCode::FAILURE
        }
    }
}
