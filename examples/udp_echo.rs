//! An echo server for datagrams: sends each back to where it came from. `udp_echo [ADDR]`, 127.0.0.1:8888 by default.
//!
//! It takes all that are there together, and answers them together. Ctrl-C stops it.
//! Try it with `nc -u 127.0.0.1 8888`, or `socat - UDP:127.0.0.1:8888`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

use std::env;
use std::io;
use std::process::ExitCode;

use oneloop::net::{Batch, UdpSocket};
use oneloop::select;
use oneloop::signal::ctrl_c;

/// Echoes a batch; returns how many datagrams.
async fn echo(socket: &UdpSocket, batch: &mut Batch) -> io::Result<usize> {
    let received = socket.recv_batch(batch).await?;
    let datagrams: Vec<_> = batch.iter().collect();
    let mut rest = &datagrams[..];
    while !rest.is_empty() {
        // One that cannot be sent is no reason to stop: the next ones are for other peers.
        let sent = socket.send_batch(rest).await.unwrap_or_else(|error| {
            eprintln!("udp_echo: nothing for {}: {error}", rest[0].addr());
            1
        });
        rest = &rest[sent..];
    }
    Ok(received)
}

async fn run(addr: &str) -> io::Result<()> {
    let socket = UdpSocket::bind(addr).await?;
    let mut batch = Batch::new(32, 65_535);
    let mut total = 0;
    let serve = async {
        println!("listening at {}", socket.local_addr()?);
        loop {
            total += echo(&socket, &mut batch).await?;
        }
    };
    // In this order: Ctrl-C is waited for by the time the server says where it listens.
    let stopped: io::Result<()> = select! {
        stopped = ctrl_c() => stopped,
        failed = serve => failed,
    };
    println!("{total} datagrams");
    stopped
}

fn main() -> ExitCode {
    let addr = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8888".to_owned());
    match oneloop::run(run(&addr)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("udp_echo: {error}");
            ExitCode::FAILURE
        }
    }
}
