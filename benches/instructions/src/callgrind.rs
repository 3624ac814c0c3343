//! Runs a work under callgrind at two lengths.

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{self, Child, Command, Stdio};

use crate::works::{Peer, Work};

/// The instructions of one operation.
pub(crate) fn count(work: &Work) -> Result<f64, String> {
    let short = instructions(work, work.times)?;
    let long = instructions(work, work.times * 3)?;
    #[expect(clippy::cast_precision_loss, reason = "it has fewer than 53 bits")]
    Ok((long - short) as f64 / f64::from(work.times * 2))
}

/// Counts the instructions of the program that does a work `times` times.
fn instructions(work: &Work, times: u32) -> Result<u64, String> {
    let name = work.name;
    let file = env::temp_dir().join(format!("oneloop-{name}-{times}-{}.callgrind", process::id()));
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let mut child = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg("--quiet")
        .arg(program)
        .args(["--work", name, &times.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start valgrind: {error}"))?;
    if let Some(peer) = work.peer {
        talk(&mut child, peer, times).map_err(|error| format!("{name}: {error}"))?;
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    if !status.success() {
        return Err(format!("{name} ended with {status} under callgrind"));
    }
    let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    fs::remove_file(&file).map_err(|error| error.to_string())?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    let total = total.and_then(|total| total.trim().parse().ok());
    total.ok_or_else(|| format!("callgrind says no total for {name}"))
}

/// Sends messages one after another to a server, which prints its port, and ends the connection.
fn talk(server: &mut Child, peer: Peer, times: u32) -> io::Result<()> {
    let stdout = server.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let mut port = String::new();
    BufReader::new(stdout).read_line(&mut port)?;
    let mut stream = TcpStream::connect(format!("127.0.0.1:{}", port.trim()))?;
    stream.set_nodelay(true)?;
    let mut answer = vec![0; peer.answer];
    for _ in 0..times {
        stream.write_all(peer.message)?;
        stream.read_exact(&mut answer)?;
    }
    Ok(())
}
