//! Servers: their clients, misbehaving handlers and peers, and the end of a server.
//!
//! Each test runs under a time limit, so that a lost wake is a failure and not a hang.

mod closing;
mod ending;
mod faults;
mod listening;
mod serving;

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, Result};
use std::net::{self, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use oneloop::io::{StreamReader, StreamWriter};
use oneloop::{Builder, Server, yield_now};

/// Longer than any test here takes, even on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);
const ANY_PORT: &str = "127.0.0.1:0";
const SECOND: Duration = Duration::from_secs(1);

/// Runs `test` on a new loop.
fn run<T>(test: impl Future<Output = Result<T>>) -> Result<T> {
    oneloop::run(oneloop::timeout(LIMIT, test))?
}

/// Like [`run`], but hours pass at once. The kernel's loopback takes no time, so sent data has
/// arrived.
fn run_in_virtual_time<T>(test: impl Future<Output = Result<T>>) -> Result<T> {
    Builder::new().virtual_time(true).run(oneloop::timeout(3600 * LIMIT, test))?
}

/// Like [`run`], and returns the reports.
fn run_reporting(test: impl Future<Output = Result<()>>) -> Result<Vec<String>> {
    let reports = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&reports);
    let builder =
        Builder::new().on_unhandled(move |report| log.borrow_mut().push(report.to_string()));
    builder.run(oneloop::timeout(LIMIT, test))??;
    Ok(reports.take())
}

/// Echoes everything until the end.
async fn echo(mut reader: StreamReader, mut writer: StreamWriter) -> Result<()> {
    let mut buf = vec![0; 4096];
    loop {
        match reader.read(&mut buf).await? {
            0 => return Ok(()),
            len => writer.write_all(&buf[..len]).await?,
        }
    }
}

/// Reads until the end, and writes nothing.
async fn listen(mut reader: StreamReader, _writer: StreamWriter) -> Result<()> {
    reader.read_to_end().await.map(drop)
}

fn addr_of(server: &Server) -> SocketAddr {
    server.local_addrs()[0]
}

/// A client in blocking mode. Its operations take effect at once.
fn connect(server: &Server) -> Result<net::TcpStream> {
    let client = net::TcpStream::connect(addr_of(server))?;
    client.set_read_timeout(Some(LIMIT))?;
    Ok(client)
}

/// Waits until the server has `count` connections.
async fn connections(server: &Server, count: usize) {
    while server.connections() != count {
        yield_now().await;
    }
}

/// Returns the error, which the test expects.
fn failure<T>(result: Result<T>) -> io::Error {
    match result {
        Ok(_) => panic!("it should have failed"),
        Err(error) => error,
    }
}

/// Polls `future` once. Returns whether it has to wait.
async fn waits(future: &mut (impl Future + Unpin)) -> bool {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx).is_pending())).await
}
