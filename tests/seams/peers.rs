//! Foreign peers: netcat and socat as clients and as servers, and shell pipelines around them.

use std::cell::Cell;
use std::io::{Error, Result};
use std::rc::Rc;

use oneloop::fs;
use oneloop::io::{StreamReader, StreamWriter};
use oneloop::net::UdpSocket;
use oneloop::process::{Child, Command, Stdio};
use oneloop::{
    Builder, create_task, open_connection, open_unix_connection, start_server, start_unix_server,
};

use super::{
    ANY_PORT, alone, is_installed, leaves_nothing, leaves_nothing_with, port_of, said_by, until,
};

/// Returns each line in capitals, and their number at the end.
async fn shout(mut reader: StreamReader, mut writer: StreamWriter) -> Result<()> {
    let mut count = 0;
    loop {
        let line = reader.readline().await?;
        if line.is_empty() {
            break;
        }
        writer.write(line.to_ascii_uppercase());
        writer.drain().await?;
        count += 1;
    }
    writer.write(format!("{count} lines\n"));
    Ok(())
}

/// The port in the first line of a program's standard error, after `before`.
async fn port_said(child: &mut Child, before: &str) -> Result<u16> {
    let mut errors = StreamReader::new(child.stderr.take().expect("it is piped"));
    loop {
        let line = String::from_utf8_lossy(errors.readline().await?).into_owned();
        assert!(!line.is_empty(), "it has ended without a port");
        if line.to_ascii_lowercase().contains(before) {
            let port = line.trim_end().rsplit([' ', ':']).next();
            return port.unwrap_or_default().parse().map_err(Error::other);
        }
    }
}

#[test]
fn netcat_and_a_pipeline_are_served() -> Result<()> {
    let _alone = alone();
    if !is_installed("nc") {
        return Ok(());
    }
    leaves_nothing(async {
        let server = start_server(shout, ANY_PORT).await?;
        let port = port_of(&server);
        let script = format!("printf 'one\\ntwo' | nc -N 127.0.0.1 {port} | tail -n 1");
        assert_eq!(said_by(&script).await?, "TWO2 lines\n");
        let script = format!("seq 20000 | sed s/$/x/ | nc -N 127.0.0.1 {port} | cksum");
        let expected = "{ seq 20000 | sed s/$/X/; echo 20000 lines; } | cksum";
        assert_eq!(said_by(&script).await?, said_by(expected).await?);
        Ok(())
    })
}

#[test]
fn a_pipeline_that_breaks_off_is_reported_with_its_address() -> Result<()> {
    let _alone = alone();
    if !is_installed("socat") {
        return Ok(());
    }
    let ((), reports) = leaves_nothing_with(Builder::new(), async {
        let server = start_server(shout, ANY_PORT).await?;
        let port = port_of(&server);
        // Endless input, of which only one line of output is read.
        let script = format!("yes | socat - TCP:127.0.0.1:{port} | head -n 1");
        assert_eq!(said_by(&script).await?, "Y\n");
        until(|| server.connections() == 0).await;
        Ok(())
    })?;
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert!(reports[0].contains("connection from 127.0.0.1:"), "{reports:?}");
    assert!(reports[0].contains("reset") || reports[0].contains("pipe"), "{reports:?}");
    Ok(())
}

#[test]
fn netcat_answers() -> Result<()> {
    let _alone = alone();
    if !is_installed("nc") {
        return Ok(());
    }
    leaves_nothing(async {
        let mut nc = Command::new("nc");
        nc.args(["-l", "-v", "-n", "-N", "127.0.0.1", "0"]).stderr(Stdio::piped());
        let mut nc = nc.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let port = port_said(&mut nc, "listening on").await?;
        let (mut reader, mut writer) = open_connection(("127.0.0.1", port)).await?;
        writer.write("a question\n");
        let mut heard = StreamReader::new(nc.stdout.take().expect("it is piped"));
        assert_eq!(heard.readline().await?, b"a question\n");
        nc.stdin.take().expect("it is piped").write_all(b"an answer\n").await?;
        assert_eq!(reader.readline().await?, b"an answer\n");
        assert_eq!(reader.readline().await?, b"", "netcat has shut its side");
        writer.close();
        assert!(nc.wait().await?.success());
        Ok(())
    })
}

