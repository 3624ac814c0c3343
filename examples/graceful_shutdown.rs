//! A server that ends well: `graceful_shutdown [ADDR]`, 127.0.0.1:8888 by default.
//!
//! It repeats what it hears. Ctrl-C or SIGTERM: no new connections, those that are open are told, and have 3 s to end. Whoever leaves is
//! told good-bye, for whichever reason. Try it with `nc 127.0.0.1 8888`.
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

/// So long may a peer that does not listen hold up the end.
const GOODBYE: Duration = Duration::from_secs(1);

/// Until the peer ends it, or the server does; then between two messages, so that every answer is whole.
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
    // However this function is left, also by a cancel in the middle.
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
            // Taken out, since the set would keep it; a panic has said so itself.
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
