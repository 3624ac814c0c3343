//! A small HTTP server, without an HTTP library. It answers with the path of the request.
//!
//! Usage: `http_server [ADDR]`. The default is 127.0.0.1:8080; try it with
//! `curl http://127.0.0.1:8080/hello`. Ctrl-C stops it, after it has finished its current answers.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

use std::env;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use oneloop::io::{IncompleteRead, StreamReader, StreamWriter};
use oneloop::net::server_closing;
use oneloop::signal::{SignalKind, signal};
use oneloop::{select, start_server};

/// Reads a request line and its headers. Returns `None` if the connection ends between requests.
async fn head(reader: &mut StreamReader) -> io::Result<Option<String>> {
    match reader.readuntil("\r\n\r\n").await {
        Ok(head) => Ok(Some(String::from_utf8_lossy(head).into_owned())),
        Err(end) if IncompleteRead::of(&end).is_some_and(|end| end.partial.is_empty()) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn serve(mut reader: StreamReader, mut writer: StreamWriter) -> io::Result<()> {
    let closing = server_closing();
    loop {
        let head = select! {
            () = closing.cancelled() => None,
            head = head(&mut reader) => head?,
        };
        let Some(head) = head else { return Ok(()) };
        let mut words = head.split_whitespace();
        let (status, body) = match (words.next(), words.next()) {
            (Some("GET"), Some(path)) => ("200 OK", format!("you asked for {path}\n")),
            _ => ("405 Method Not Allowed", String::new()),
        };
        // A request of another kind may have a body, which must not be read as the next request.
        let goes_on = words.next() == Some("HTTP/1.1") && !body.is_empty();
        let is_last = !goes_on || head.to_ascii_lowercase().contains("\nconnection: close");
        let connection = if is_last { "close" } else { "keep-alive" };
        writer.write(format!("HTTP/1.1 {status}\r\nConnection: {connection}\r\n"));
        writer.write(format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        writer.drain().await?;
        if is_last {
            return Ok(());
        }
    }
}

async fn run(addr: &str) -> io::Result<()> {
    let server = start_server(serve, addr).await?;
    let mut ctrl_c = signal(SignalKind::SIGINT)?;
    println!("listening at http://{}", server.local_addrs()[0]);
    ctrl_c.recv().await?;
    server.shutdown(Duration::from_secs(5)).await;
    Ok(())
}

fn main() -> ExitCode {
    let addr = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let Err(error) = oneloop::run(run(&addr)) else { return ExitCode::SUCCESS };
    eprintln!("http_server: {error}");
    ExitCode::FAILURE
}
