//! An echo server that shuts down gracefully.
//!
//! Usage: `graceful_shutdown [ADDR]`. The default is 127.0.0.1:8888; try it with
//! `nc 127.0.0.1 8888`. Ctrl-C or SIGTERM stops it: it accepts no more connections, tells the open
//! ones, and gives them 3 s to end. Every client gets a good-bye, whatever ended its connection.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

use std::env;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use oneloop::net::{TcpListener, TcpStream};
use oneloop::signal::shutdown;
use oneloop::{CancelToken, TaskSet, create_task, select, timeout, with_cleanup};

const GRACE: Duration = Duration::from_secs(3);

/// How long a peer that does not read may hold up the end of the program.
const GOODBYE: Duration = Duration::from_secs(1);

/// Echoes until the peer or the server ends the connection. The server ends it only between two
/// messages, so every answer is complete.
async fn converse(stream: &TcpStream, stop: &CancelToken) -> io::Result<&'static str> {
    let mut buf = vec![0; 4096];
    loop {
        let len = select! {
            () = stop.cancelled() => return Ok("the server stops"),
            len = stream.read(&mut buf) => len?,
        };
        if len == 0 {
            return Ok("the peer has ended");
        }
        stream.write_all(&buf[..len]).await?;
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, stop: CancelToken) {
    // This runs however the function ends, even if its task is cancelled.
    let stream = with_cleanup(stream, async move |stream| {
        let told = stream.write_all(b"good-bye\n").await;
        println!("{peer}: {}", if told.is_ok() { "told good-bye" } else { "gone without a word" });
    });
    match converse(&stream, &stop).await {
        Ok(reason) => println!("{peer}: {reason}"),
        Err(error) => println!("{peer}: {error}"),
    }
}

async fn run(addr: &str) -> io::Result<()> {
    let listener = TcpListener::bind(addr).await?;
    println!("listening at {}", listener.local_addr()?);
    let stop = CancelToken::new();
    let mut connections = TaskSet::new();
    loop {
        select! {
            asked = shutdown() => {
                println!("{}", asked?);
                break;
            }
            accepted = listener.accept() => {
                let (stream, peer) = accepted?;
                let task = create_task(connection(stream, peer, stop.clone()));
                connections.add(task.named(peer.to_string()));
            }
            // A set keeps its ended tasks until they are taken out. The panic hook has already
            // printed the message of a task that panicked.
            Some(_ended) = connections.next() => {}
        }
    }
    drop(listener);
    println!("stopping, with {} connections", connections.len());
    stop.cancel();
    let all_ended = async { while connections.next().await.is_some() {} };
    if timeout(GRACE, all_ended).await.is_err() {
        println!("{} connections have not ended", connections.len());
        connections.cancel_and_wait(GOODBYE).await;
    }
    Ok(())
}

fn main() -> ExitCode {
    let addr = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8888".to_owned());
    match oneloop::run(run(&addr)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("graceful_shutdown: {error}");
            ExitCode::FAILURE
        }
    }
}
