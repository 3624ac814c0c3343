//! TCP over the loopback interface: what each operation does, who is woken, and what threads may do
//! with a stream.
//!
//! Each test runs under a time limit, so that a lost wake is a failure and not a hang.

mod connecting;
mod futures_io;
mod halves;
mod listening;
mod reuse;
mod stream;
mod threads;
mod transfer;
mod waiting;

use std::future::poll_fn;
use std::io;
use std::io::Result;
use std::net::{self, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use oneloop::net::{TcpListener, TcpStream};
use socket2::{Domain, Socket, Type};

/// Longer than any test here takes, even on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);
const ANY_PORT: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

/// Runs `test` on a new loop.
fn run<T>(test: impl Future<Output = Result<T>>) -> Result<T> {
    oneloop::run(oneloop::timeout(LIMIT, test))?
}

/// Both ends of a connection.
async fn pair() -> Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind(ANY_PORT).await?;
    let client = TcpStream::connect(listener.local_addr()?).await?;
    let (server, _addr) = listener.accept().await?;
    Ok((client, server))
}

/// Both ends of a connection. One of them is the standard library's, in blocking mode, so its
/// operations take effect at once.
fn pair_with_std() -> Result<(TcpStream, net::TcpStream)> {
    let listener = net::TcpListener::bind(ANY_PORT)?;
    let peer = net::TcpStream::connect(listener.local_addr()?)?;
    peer.set_read_timeout(Some(LIMIT))?;
    let (stream, _addr) = listener.accept()?;
    Ok((TcpStream::from_std(stream)?, peer))
}

/// An address without a listener. No other test can listen there while this lives.
struct Nobody {
    addr: SocketAddr,
    _bound: Socket,
}

fn nobody() -> Result<Nobody> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from(ANY_PORT).into())?;
    let addr = socket.local_addr()?.as_socket().expect("it is one of IPv4");
    Ok(Nobody { addr, _bound: socket })
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

/// Reads until the end.
async fn read_to_end(stream: &TcpStream) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    let mut buf = vec![0; 64 * 1024];
    loop {
        match stream.read(&mut buf).await? {
            0 => return Ok(all),
            len => all.extend_from_slice(&buf[..len]),
        }
    }
}
