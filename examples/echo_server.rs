//! An echo server: sends back everything it receives.
//!
//! Usage: `echo_server [ADDR]`. The default is 127.0.0.1:8888. Ctrl-C stops it: it accepts no more
//! connections, and open ones have 5 s to end. A second Ctrl-C ends them at once.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

use std::cell::Cell;
use std::env;
use std::io;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use oneloop::io::{StreamReader, StreamWriter};
use oneloop::signal::{SignalKind, signal};
use oneloop::{select, start_server};

const GRACE: Duration = Duration::from_secs(5);

#[derive(Default)]
struct Totals {
    connections: Cell<u64>,
    bytes: Cell<usize>,
}

/// Errors are ignored: they mean that the peer has disconnected.
async fn echo(mut reader: StreamReader, mut writer: StreamWriter, totals: &Totals) {
    totals.connections.set(totals.connections.get() + 1);
    let mut buf = vec![0; 16 * 1024];
    // A peer that has only shut down its sending side still gets the rest of its data.
    while let Ok(len @ 1..) = reader.read(&mut buf).await {
        if writer.write_all(&buf[..len]).await.is_ok() {
            totals.bytes.set(totals.bytes.get() + len);
        }
    }
}

async fn run(addr: &str) -> io::Result<()> {
    let totals = Rc::new(Totals::default());
    let counted = Rc::clone(&totals);
    let handler = async move |reader, writer| echo(reader, writer, &counted).await;
    let server = start_server(handler, addr).await?;
    let mut ctrl_c = signal(SignalKind::SIGINT)?;
    println!("listening at {}", server.local_addrs()[0]);
    ctrl_c.recv().await?;
    let in_time = select! {
        in_time = server.shutdown(GRACE) => in_time,
        again = ctrl_c.recv() => again.map(|_| false)?,
    };
    let cut_off = if in_time { "" } else { ", some of them cut off" };
    println!("{} connections{cut_off}, {} bytes", totals.connections.get(), totals.bytes.get());
    Ok(())
}

fn main() -> ExitCode {
    let addr = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8888".to_owned());
    let Err(error) = oneloop::run(run(&addr)) else { return ExitCode::SUCCESS };
    eprintln!("echo_server: {error}");
    ExitCode::FAILURE
}
