//! Connects to a host that has several addresses, as RFC 8305 describes.
//!
//! Usage: `happy_eyeballs [HOST:PORT]`, for example `happy_eyeballs example.org:80`. It tries the
//! addresses one after another, 250 ms apart, and the first one to answer wins. Without an argument
//! it tries an address that never answers, and then one where this program listens.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

use std::env;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::process::ExitCode;
use std::time::Duration;

use oneloop::net::{TcpListener, TcpStream};
use oneloop::staggered_race;
use oneloop::time::now;

const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Alternates between IPv6 and IPv4, beginning with the family of the resolver's first address.
fn interleave(addrs: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addrs.first().is_some_and(SocketAddr::is_ipv6);
    let (preferred, others): (Vec<_>, Vec<_>) =
        addrs.into_iter().partition(|addr| addr.is_ipv6() == first_is_v6);
    let mut others = others.into_iter();
    let mut mixed = Vec::new();
    for addr in preferred {
        mixed.push(addr);
        mixed.extend(others.next());
    }
    mixed.extend(others);
    mixed
}

async fn connect(addrs: Vec<SocketAddr>) -> Result<TcpStream, Vec<io::Error>> {
    let attempts = interleave(addrs).into_iter().map(async |addr| {
        println!("trying {addr}");
        TcpStream::connect(addr).await // an error names the address
    });
    staggered_race(attempts, ATTEMPT_DELAY).await
}

/// Returns whether it could connect.
async fn run(target: Option<String>) -> io::Result<bool> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addrs = match target {
        // This look-up blocks the loop, which is fine because nothing else runs yet.
        Some(target) => target.to_socket_addrs()?.collect(),
        // 192.0.2.1 is reserved for documentation: no host has it.
        None => vec![SocketAddr::from(([192, 0, 2, 1], 80)), listener.local_addr()?],
    };
    let start = now();
    let connected = connect(addrs).await;
    let took = now() - start;
    match &connected {
        Ok(stream) => println!("connected to {} after {took:.1?}", stream.peer_addr()?),
        Err(errors) => {
            eprintln!("no address answers, after {took:.1?}");
            for error in errors {
                eprintln!("  {error}");
            }
        }
    }
    Ok(connected.is_ok())
}

fn main() -> ExitCode {
    match oneloop::run(run(env::args().nth(1))) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("happy_eyeballs: {error}");
            ExitCode::FAILURE
        }
    }
}
