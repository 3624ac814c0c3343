//! Thousands of connections come and go, and nothing remains: no descriptor, no task.
//!
//! This is a separate process, so that no other test changes its descriptors.

#![cfg(all(feature = "net", target_os = "linux"))]

use std::env;
use std::fs;
use std::io::{Error, Read as _, Result, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::panic;
use std::path::{Path, PathBuf};
use std::process;
use std::time::Duration;

use oneloop::io::{StreamReader, StreamWriter};
use oneloop::net::UnixListener;
use oneloop::thread::to_thread;
use oneloop::{Builder, Server, all_tasks, open_connection, sleep, yield_now};
use socket2::SockRef;

/// The number of descriptors of the process.
fn descriptors() -> Result<usize> {
    // One of them is the directory's.
    Ok(fs::read_dir("/proc/self/fd")?.count() - 1)
}

/// The client's request.
async fn serve(mut reader: StreamReader, mut writer: StreamWriter) -> Result<()> {
    match reader.readline().await? {
        b"panic\n" => panic!("as was asked for"),
        b"fail\n" => return Err(Error::other("as was asked for")),
        b"much\n" => writer.write(vec![7; 100_000]),
        b"close\n" => writer.close(),
        b"abort\n" => writer.abort(),
        line => writer.write(line),
    }
    Ok(())
}

const ROUNDS: usize = 100;

/// Each kind of end, by either side, orderly or not.
fn clients(addr: SocketAddr, path: &Path) -> Result<()> {
    let words = ["hello\n", "much\n", "close\n", "abort\n", "fail\n", "panic\n", "", "half"];
    for _ in 0..ROUNDS {
        for word in words {
            let mut client = TcpStream::connect(addr)?;
            client.write_all(word.as_bytes())?;
            client.shutdown(Shutdown::Write).ok();
            // Some of them with a reset, as requested.
            client.read_to_end(&mut Vec::new()).ok();

            let mut client = UnixStream::connect(path)?;
            client.write_all(word.as_bytes())?;
            client.shutdown(Shutdown::Write).ok();
            client.read_to_end(&mut Vec::new()).ok();

            let mut rude = TcpStream::connect(addr)?;
            rude.write_all(word.as_bytes())?;
            SockRef::from(&rude).set_linger(Some(Duration::ZERO))?;
        }
    }
    Ok(())
}

async fn come_and_go(path: PathBuf) -> Result<()> {
    let listener = UnixListener::bind(&path)?;
    let server = Server::builder().unix_listener(listener).max_connections(50);
    let server = server.start(serve, "127.0.0.1:0").await?;
    let addr = server.local_addrs()[0];
    open_connection(addr).await?;
    while server.connections() > 0 {
        yield_now().await;
    }
    let (before, tasks) = (descriptors()?, all_tasks().len());

    to_thread(move || clients(addr, &path)).await?;
    for _ in 0..1000 {
        let (_reader, mut writer) = open_connection(addr).await?;
        writer.write("hello\n");
    }
    // They are accepted in order, so this one is the last.
    let (mut reader, mut writer) = open_connection(addr).await?;
    writer.write("the last\n");
    assert_eq!(reader.read_to_end().await?, b"the last\n");
    drop((reader, writer));
    while server.connections() > 0 {
        sleep(Duration::from_millis(1)).await;
    }
    // The thread for blocking calls and the alarm of the reactor are made when first needed.
    assert!(descriptors()? <= before + 2, "{} more", descriptors()? - before);
    assert_eq!(all_tasks().len(), tasks);

    // The connections that are open when the server is dropped.
    let mut open = Vec::new();
    for _ in 0..40 {
        open.push(open_connection(addr).await?);
    }
    while server.connections() < 40 {
        yield_now().await;
    }
    server.abort_clients();
    assert!(server.shutdown(Duration::from_secs(60)).await);
    drop((server, open));
    while all_tasks().len() > 1 {
        yield_now().await;
    }
    assert!(descriptors()? <= before, "those of the listeners are closed too");
    Ok(())
}

#[test]
fn nothing_stays_of_connections_that_have_ended() -> Result<()> {
    let path = env::temp_dir().join(format!("oneloop-connections-{}", process::id()));
    let before = descriptors()?;
    // Thousands of errors and panics are reported.
    let builder = Builder::new().on_unhandled(|_| ());
    panic::set_hook(Box::new(|_| ()));
    builder.run(come_and_go(path))?;
    drop(panic::take_hook());
    assert_eq!(descriptors()?, before);
    Ok(())
}
