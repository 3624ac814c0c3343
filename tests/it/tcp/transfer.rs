//! Large amounts of data.

use std::io::{ErrorKind, Result};
use std::net::Shutdown;
use std::rc::Rc;

use oneloop::net::TcpStream;
use oneloop::{create_task, try_gather};

use super::{pair, read_to_end, run, waits};

const LEN: usize = 8 << 20;

/// Bytes that depend on the place and the seed: a repeated block, whose length no buffer has.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let block = random_bytes(seed, 65_521);
    let mut all = block.repeat(len / block.len() + 1);
    all.truncate(len);
    all
}

fn random_bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed;
    let step = |_| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()
    };
    (0..=len / 8).flat_map(step).take(len).collect()
}

async fn send(stream: &TcpStream, data: &[u8]) -> Result<()> {
    stream.write_all(data).await?;
    stream.shutdown(Shutdown::Write)
}

#[test]
fn eight_mebibytes_each_way_at_once_arrive_unchanged() -> Result<()> {
    run(async {
        let (client, server) = pair().await?;
        let (there, back) = (noise(1, LEN), noise(2, LEN));
        let ((), (), at_server, at_client) = try_gather!(
            send(&client, &there),
            send(&server, &back),
            read_to_end(&server),
            read_to_end(&client),
        )
        .await?;
        assert!(at_server == there);
        assert!(at_client == back);
        Ok(())
    })
}

#[test]
fn what_goes_through_an_echo_in_another_task_comes_back_unchanged() -> Result<()> {
    run(async {
        let (client, server) = pair().await?;
        let echo = create_task(async move {
            // An odd size, so that some reads and writes are short.
            let mut buf = vec![0; 50_001];
            loop {
                match server.read(&mut buf).await? {
                    0 => return server.shutdown(Shutdown::Write),
                    len => server.write_all(&buf[..len]).await?,
                }
            }
        });
        let data = noise(3, LEN);
        let ((), back) = try_gather!(send(&client, &data), read_to_end(&client)).await?;
        assert!(back == data);
        echo.await?
    })
}

#[test]
fn a_slow_reader_holds_the_writer_back() -> Result<()> {
    run(async {
        let (client, server) = pair().await?;
        let data = Rc::new(noise(4, LEN));
        let to_send = Rc::clone(&data);
        let writer = create_task(async move { send(&client, &to_send).await });
        let mut received = Vec::new();
        let mut buf = vec![0; 4096];
        // The kernel's buffers are limited, so the writer has to wait long before all is read.
        while received.len() < LEN / 4 {
            let len = server.read(&mut buf).await?;
            received.extend_from_slice(&buf[..len]);
        }
        assert!(!writer.is_finished());
        received.extend(read_to_end(&server).await?);
        writer.await??;
        assert!(received == *data);
        Ok(())
    })
}

#[test]
fn a_full_socket_takes_more_only_after_it_was_read() -> Result<()> {
    run(async {
        let (client, server) = pair().await?;
        let (mut sent, lots) = (0, vec![7; 65536]);
        let full = loop {
            match client.try_write(&lots) {
                Ok(len) => sent += len,
                Err(error) => break error,
            }
        };
        assert_eq!(full.kind(), ErrorKind::WouldBlock);
        let mut write = Box::pin(client.write(b"one more"));
        assert!(waits(&mut write).await);
        let drain = async {
            let (mut drained, mut buf) = (0, vec![0; 65536]);
            while drained < sent {
                drained += server.read(&mut buf).await?;
            }
            Ok(drained)
        };
        let (written, drained) = try_gather!(write, drain).await?;
        assert!(written > 0 && drained >= sent);
        Ok(())
    })
}

#[test]
fn one_byte_at_a_time_arrives_in_order() -> Result<()> {
    run(async {
        let (client, server) = pair().await?;
        let data = noise(5, 2048);
        client.set_nodelay(true)?;
        let write = async {
            for byte in data.chunks(1) {
                client.write_all(byte).await?;
            }
            client.shutdown(Shutdown::Write)
        };
        let read = async {
            let (mut all, mut byte) = (Vec::new(), [0]);
            while server.read(&mut byte).await? > 0 {
                all.push(byte[0]);
            }
            Ok(all)
        };
        let ((), received) = try_gather!(write, read).await?;
        assert!(received == data);
        Ok(())
    })
}
