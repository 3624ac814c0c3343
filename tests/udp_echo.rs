//! The example `udp_echo` as a process: asyncio's clients, Ctrl-C, wrong addresses.

#![cfg(all(feature = "net", feature = "signal"))]

use std::env;
use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _};
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

const CLIENTS: &str = include_str!("udp_echo.py");

/// Next to the directory of the test itself. `cargo test` builds the examples.
fn example() -> PathBuf {
    let test = env::current_exe().expect("a test knows where it is");
    let target = test.parent().and_then(|deps| deps.parent()).expect("it is in target/*/deps");
    let path = target.join("examples").join("udp_echo");
    assert!(path.exists(), "{} is missing: run `cargo build --examples` first", path.display());
    path
}

/// A running server, killed when dropped.
struct Server {
    process: Child,
    stdout: BufReader<ChildStdout>,
    addr: String,
}

impl Server {
    fn start() -> io::Result<Self> {
        let mut process = Command::new(example())
            .arg("127.0.0.1:0")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let stdout = process.stdout.take().expect("it is piped");
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        let addr = line.trim_end().strip_prefix("listening at ");
        let addr = addr.expect("the first line says where it listens").to_owned();
        Ok(Self { process, stdout, addr })
    }

    /// Presses Ctrl-C. The program must end with status 0. Returns the rest of its stdout, and all
    /// of its stderr.
    fn stop(mut self) -> io::Result<(String, String)> {
        let kill = Command::new("kill").arg("-INT").arg(self.process.id().to_string()).status()?;
        assert!(kill.success());
        let (mut said, mut complained) = (String::new(), String::new());
        self.stdout.read_to_string(&mut said)?;
        self.process.stderr.take().expect("it is piped").read_to_string(&mut complained)?;
        assert!(self.process.wait()?.success(), "{complained}");
        Ok((said, complained))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has already ended, unless the test failed.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

#[test]
fn each_datagram_comes_back_to_its_sender() -> io::Result<()> {
    let server = Server::start()?;
    let clients = [UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?];
    for (client, text) in clients.iter().zip(["one", ""]) {
        client.set_read_timeout(Some(Duration::from_secs(60)))?;
        client.send_to(text.as_bytes(), &server.addr)?;
    }
    let mut buf = [0; 8];
    assert_eq!(clients[0].recv(&mut buf)?, 3);
    assert_eq!(clients[1].recv(&mut buf)?, 0);
    assert_eq!(server.stop()?, ("2 datagrams\n".to_owned(), String::new()));
    Ok(())
}

#[test]
fn asyncio_gets_every_byte_back() -> io::Result<()> {
    let server = Server::start()?;
    let port = server.addr.rsplit(':').next().expect("an address ends in a port");
    let output = match Command::new("python3").args(["-c", CLIENTS, port]).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            #[expect(
                clippy::print_stderr,
                reason = "a test that did not run must not look as if it had"
            )]
            {
                eprintln!("SKIPPED: python3 is not installed");
            }
            return Ok(());
        }
        output => output?,
    };
    let Output { status, stdout, stderr } = output;
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    assert_eq!(String::from_utf8_lossy(&stdout), "1000\n");
    let (said, complained) = server.stop()?;
    let total = said.strip_suffix(" datagrams\n").and_then(|total| total.parse::<u32>().ok());
    assert!(total.is_some_and(|total| total >= 1000), "{said}");
    assert_eq!(complained, "");
    Ok(())
}

#[test]
fn a_wrong_address_gives_one_line_and_status_1() -> io::Result<()> {
    let occupier = UdpSocket::bind("127.0.0.1:0")?;
    let taken = occupier.local_addr()?.to_string();
    for (addr, cause) in [(&taken[..], "in use"), ("nonsense", "host:port")] {
        let Output { status, stdout, stderr } = Command::new(example()).arg(addr).output()?;
        let complained = String::from_utf8_lossy(&stderr);
        assert_eq!(status.code(), Some(1), "{complained}");
        assert_eq!(stdout, b"");
        assert_eq!(complained.lines().count(), 1, "{complained}");
        assert!(complained.contains(addr) && complained.contains(cause), "{complained}");
    }
    Ok(())
}