#[test]
fn socat_is_served_at_a_unix_socket() -> Result<()> {
    let _alone = alone();
    if !is_installed("socat") {
        return Ok(());
    }
    leaves_nothing(async {
        let dir = fs::temp_dir().await?;
        let path = dir.path().join("socket");
        let server = start_unix_server(shout, &path)?;
        let script = format!("seq 3 | socat -t 10 - UNIX-CONNECT:{}", path.display());
        assert_eq!(said_by(&script).await?, "1\n2\n3\n3 lines\n");
        drop(server);
        assert!(!path.exists());
        dir.close().await
    })
}

#[test]
fn socat_answers_at_a_port_and_at_a_path() -> Result<()> {
    let _alone = alone();
    if !is_installed("socat") {
        return Ok(());
    }
    leaves_nothing(async {
        let mut socat = Command::new("socat");
        socat.args(["-d", "-d", "TCP-LISTEN:0,bind=127.0.0.1", "EXEC:cat"]);
        let mut socat = socat.stderr(Stdio::piped()).spawn()?;
        let port = port_said(&mut socat, "listening on").await?;
        let (mut reader, mut writer) = open_connection(("127.0.0.1", port)).await?;
        let text = "all of it\n".repeat(50_000);
        writer.write(&text);
        writer.write_eof();
        assert!(reader.read_to_string().await? == text);
        assert!(socat.wait().await?.success());

        let dir = fs::temp_dir().await?;
        let path = dir.path().join("socket");
        let mut socat = Command::new("socat");
        socat.args(["-d", "-d"]).arg(format!("UNIX-LISTEN:{}", path.display())).arg("EXEC:cat");
        let mut socat = socat.stderr(Stdio::piped()).spawn()?;
        let mut errors = StreamReader::new(socat.stderr.take().expect("it is piped"));
        assert!(String::from_utf8_lossy(errors.readuntil("listening on").await?).len() > 12);
        let (mut reader, mut writer) = open_unix_connection(&path).await?;
        writer.writelines(["one\n", "two\n"]);
        assert_eq!(reader.readline().await?, b"one\n");
        assert_eq!(reader.readline().await?, b"two\n");
        writer.write_eof();
        assert_eq!(reader.readline().await?, b"");
        assert!(socat.wait().await?.success());
        dir.close().await
    })
}

#[test]
fn socat_sends_datagrams() -> Result<()> {
    let _alone = alone();
    if !is_installed("socat") {
        return Ok(());
    }
    leaves_nothing(async {
        let socket = Rc::new(UdpSocket::bind(ANY_PORT).await?);
        let port = socket.local_addr()?.port();
        let count = Rc::new(Cell::new(0));
        let answering = create_task({
            let (socket, count) = (Rc::clone(&socket), Rc::clone(&count));
            async move {
                let mut datagram = [0; 2048];
                loop {
                    let (len, addr) = socket.recv_from(&mut datagram).await?;
                    count.set(count.get() + 1);
                    let answer = [b"heard ", &datagram[..len]].concat();
                    let _: usize = socket.send_to(&answer, addr).await?;
                }
            }
        });
        let _: &oneloop::Task<Result<()>> = &answering;
        let mut socat = Command::new("socat");
        // It waits this long for more answers when its input has ended.
        socat.args(["-t", "0.1", "-"]).arg(format!("UDP:127.0.0.1:{port}"));
        let mut socat = socat.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        socat.stdin.as_ref().expect("it is piped").write_all(b"hello\n").await?;
        let mut heard = StreamReader::new(socat.stdout.take().expect("it is piped"));
        assert_eq!(heard.readline().await?, b"heard hello\n");
        drop(socat.stdin.take());
        assert_eq!(heard.readline().await?, b"");
        assert!(socat.wait().await?.success());
        assert_eq!(count.get(), 1);
        answering.cancel();
        Ok(())
    })
}
