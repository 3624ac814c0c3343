//! `StreamWriter::send_file`: the order, the two ways, and the effects of errors.

use std::env;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Result, Write};
use std::net::TcpStream as StdStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::pin::pin;
use std::thread;
use std::time::Duration;

use oneloop::io::{SendFileError, StreamReader, StreamWriter, duplex, pipe};
use oneloop::net::UnixStream;
use oneloop::thread::to_thread;
use oneloop::{create_task, start_server};
use socket2::SockRef;

use super::{LIMIT, Sink, pair_with_std, run, settle, waits};
use crate::send_file::{file_of, some_bytes};

fn failure<T>(result: Result<T>) -> io::Error {
    match result {
        Ok(_) => panic!("it should have failed"),
        Err(error) => error,
    }
}

fn sent_before(error: &io::Error) -> u64 {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<SendFileError>());
    inner.unwrap_or_else(|| panic!("not a `SendFileError`: {error}")).sent()
}

#[test]
fn a_file_goes_behind_what_was_written_before() -> Result<()> {
    run(async {
        let (before, bytes) = (vec![b'x'; 5 << 20], some_bytes(1 << 20));
        let file = file_of(&bytes)?;
        let ((_reader, mut writer), mut peer) = pair_with_std()?;
        writer.write(&before);
        assert!(writer.write_buffer_size() > 0, "the kernel has room for less");
        let reading = thread::spawn(move || {
            let mut all = Vec::new();
            peer.read_to_end(&mut all).map(|_| all)
        });
        assert_eq!(writer.send_file(&file, 7..).await?, bytes.len() as u64 - 7);
        writer.write("behind");
        writer.wait_closed().await?;
        let got = to_thread(move || reading.join().expect("it does not panic")).await?;
        assert!(got == [&before[..], &bytes[7..], b"behind"].concat());
        Ok(())
    })
}

#[test]
fn a_file_goes_to_a_connection_in_memory() -> Result<()> {
    run(async {
        let bytes = some_bytes(600_000);
        let file = file_of(&bytes)?;
        let (here, there) = duplex(10_000);
        let (_reader, mut writer) = here.into_streams();
        let (mut reader, _writer) = there.into_streams();
        let sending = async {
            writer.write("before ");
            let sent = writer.send_file(&file, ..).await?;
            writer.write(" behind");
            writer.write_eof();
            Result::Ok(sent)
        };
        let (sent, got) = oneloop::try_gather!(sending, reader.read_to_end()).await?;
        assert_eq!(sent, bytes.len() as u64);
        assert!(got == [b"before ", &bytes[..], b" behind"].concat());
        Ok(())
    })
}

#[test]
fn a_file_goes_to_pipes_and_unix_sockets() -> Result<()> {
    run(async {
        let file = file_of(b"0123456789")?;
        let (sender, receiver) = pipe::pipe()?;
        let mut writer = StreamWriter::new(sender);
        assert_eq!(writer.send_file(&file, 3..6).await?, 3);
        drop(writer);
        assert_eq!(StreamReader::new(receiver).read_to_end().await?, b"345");

        let (here, there) = UnixStream::pair()?;
        let (_reader, mut writer) = here.into_streams();
        assert_eq!(writer.send_file(&file, ..=2).await?, 3);
        assert_eq!(writer.send_file(&file, 8..100).await?, 2);
        assert_eq!(writer.send_file(&file, 10..).await?, 0);
        drop(writer);
        assert_eq!(there.into_streams().0.read_to_end().await?, b"01289");
        Ok(())
    })
}

#[test]
fn what_keeps_data_back_is_flushed_behind_the_file() -> Result<()> {
    run(async {
        let sink = Sink::with_room(100);
        let mut writer = StreamWriter::new(sink.clone());
        assert_eq!(writer.send_file(file_of(b"0123456789")?, ..).await?, 10);
        settle().await;
        assert_eq!((sink.data(), sink.0.borrow().flushes), (b"0123456789".to_vec(), 1));
        Ok(())
    })
}

