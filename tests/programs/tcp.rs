//! Python's asyncio against an echo server on our loop.

use std::cell::Cell;
use std::io::{Error, ErrorKind, Result};
use std::net::Ipv4Addr;
use std::process::{Command, Output};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use futures::channel::oneshot;
use oneloop::create_task;
use oneloop::net::{TcpListener, TcpStream};

const SCRIPT: &str = include_str!("tcp.py");

/// Runs the script on a thread, because our loop is busy serving. Returns `None` if there is no
/// Python.
async fn run_script(port: u16) -> Result<Option<Output>> {
    let (sender, receiver) = oneshot::channel();
    let thread = thread::spawn(move || {
        let output = Command::new("python3").args(["-c", SCRIPT, &port.to_string()]).output();
        sender.send(output).ok();
    });
    let output = receiver.await.map_err(Error::other)?;
    thread.join().expect("it does not panic");
    match output {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        output => output.map(Some),
    }
}

async fn echo(stream: TcpStream, bytes: Rc<Cell<usize>>) -> Result<()> {
    let mut buf = vec![0; 16 * 1024];
    loop {
        let len = stream.read(&mut buf).await?;
        if len == 0 {
            return Ok(());
        }
        stream.write_all(&buf[..len]).await?;
        bytes.set(bytes.get() + len);
    }
}

#[test]
fn two_hundred_asyncio_clients_get_every_byte_back() -> Result<()> {
    oneloop::run(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let bytes = Rc::new(Cell::new(0));
        let counted = Rc::clone(&bytes);
        let server = create_task(async move {
            let mut connections = Vec::new();
            loop {
                match listener.accept().await {
                    Ok((stream, _addr)) => {
                        connections.push(create_task(echo(stream, Rc::clone(&counted))));
                    }
                    Err(error) => return error,
                }
            }
        });
        let script = oneloop::timeout(Duration::from_secs(60), run_script(port));
        let Some(Output { status, stdout, stderr }) = script.await?? else {
            #[expect(
                clippy::print_stderr,
                reason = "a test that did not run must not look as if it had"
            )]
            {
                eprintln!("SKIPPED: python3 is not installed");
            }
            return Ok(());
        };
        assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
        assert_eq!(String::from_utf8_lossy(&stdout), format!("200 {}\n", bytes.get()));
        assert!(bytes.get() > 40 << 20, "{} bytes are too few to mean much", bytes.get());
        server.cancel();
        Ok(())
    })
}
