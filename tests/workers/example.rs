//! The example `workers` as a process: real clients, Ctrl-C, an address in use.

use std::env;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::alone;

/// Next to the directory of the test itself. `cargo test` builds the examples.
fn example() -> Command {
    let test = env::current_exe().unwrap();
    let target = test.parent().and_then(|deps| deps.parent()).unwrap();
    let path = target.join("examples").join("workers");
    assert!(path.exists(), "{} is missing: run `cargo build --examples` first", path.display());
    Command::new(path)
}

/// Killed when dropped, which happens if the test has failed.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn exchange(mut client: &TcpStream) -> io::Result<()> {
    client.write_all(b"hello")?;
    let mut answer = [0; 5];
    client.read_exact(&mut answer)?;
    assert_eq!(&answer, b"hello");
    Ok(())
}

#[test]
fn it_serves_many_and_ends_when_the_last_has_gone() -> io::Result<()> {
    let _alone = alone();
    let mut command = example();
    let server = command.arg("127.0.0.1:0").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut server = Server(server.spawn()?);
    let mut stdout = BufReader::new(server.0.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line)?;
    let addr = line.trim_end().strip_prefix("listening at ").unwrap();
    let mut clients = Vec::new();
    // Enough that each worker gets one, except by a rare chance.
    for _ in 0..20 {
        let client = TcpStream::connect(addr)?;
        client.set_read_timeout(Some(Duration::from_secs(60)))?;
        exchange(&client)?;
        clients.push(client);
    }
    kill(Pid::from_raw(i32::try_from(server.0.id()).unwrap()), Signal::SIGINT)?;
    for client in clients {
        exchange(&client)?;
    }
    let mut said = String::new();
    stdout.read_to_string(&mut said)?;
    let mut complained = String::new();
    server.0.stderr.take().unwrap().read_to_string(&mut complained)?;
    assert!(server.0.wait()?.success(), "{complained}");
    assert!(said.starts_with("20 connections on ") && complained.is_empty(), "{said}{complained}");
    Ok(())
}

#[test]
fn a_port_in_use_gives_one_line_and_status_1() -> io::Result<()> {
    let _alone = alone();
    let occupier = TcpListener::bind("127.0.0.1:0")?;
    let output = example().arg(occupier.local_addr()?.to_string()).output()?;
    let complained = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{complained}");
    assert_eq!(complained.lines().count(), 1, "{complained}");
    assert!(complained.contains("cannot listen at 127.0.0.1:"), "{complained}");
    Ok(())
}
