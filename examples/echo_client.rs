//! Sends standard input to a server and prints the reply.
//!
//! Usage: `echo_client [ADDR]`. The default is 127.0.0.1:8888, where the example `echo_server`
//! listens. Ctrl-D ends the input; the rest of the reply is still printed.
#![expect(clippy::print_stderr, reason = "an example shows what it does")]

use std::env;
use std::future::pending;
use std::net::Shutdown;
use std::process::ExitCode;

use oneloop::io;
use oneloop::net::TcpStream;
use oneloop::select;

async fn talk(addr: &str) -> io::Result<u64> {
    let server = TcpStream::connect(addr).await?;
    let (stdin, stdout) = (io::stdin(), io::stdout());
    if stdin.is_terminal() {
        eprintln!("connected to {}: type, and end with Ctrl-D", server.peer_addr()?);
    }
    let typing = async {
        io::copy(&stdin, &server).await?;
        // Shut down only this direction: the server still has to answer.
        server.shutdown(Shutdown::Write)?;
        pending().await
    };
    select! {
        failed = typing => failed,
        // The server may send, or close the connection, while nothing is typed.
        shown = io::copy(&server, &stdout) => shown,
    }
}

fn main() -> ExitCode {
    let addr = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8888".to_owned());
    match oneloop::run(talk(&addr)) {
        Ok(bytes) => {
            eprintln!("{bytes} bytes came back");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("echo_client: {error}");
            ExitCode::FAILURE
        }
    }
}
