//! The examples `echo_client` and `echo_server` as processes: a pipeline, a person at a terminal,
//! servers that go.

#![cfg(feature = "net")]

use std::env;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Result, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;

use nix::pty::openpty;
use socket2::{Domain, Socket, Type};

/// Next to the directory of the test itself. `cargo test` builds the examples.
fn example(name: &str) -> PathBuf {
    let test = env::current_exe().expect("a test knows where it is");
    let target = test.parent().and_then(|deps| deps.parent()).expect("it is in target/*/deps");
    let path = target.join("examples").join(name);
    assert!(path.exists(), "{} is missing: run `cargo build --examples` first", path.display());
    path
}

/// A running server, killed when dropped.
struct Server {
    process: Child,
    addr: String,
}

impl Server {
    fn start() -> Result<Self> {
        let mut process = Command::new(example("echo_server"))
            .arg("127.0.0.1:0")
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("it is piped")).read_line(&mut line)?;
        let addr = line.trim_end().strip_prefix("listening at ");
        Ok(Self { process, addr: addr.expect("it says where it listens").to_owned() })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn client(addr: &str) -> Command {
    let mut command = Command::new(example("echo_client"));
    command.arg(addr).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn what_is_sent_through_a_pipe_comes_back() -> Result<()> {
    const LEN: usize = 1 << 20;
    let server = Server::start()?;
    let mut client = client(&server.addr).spawn()?;
    let mut stdin = client.stdin.take().expect("it is piped");
    let writer = thread::spawn(move || stdin.write_all(&vec![b'x'; LEN]));
    let output = client.wait_with_output()?;
    writer.join().expect("no panic")?;
    assert!(output.status.success());
    assert!(output.stdout == vec![b'x'; LEN]);
    assert_eq!(String::from_utf8_lossy(&output.stderr), format!("{LEN} bytes came back\n"));
    Ok(())
}

#[test]
fn each_line_comes_back_when_it_was_sent() -> Result<()> {
    let server = Server::start()?;
    let mut client = client(&server.addr).spawn()?;
    let mut stdin = client.stdin.take().expect("it is piped");
    let mut stdout = BufReader::new(client.stdout.take().expect("it is piped"));
    for line in ["one\n", "two\n"] {
        stdin.write_all(line.as_bytes())?;
        let mut back = String::new();
        stdout.read_line(&mut back)?;
        assert_eq!(back, line);
    }
    drop(stdin);
    assert!(client.wait()?.success());
    Ok(())
}

#[test]
fn a_person_types_and_ends_with_ctrl_d() -> Result<()> {
    let server = Server::start()?;
    let terminal = openpty(None, None)?;
    let mut person = File::from(terminal.master);
    let mut command = client(&server.addr);
    command.stdin(terminal.slave.try_clone()?).stdout(terminal.slave);
    let mut client = command.spawn()?;
    drop(command);
    person.write_all(b"hello\n")?;
    // The terminal shows the input, and then the reply.
    let mut shown = [0; 14];
    person.read_exact(&mut shown)?;
    assert_eq!(&shown, b"hello\r\nhello\r\n");
    person.write_all(b"\x04")?;
    assert!(client.wait()?.success());
    let mut said = String::new();
    client.stderr.take().expect("it is piped").read_to_string(&mut said)?;
    assert!(said.contains("end with Ctrl-D") && said.ends_with("6 bytes came back\n"), "{said}");
    Ok(())
}

#[test]
fn a_server_that_goes_ends_the_client_though_nothing_is_typed() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut client = client(&listener.local_addr()?.to_string()).spawn()?;
    let (mut stream, _addr) = listener.accept()?;
    stream.write_all(b"no more\n")?;
    drop(stream);
    let stdin = client.stdin.take();
    let output = client.wait_with_output()?;
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "no more\n");
    drop(stdin);
    Ok(())
}

#[test]
fn without_a_server_it_says_so() -> Result<()> {
    // No other process can get the port meanwhile.
    let deaf = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    deaf.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    let addr = deaf.local_addr()?.as_socket().expect("it has one").to_string();
    let output = client(&addr).output()?;
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(&addr) && said.contains("refused"), "{said}");
    Ok(())
}