#[test]
fn it_waits_for_what_was_written_before() -> Result<()> {
    run(async {
        let sink = Sink::with_room(2);
        let mut writer = StreamWriter::new(sink.clone());
        writer.write("before");
        let file = file_of(b" file")?;
        {
            let mut sending = pin!(writer.send_file(&file, ..));
            assert!(waits(&mut sending).await);
            sink.grow(4);
            settle().await;
            assert!(waits(&mut sending).await);
            assert_eq!(sink.data(), b"before");
            sink.grow(2);
            assert!(waits(&mut sending).await);
        }
        // It is abandoned: the sent part stays sent, and the writer continues.
        sink.grow(100);
        writer.write("!");
        writer.flush().await?;
        assert_eq!(sink.data(), b"before f!");
        Ok(())
    })
}

#[test]
fn behind_the_end_of_writing_nothing_is_sent() -> Result<()> {
    run(async {
        let file = file_of(b"0123456789")?;
        let ((_reader, mut writer), mut peer) = pair_with_std()?;
        writer.write_eof();
        let error = failure(writer.send_file(&file, ..).await);
        assert_eq!((error.kind(), sent_before(&error)), (ErrorKind::BrokenPipe, 0));
        assert!(error.to_string().contains("write_eof"), "{error}");
        writer.wait_closed().await?;
        let error = failure(writer.send_file(&file, ..).await);
        assert_eq!((error.kind(), sent_before(&error)), (ErrorKind::BrokenPipe, 0));
        assert_eq!(peer.read(&mut [0])?, 0);
        Ok(())
    })
}

#[test]
fn an_error_of_the_file_leaves_the_writer_as_it_was() -> Result<()> {
    run(async {
        let ((_reader, mut writer), mut peer) = pair_with_std()?;
        let (socket, mut other) = StdUnixStream::pair()?;
        other.write_all(b"some bytes")?;
        writer.write("a");
        let error = failure(writer.send_file(File::from(OwnedFd::from(socket)), ..).await);
        assert_eq!((error.kind(), sent_before(&error)), (ErrorKind::NotSeekable, 0));
        writer.write("b");
        let error = failure(writer.send_file(File::open(env::temp_dir())?, ..).await);
        assert_eq!(error.kind(), ErrorKind::IsADirectory);
        writer.write("c");
        writer.wait_closed().await?;
        let mut got = String::new();
        peer.read_to_string(&mut got)?;
        assert_eq!(got, "abc");
        Ok(())
    })
}

#[test]
fn a_peer_that_goes_away_is_an_error_that_stays() -> Result<()> {
    run(async {
        let file = file_of(&some_bytes(1 << 20))?;
        let ((_reader, mut writer), peer) = pair_with_std()?;
        let sending = create_task(async move {
            let error = loop {
                if let Err(error) = writer.send_file(&file, ..).await {
                    break error;
                }
            };
            (error, writer)
        });
        settle().await;
        assert!(!sending.is_finished(), "the kernel has room for less");
        SockRef::from(&peer).set_linger(Some(Duration::ZERO))?;
        drop(peer);
        let (error, mut writer) = sending.await?;
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert!(error.to_string().contains(&sent_before(&error).to_string()), "{error}");
        assert!(writer.is_closing());
        for _ in 0..2 {
            assert_eq!(failure(writer.drain().await).kind(), ErrorKind::ConnectionReset);
        }
        Ok(())
    })
}

#[test]
fn a_server_that_closes_lets_the_file_go_out_first() -> Result<()> {
    run(async {
        let bytes = some_bytes(8 << 20);
        let file = file_of(&bytes)?;
        let handler = async move |_: StreamReader, mut writer: StreamWriter| {
            writer.send_file(&file, ..).await.map(drop)
        };
        let server = start_server(handler, "127.0.0.1:0").await?;
        let mut peer = StdStream::connect(server.local_addrs()[0])?;
        peer.set_read_timeout(Some(LIMIT))?;
        let mut peer = to_thread(move || peer.read_exact(&mut [0; 7]).map(|()| peer)).await?;
        server.close_clients();
        let got = to_thread(move || {
            let mut all = Vec::new();
            peer.read_to_end(&mut all).map(|_| all)
        });
        assert!(got.await? == bytes[7..]);
        Ok(())
    })
}
