//! The example `tcp_proxy` as a process, between peers that half-close, reset, and do not exist.

use std::io::{BufRead, BufReader, Read as _, Result, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

use super::{LIMIT, alone, example};

/// Killed when dropped.
struct Proxy {
    process: Child,
    addr: String,
    stdout: BufReader<ChildStdout>,
    stderr: BufReader<ChildStderr>,
}

impl Proxy {
    fn to(target: &TcpListener) -> Result<Self> {
        let target = target.local_addr()?.to_string();
        let mut command = Command::new(example("tcp_proxy")?);
        command.args(["127.0.0.1:0", &target]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn()?;
        let mut stdout = BufReader::new(process.stdout.take().expect("it is piped"));
        let stderr = BufReader::new(process.stderr.take().expect("it is piped"));
        let said = line_of(&mut stdout)?;
        let addr = said.strip_prefix("from ").and_then(|rest| rest.split(' ').next());
        let addr = addr.expect("it says where it listens").to_owned();
        assert_eq!(said, format!("from {addr} to {target}\n"));
        Ok(Self { process, addr, stdout, stderr })
    }

    /// A client of the proxy, and its address in the proxy's output.
    fn connect(&self) -> Result<(TcpStream, String)> {
        let client = TcpStream::connect(&self.addr)?;
        client.set_read_timeout(Some(LIMIT))?;
        let addr = client.local_addr()?.to_string();
        Ok((client, addr))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn line_of(stream: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    Ok(line)
}

fn accept(listener: &TcpListener) -> Result<TcpStream> {
    let (stream, _) = listener.accept()?;
    stream.set_read_timeout(Some(LIMIT))?;
    Ok(stream)
}

#[test]
fn the_proxy_passes_on_bytes_and_ends_in_each_direction() -> Result<()> {
    let _alone = alone();
    let target = TcpListener::bind("127.0.0.1:0")?;
    let mut proxy = Proxy::to(&target)?;
    let (mut client, addr) = proxy.connect()?;
    let mut server = accept(&target)?;

    client.write_all(b"question")?;
    client.shutdown(Shutdown::Write)?;
    let mut question = String::new();
    server.read_to_string(&mut question)?;
    assert_eq!(question, "question", "its end comes while the other direction is open");

    let answer = vec![b'x'; 1 << 20];
    let sent = answer.clone();
    let sending = thread::spawn(move || server.write_all(&sent));
    let mut heard = Vec::new();
    client.read_to_end(&mut heard)?;
    assert!(heard == answer);
    sending.join().expect("no panic")?;
    let said = line_of(&mut proxy.stdout)?;
    assert_eq!(said, format!("{addr}: 8 bytes there, {} bytes back\n", answer.len()));
    Ok(())
}

#[test]
fn the_proxy_says_who_had_bad_luck_and_serves_the_next() -> Result<()> {
    let _alone = alone();
    let target = TcpListener::bind("127.0.0.1:0")?;
    let mut proxy = Proxy::to(&target)?;
    // Reset in the middle.
    let (client, addr) = proxy.connect()?;
    let mut server = accept(&target)?;
    SockRef::from(&client).set_linger(Some(Duration::ZERO))?;
    drop(client);
    let said = line_of(&mut proxy.stderr)?;
    assert!(said.starts_with(&format!("{addr}: ")) && said.contains("reset"), "{said}");
    // The other side is notified too.
    let end = server.read(&mut [0; 1]);
    assert!(end.as_ref().is_ok_and(|len| *len == 0) || end.is_err(), "{end:?}");
    // The target is gone.
    let place = target.local_addr()?;
    drop(target);
    let (mut client, addr) = proxy.connect()?;
    assert_eq!(client.read(&mut [0; 1])?, 0);
    let said = line_of(&mut proxy.stderr)?;
    assert!(said.starts_with(&format!("{addr}: ")) && said.contains("refused"), "{said}");
    assert!(said.contains(&place.to_string()), "{said}");
    Ok(())
}

#[test]
fn the_proxy_says_how_it_is_used_and_what_is_wrong() -> Result<()> {
    let _alone = alone();
    let occupied = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let _occupier = TcpListener::bind(occupied)?;
    let occupied = occupied.to_string();
    for (args, what) in [
        (&[][..], "usage: tcp_proxy LISTEN TARGET"),
        (&["127.0.0.1:0"], "usage"),
        (&["nonsense", "127.0.0.1:1"], "`nonsense` is no address"),
        (&[&occupied, "127.0.0.1:1"], &occupied),
    ] {
        let output = Command::new(example("tcp_proxy")?).args(args).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(what) && said.lines().count() == 1, "{said}");
    }
    Ok(())
}
