//! Gets a page by HTTP, without an HTTP library.
//!
//! Usage: `http_get http://HOST[:PORT][/PATH]`. Prints the body to standard output, and the status
//! to standard error.
#![expect(clippy::print_stderr, reason = "an example shows what it does")]

use std::env;
use std::io::{self, ErrorKind, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use oneloop::{open_connection, timeout};

/// The time that the server may take for each piece that it sends.
const PATIENCE: Duration = Duration::from_secs(10);

fn wrong(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what.to_owned())
}

/// Splits a URL into its authority, as written there, its host and port, and its path.
fn parts(url: &str) -> Option<(&str, (&str, u16), &str)> {
    let rest = url.strip_prefix("http://")?;
    let (place, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (place, 80),
    };
    let path = if path.is_empty() { "/" } else { path };
    (!host.is_empty()).then_some((place, (host, port), path))
}

async fn get(url: &str) -> io::Result<()> {
    let parts = parts(url).ok_or_else(|| wrong("write http://HOST[:PORT][/PATH]"))?;
    let (place, host_and_port, path) = parts;
    let (mut reader, mut writer) = open_connection(host_and_port).await?;
    // With HTTP/1.0, the end of the connection is the end of the body.
    writer.write(format!("GET {path} HTTP/1.0\r\nHost: {place}\r\n\r\n"));
    let head = timeout(PATIENCE, reader.readuntil("\r\n\r\n")).await??;
    let head = String::from_utf8_lossy(head).into_owned();
    let status = head.lines().next().and_then(|line| line.strip_prefix("HTTP/1."));
    let status = status.and_then(|line| line.get(2..)).ok_or_else(|| wrong("this is not HTTP"))?;
    eprintln!("{status}");
    let mut buf = vec![0; 64 * 1024];
    loop {
        match timeout(PATIENCE, reader.read(&mut buf)).await?? {
            0 => return if status.starts_with('2') { Ok(()) } else { Err(wrong(status)) },
            len => io::stdout().write_all(&buf[..len])?,
        }
    }
}

fn main() -> ExitCode {
    let url = env::args().nth(1).unwrap_or_default();
    match oneloop::run(get(&url)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("http_get: {error}");
            ExitCode::FAILURE
        }
    }
}
