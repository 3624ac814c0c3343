//! An echo server for datagrams: sends each one back to its sender.
//!
//! Usage: `udp_echo [ADDR]`. The default is 127.0.0.1:8888; try it with `nc -u 127.0.0.1 8888`, or
//! `socat - UDP:127.0.0.1:8888`. It receives and sends in batches. Ctrl-C stops it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

use std::env;
use std::io;
use std::process::ExitCode;

use oneloop::net::{Batch, UdpSocket};
use oneloop::select;
use oneloop::signal::ctrl_c;

/// Echoes a batch. Returns the number of datagrams.
async fn echo(socket: &UdpSocket, batch: &mut Batch) -> io::Result<usize> {
    let received = socket.recv_batch(batch).await?;
    let datagrams: Vec<_> = batch.iter().collect();
    let mut rest = &datagrams[..];
    while !rest.is_empty() {
        // If one cannot be sent, go on: the next ones are for other peers.
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
    // `select!` polls in this order, so the program handles Ctrl-C before it prints its address.
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
