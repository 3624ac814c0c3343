//! The example `echo_server` as a process: real clients, Ctrl-C, wrong addresses.

#![cfg(all(feature = "net", feature = "signal"))]

use std::env;
use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

/// Next to the directory of the test itself. `cargo test` builds the examples.
fn example() -> PathBuf {
    let test = env::current_exe().expect("a test knows where it is");
    let target = test.parent().and_then(|deps| deps.parent()).expect("it is in target/*/deps");
    let path = target.join("examples").join("echo_server");
    assert!(path.exists(), "{} is missing: run `cargo build --examples` first", path.display());
    path
}

/// Only one test at a time listens: another server must not get a port while a test still connects
/// to its former owner.
static LISTENING: Mutex<()> = Mutex::new(());

/// A running server, killed when dropped.
struct Server {
    _alone: MutexGuard<'static, ()>,
    process: Child,
    stdout: BufReader<ChildStdout>,
    addr: String,
}

impl Server {
    fn start() -> io::Result<Self> {
        let alone = LISTENING.lock().unwrap_or_else(PoisonError::into_inner);
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
        Ok(Self { _alone: alone, process, stdout, addr })
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(&self.addr)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(stream)
    }

    fn press_ctrl_c(&self) -> io::Result<()> {
        let kill = Command::new("kill").arg("-INT").arg(self.process.id().to_string()).status()?;
        assert!(kill.success());
        Ok(())
    }

    /// The rest of its stdout, and all of its stderr, once it has ended with status 0.
    fn finish(mut self) -> io::Result<(String, String)> {
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

fn exchange(mut stream: &TcpStream, text: &str) -> io::Result<()> {
    stream.write_all(text.as_bytes())?;
    let mut answer = vec![0; text.len()];
    stream.read_exact(&mut answer)?;
    assert_eq!(answer, text.as_bytes());
    Ok(())
}

#[test]
fn serves_all_and_ctrl_c_lets_open_connections_finish() -> io::Result<()> {
    let server = Server::start()?;
    let first = server.connect()?;
    exchange(&first, "hello")?;
    let second = server.connect()?;
    exchange(&second, "to you")?;
    drop(first);

    server.press_ctrl_c()?;
    // No new connections, once the signal has arrived.
    while server.connect().is_ok() {
        thread::yield_now();
    }
    exchange(&second, "still here?")?;
    drop(second);
    let (said, complained) = server.finish()?;
    let bytes = "hello".len() + "to you".len() + "still here?".len();
    assert!(said.ends_with(&format!(" connections, {bytes} bytes\n")), "{said}");
    assert_eq!(complained, "");
    Ok(())
}

#[test]
fn survives_resets_and_answers_peers_that_have_closed_their_side() -> io::Result<()> {
    let server = Server::start()?;
    for _ in 0..10 {
        let rude = server.connect()?;
        exchange(&rude, "rude")?;
        SockRef::from(&rude).set_linger(Some(Duration::ZERO))?;
    }
    let mut polite = server.connect()?;
    let text = vec![7; 100_000];
    polite.write_all(&text)?;
    polite.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    polite.read_to_end(&mut answer)?;
    assert!(answer == text);
    drop(polite);

    server.press_ctrl_c()?;
    assert_eq!(server.finish()?, ("11 connections, 100040 bytes\n".into(), String::new()));
    Ok(())
}

#[test]
fn a_reader_that_never_reads_delays_nobody_else() -> io::Result<()> {
    let server = Server::start()?;
    let stuck = server.connect()?;
    stuck.set_nonblocking(true)?;
    // Until both directions are full. The kernel moves some data after that, and the amount does
    // not matter.
    let endless = vec![0; 64 << 20];
    assert_eq!(
        (&stuck).write_all(&endless).map_err(|error| error.kind()),
        Err(ErrorKind::WouldBlock)
    );
    exchange(&server.connect()?, "and me?")?;
    drop(stuck);
    server.press_ctrl_c()?;
    let (said, complained) = server.finish()?;
    assert!(said.starts_with("2 connections, "), "{said}");
    assert_eq!(complained, "");
    Ok(())
}

/// Runs the server at an address at which it cannot listen. It ends by itself.
fn fail_at(addr: &str) -> io::Result<String> {
    let Output { status, stdout, stderr } = Command::new(example()).arg(addr).output()?;
    let complained = String::from_utf8_lossy(&stderr).into_owned();
    assert_eq!(status.code(), Some(1), "{complained}");
    assert_eq!(stdout, b"");
    assert_eq!(complained.lines().count(), 1, "{complained}");
    assert!(complained.contains(addr), "{complained}");
    Ok(complained)
}

#[test]
fn a_wrong_address_gives_one_line_and_status_1() -> io::Result<()> {
    assert!(fail_at("nonsense")?.contains("host:port"));
    assert!(fail_at("127.0.0.1")?.contains("host:port"));
    Ok(())
}

#[test]
fn a_port_in_use_gives_one_line_and_status_1() -> io::Result<()> {
    let _alone = LISTENING.lock().unwrap_or_else(PoisonError::into_inner);
    let occupier = TcpListener::bind("127.0.0.1:0")?;
    assert!(fail_at(&occupier.local_addr()?.to_string())?.contains("in use"));
    Ok(())
}
