//! Crates that want tokio's traits, over oneloop's streams and without tokio's runtime.

#![expect(clippy::unwrap_used, reason = "these are tests, and their helpers")]

use std::env;
use std::future::poll_fn;
use std::io::{ErrorKind, IoSlice};
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::process;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use oneloop::io::{StreamReader, StreamWriter, duplex, pipe};
use oneloop::net::{TcpListener, TcpStream, UnixStream};
use oneloop::time::now;
use oneloop::{create_task, fs, gather, sleep, timeout};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, ReadBuf,
    copy,
};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{accept_async, client_async};

const PATIENCE: Duration = Duration::from_secs(10);
const ANY_PORT: &str = "127.0.0.1:0";

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(ANY_PORT).await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (client, listener.accept().await.unwrap().0)
}

/// Sends 3 MB from one end to the other through tokio's traits.
async fn transfers(reader: impl AsyncRead, writer: impl AsyncWrite) {
    let data: Vec<u8> =
        (0..3_000_000_u32).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[2]).collect();
    let (mut reader, mut writer) = (pin!(reader), pin!(writer));
    let mut received = Vec::new();
    let sending = async {
        writer.write_all(&data[..1_000_000]).await.unwrap();
        let rest = [IoSlice::new(&data[1_000_000..1_500_000]), IoSlice::new(&data[1_500_000..])];
        let mut sent = writer.write_vectored(&rest).await.unwrap();
        assert!(sent > 0);
        while sent < 2_000_000 {
            sent += writer.write(&data[1_000_000 + sent..]).await.unwrap();
        }
        writer.flush().await.unwrap();
        writer.shutdown().await.unwrap();
    };
    let receiving = async { reader.read_to_end(&mut received).await.unwrap() };
    let ((), count) = timeout(PATIENCE, async { gather!(sending, receiving).await }).await.unwrap();
    assert_eq!(count, data.len());
    assert!(received == data);
}

#[test]
fn streams_of_all_kinds_have_tokios_traits() {
    oneloop::run(async {
        let (one, other) = pair().await;
        transfers(one, other).await;
        let (one, other) = pair().await;
        transfers(&one, &other).await;
        let (one, other) = UnixStream::pair().unwrap();
        transfers(one, other).await;
        let (one, other) = duplex(1000);
        transfers(one, other).await;
        let (sender, receiver) = pipe::pipe().unwrap();
        transfers(receiver, sender).await;
        let (one, other) = pair().await;
        let (reader, _writer): (StreamReader, StreamWriter) = one.into_streams();
        let (_reader, writer) = other.into_streams();
        transfers(reader, writer).await;
        let (one, other) = pair().await;
        transfers(one.into_split().0, other.into_split().1).await;
    });
}

#[test]
fn a_buffer_that_is_not_initialised_is_not_filled_beyond_the_data() {
    oneloop::run(async {
        let (mut one, other) = duplex(100);
        other.write_all(b"hello").await.unwrap();
        let mut memory = [MaybeUninit::uninit(); 64];
        let mut buf = ReadBuf::uninit(&mut memory);
        buf.put_slice(b"> ");
        poll_fn(|cx| Pin::new(&mut one).poll_read(cx, &mut buf)).await.unwrap();
        assert_eq!(buf.filled(), b"> hello");
        assert_eq!(buf.initialized().len(), 7);
        let mut memory = [1; 4];
        let mut buf = ReadBuf::new(&mut memory);
        other.write_all(b"world").await.unwrap();
        poll_fn(|cx| Pin::new(&mut one).poll_read(cx, &mut buf)).await.unwrap();
        assert_eq!(buf.filled(), b"worl");
        // No room is no end.
        poll_fn(|cx| Pin::new(&mut one).poll_read(cx, &mut buf)).await.unwrap();
        let mut rest = [0; 4];
        assert_eq!(one.read(&mut rest).await.unwrap(), 1);
    });
}

#[test]
fn tokios_helpers_read_lines_and_copy() {
    oneloop::run(async {
        let (one, other) = duplex(10);
        let writing = create_task(async move {
            let mut other = other;
            AsyncWriteExt::write_all(&mut other, b"one\ntwo\nthree").await.unwrap();
            AsyncWriteExt::shutdown(&mut other).await.unwrap();
        });
        let mut lines = BufReader::new(one).lines();
        let mut all = Vec::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            all.push(line);
        }
        assert_eq!(all, ["one", "two", "three"]);
        writing.await.unwrap();
        let path = env::temp_dir().join(format!("oneloop-tokio-io-{}", process::id()));
        let mut file = fs::File::create(&path).await.unwrap();
        let (reader, other) = duplex(10);
        let feeding = create_task(async move { other.write_all(&vec![7; 100_000]).await.unwrap() });
        let mut reader = reader;
        assert_eq!(copy(&mut reader, &mut file).await.unwrap(), 100_000);
        AsyncWriteExt::flush(&mut file).await.unwrap();
        feeding.await.unwrap();
        assert_eq!(fs::read(&path).await.unwrap().len(), 100_000);
        fs::remove_file(&path).await.unwrap();
    });
}

#[test]
fn a_loop_over_ready_reads_lets_timers_fire() {
    oneloop::run(async {
        let (one, other) = duplex(1 << 20);
        let busy = create_task(async move {
            let (mut one, mut other) = (one, other);
            let mut byte = [0];
            loop {
                AsyncWriteExt::write_all(&mut other, b"x").await.unwrap();
                AsyncReadExt::read_exact(&mut one, &mut byte).await.unwrap();
            }
        });
        let start = now();
        for _ in 0..5 {
            sleep(Duration::from_millis(2)).await;
        }
        assert!(now() - start < Duration::from_secs(2));
        busy.cancel();
    });
}

#[test]
fn errors_of_the_stream_come_through() {
    oneloop::run(async {
        let (one, other) = pair().await;
        other.set_linger(Some(Duration::ZERO)).unwrap();
        drop(other);
        let mut one = one;
        let error = loop {
            match AsyncReadExt::read(&mut one, &mut [0; 8]).await {
                Ok(count) => assert_ne!(count, 0, "a reset is no end"),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn websockets_with_tungstenite() {
    oneloop::run(async {
        let (client, server) = pair().await;
        let echo = create_task(async move {
            let mut socket = accept_async(server).await.unwrap();
            while let Some(Ok(message)) = socket.next().await {
                if message.is_text() || message.is_binary() {
                    socket.send(message).await.unwrap();
                }
            }
        });
        let (mut socket, _) = client_async("ws://here/", client).await.unwrap();
        for size in [0, 1, 125, 126, 65_536, 1_000_000] {
            socket.send(Message::binary(vec![3; size])).await.unwrap();
            let answer = timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
            assert_eq!(answer.len(), size);
        }
        socket.close(None).await.unwrap();
        while socket.next().await.is_some() {}
        timeout(PATIENCE, echo).await.unwrap().unwrap();
    });
}
