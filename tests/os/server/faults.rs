//! Handlers that fail and peers that misbehave: each ends only its own connection, and a handler's
//! fault is reported.

use std::cell::Cell;
use std::io::{Error, Read as _, Result, Write as _};
use std::net::Shutdown;
use std::rc::Rc;
use std::time::Duration;

use oneloop::io::{StreamReader, StreamWriter};
use oneloop::net::TcpStream;
use oneloop::thread::to_thread;
use oneloop::{Server, open_connection, sleep, start_server, yield_now};
use socket2::SockRef;

use super::{ANY_PORT, SECOND, addr_of, connect, connections, echo, run, run_reporting};

#[test]
fn an_error_of_a_handler_is_reported_with_the_peers_address() -> Result<()> {
    let peer = Rc::new(Cell::new(None));
    let known = Rc::clone(&peer);
    let reports = run_reporting(async move {
        let handler = async |mut reader: StreamReader, mut writer: StreamWriter| {
            let line = reader.readline().await?.to_vec();
            writer.write(&line);
            if line == b"fail\n" { Err(Error::other("no such thing")) } else { Ok(()) }
        };
        let server = start_server(handler, ANY_PORT).await?;
        let mut other = connect(&server)?;
        let mut client = connect(&server)?;
        known.set(Some(client.local_addr()?));
        client.write_all(b"fail\n")?;
        connections(&server, 1).await;
        let mut heard = String::new();
        client.read_to_string(&mut heard)?;
        assert_eq!(heard, "fail\n", "what was written before is sent");
        // Other clients are served as before.
        other.write_all(b"well\n")?;
        connections(&server, 0).await;
        let (mut reader, mut writer) = open_connection(addr_of(&server)).await?;
        writer.write("again\n");
        assert_eq!(reader.readline().await?, b"again\n");
        Ok(())
    })?;
    assert_eq!(reports.len(), 1, "{reports:?}");
    let peer = peer.get().expect("it has connected").to_string();
    for part in [&*peer, "no such thing", "faults.rs"] {
        assert!(reports[0].contains(part), "{part} is not in: {}", reports[0]);
    }
    Ok(())
}

#[test]
fn a_panic_of_a_handler_is_reported_and_ends_its_connection_only() -> Result<()> {
    let reports = run_reporting(async {
        let handler = async |mut reader: StreamReader, mut writer: StreamWriter| {
            let line = reader.readline().await?.to_vec();
            assert_ne!(line, b"panic\n", "as was asked for");
            writer.write(&line);
            Result::Ok(())
        };
        let server = start_server(handler, ANY_PORT).await?;
        let mut client = connect(&server)?;
        connections(&server, 1).await;
        client.write_all(b"panic\n")?;
        connections(&server, 0).await;
        assert_eq!(client.read(&mut [0; 1])?, 0);
        let (mut reader, mut writer) = open_connection(addr_of(&server)).await?;
        writer.write("fine\n");
        assert_eq!(reader.readline().await?, b"fine\n");
        Ok(())
    })?;
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert!(reports[0].contains("connection from 127.0.0.1:"), "{}", reports[0]);
    assert!(reports[0].contains("as was asked for"), "{}", reports[0]);
    Ok(())
}

#[test]
fn a_handler_that_panics_before_it_waits_harms_nobody() -> Result<()> {
    let reports = run_reporting(async {
        let handler = async |_: StreamReader, _: StreamWriter| -> () { panic!("at once") };
        let server = start_server(handler, ANY_PORT).await?;
        for _ in 0..3 {
            let (mut reader, _writer) = open_connection(addr_of(&server)).await?;
            assert_eq!(reader.read_to_end().await?, b"");
            connections(&server, 0).await;
        }
        server.shutdown(SECOND).await;
        Ok(())
    })?;
    assert_eq!(reports.len(), 3, "{reports:?}");
    Ok(())
}

#[test]
fn peers_that_reset_end_their_own_connections() -> Result<()> {
    let reports = run_reporting(async {
        let server = start_server(echo, ANY_PORT).await?;
        let mut polite = connect(&server)?;
        for _ in 0..20 {
            let mut rude = connect(&server)?;
            rude.write_all(b"unread")?;
            SockRef::from(&rude).set_linger(Some(Duration::ZERO))?;
        }
        let echoed = to_thread(move || {
            polite.write_all(b"hello")?;
            polite.read_exact(&mut [0; 5])?;
            Result::Ok(polite)
        });
        let polite = echoed.await?;
        connections(&server, 1).await;
        drop(polite);
        Ok(())
    })?;
    // Connections that were reset before the server knew them were never served.
    assert!(reports.len() <= 20, "{reports:?}");
    assert!(
        reports.iter().all(|report| report.contains("reset") || report.contains("pipe")),
        "{reports:?}"
    );
    Ok(())
}

#[test]
fn a_peer_that_trickles_is_served_byte_by_byte() -> Result<()> {
    run(async {
        let handler = async |mut reader: StreamReader, mut writer: StreamWriter| {
            while !reader.readline().await?.is_empty() {
                writer.write(".");
            }
            Result::Ok(())
        };
        let server = start_server(handler, ANY_PORT).await?;
        let mut client = connect(&server)?;
        for byte in b"one\ntwo\nthree\n" {
            client.write_all(&[*byte])?;
            yield_now().await;
            sleep(Duration::from_micros(100)).await;
        }
        client.shutdown(Shutdown::Write)?;
        connections(&server, 0).await;
        let mut heard = String::new();
        client.read_to_string(&mut heard)?;
        assert_eq!(heard, "...");
        Ok(())
    })
}

#[test]
fn a_peer_that_stalls_holds_up_nobody_else() -> Result<()> {
    run(async {
        let handler = async |mut reader: StreamReader, mut writer: StreamWriter| {
            let len = reader.readline().await?.len();
            writer.write_all(vec![7; if len > 1 { 16 << 20 } else { 1 }]).await
        };
        let server = start_server(handler, ANY_PORT).await?;
        let mut stalled = connect(&server)?;
        stalled.write_all(b"much\n")?;
        let (mut reader, mut writer) = open_connection(addr_of(&server)).await?;
        writer.write("\n");
        assert_eq!(reader.read_to_end().await?, [7]);
        connections(&server, 1).await;
        let all = to_thread(move || {
            let mut all = Vec::new();
            stalled.read_to_end(&mut all).map(|_| all.len())
        });
        assert_eq!(all.await?, 16 << 20);
        Ok(())
    })
}

#[test]
fn handlers_need_not_use_their_streams() -> Result<()> {
    run(async {
        let server = start_server(async |_, _| (), ANY_PORT).await?;
        let client = TcpStream::connect(addr_of(&server)).await?;
        client.write_all(b"anybody?").await?;
        // An orderly end, even if the client's data was not read.
        assert_eq!(client.read(&mut [0; 1]).await?, 0);
        connections(&server, 0).await;
        Ok(())
    })
}

#[test]
#[should_panic(expected = "limit of 0")]
fn a_server_that_would_serve_nobody_is_refused() {
    drop(Server::builder().max_connections(0));
}
