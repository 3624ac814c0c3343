//! Readers and writers of real connections.

use std::io::{ErrorKind, Read, Result, Write};
use std::net::Shutdown;
use std::pin::pin;
use std::thread;
use std::time::Duration;

use oneloop::thread::to_thread;
use oneloop::{Builder, create_task, gather, timeout};
use socket2::SockRef;

use super::{pair, pair_with_std, run, settle, waits};

#[test]
fn lines_go_to_an_echo_and_back() -> Result<()> {
    run(async {
        let ((mut reader, mut writer), (mut peer_reader, mut peer_writer)) = pair().await?;
        let echo = create_task(async move {
            loop {
                let line = peer_reader.readline().await?;
                if line.is_empty() {
                    return Result::Ok(());
                }
                peer_writer.write(line);
                peer_writer.drain().await?;
            }
        });
        for number in 0..100 {
            let line = format!("line {number}\n");
            writer.write(&line);
            writer.drain().await?;
            assert_eq!(reader.readline().await?, line.as_bytes());
        }
        writer.write_eof();
        assert_eq!(reader.readline().await?, b"");
        echo.await.unwrap()
    })
}

#[test]
fn what_the_kernel_does_not_take_is_sent_without_drain() -> Result<()> {
    run(async {
        let ((_reader, mut writer), mut peer) = pair_with_std()?;
        let data = vec![7; 16 << 20];
        writer.write(&data);
        assert!(writer.write_buffer_size() > 0);
        let received = to_thread(move || {
            let mut data = vec![0; 16 << 20];
            peer.read_exact(&mut data).map(|()| data)
        })
        .await?;
        assert!(received == data);
        assert_eq!(writer.write_buffer_size(), 0);
        Ok(())
    })
}

#[test]
fn close_gives_both_sides_the_end() -> Result<()> {
    run(async {
        let ((mut reader, mut writer), mut peer) = pair_with_std()?;
        let waiting = create_task(async move { reader.readline().await.map(<[u8]>::to_vec) });
        settle().await;
        writer.write("bye");
        writer.close();
        assert!(writer.is_closing());
        writer.wait_closed().await?;
        assert_eq!(waiting.await.unwrap()?, b"");
        let mut all = Vec::new();
        peer.read_to_end(&mut all)?;
        assert_eq!(all, b"bye");
        Ok(())
    })
}

#[test]
fn dropping_the_writer_ends_its_direction_only() -> Result<()> {
    run(async {
        let ((mut reader, writer), mut peer) = pair_with_std()?;
        drop(writer);
        assert_eq!(peer.read(&mut [0; 8])?, 0);
        peer.write_all(b"reply\n")?;
        assert_eq!(reader.readline().await?, b"reply\n");
        Ok(())
    })
}

#[test]
fn a_peer_that_half_closes_still_gets_the_answer() -> Result<()> {
    run(async {
        let ((mut reader, mut writer), mut peer) = pair_with_std()?;
        peer.write_all(b"question")?;
        peer.shutdown(Shutdown::Write)?;
        assert_eq!(reader.read_to_end().await?, b"question");
        assert!(reader.at_eof());
        writer.write("answer");
        writer.close();
        let mut answer = String::new();
        peer.read_to_string(&mut answer)?;
        assert_eq!(answer, "answer");
        writer.wait_closed().await
    })
}

#[test]
fn write_eof_lets_the_peer_answer() -> Result<()> {
    run(async {
        let ((mut reader, mut writer), mut peer) = pair_with_std()?;
        writer.write("question");
        writer.write_eof();
        let mut question = String::new();
        peer.read_to_string(&mut question)?;
        peer.write_all(b"answer\n")?;
        assert_eq!(reader.readline().await?, b"answer\n");
        writer.wait_closed().await
    })
}

#[test]
fn a_writer_lends_its_connection_until_it_is_closed() -> Result<()> {
    run(async {
        let ((_reader, mut writer), peer) = pair_with_std()?;
        let addr = writer.with_socket(|socket| socket.peer_addr())??;
        assert_eq!(addr.as_socket(), Some(peer.local_addr()?));
        writer.with_socket(|socket| socket.set_keepalive(true))??;
        assert!(writer.with_socket(|socket| socket.keepalive())??);
        writer.wait_closed().await?;
        let closed = writer.with_socket(|_| unreachable!("there is no socket any more"));
        assert_eq!(closed.unwrap_err().kind(), ErrorKind::NotConnected);
        Ok(())
    })
}

#[test]
fn a_reset_is_an_error_for_reader_and_writer() -> Result<()> {
    run(async {
        let ((mut reader, mut writer), mut peer) = pair_with_std()?;
        let addr = peer.local_addr()?;
        peer.write_all(b"line\npart")?;
        assert_eq!(reader.readline().await?, b"line\n");
        SockRef::from(&peer).set_linger(Some(Duration::ZERO))?;
        drop(peer);
        for _ in 0..2 {
            assert_eq!(reader.readline().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        }
        assert_eq!(reader.buffer(), b"part");
        writer.write("x");
        for _ in 0..2 {
            assert_eq!(writer.drain().await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        }
        assert_eq!(writer.peer_addr()?, addr, "also after the end");
        writer.close();
        assert_eq!(reader.read(&mut [0; 8]).await?, 4);
        assert_eq!(writer.wait_closed().await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        Ok(())
    })
}

#[test]
fn what_came_before_the_writing_failed_can_still_be_read() -> Result<()> {
    run(async {
        let ((mut reader, mut writer), mut peer) = pair_with_std()?;
        // It refuses a request while the request is still being sent.
        peer.write_all(b"413\n")?;
        writer.write_eof();
        drop(writer);
        assert_eq!(reader.readline().await?, b"413\n");
        Ok(())
    })
}

#[test]
fn closing_with_unread_data_does_not_cost_the_peer_the_answer() -> Result<()> {
    run(async {
        for drops in [false, true] {
            let ((reader, mut writer), mut peer) = pair_with_std()?;
            peer.write_all(&vec![1; 100_000])?;
            writer.write("answer");
            if drops {
                drop((reader, writer));
            } else {
                writer.close();
            }
            let mut answer = String::new();
            peer.read_to_string(&mut answer)?;
            assert_eq!(answer, "answer");
        }
        Ok(())
    })
}

#[test]
fn abort_resets_the_peer_and_ends_the_reader() -> Result<()> {
    run(async {
        let ((mut reader, mut writer), mut peer) = pair_with_std()?;
        let waiting = create_task(async move { reader.readline().await.map(<[u8]>::to_vec) });
        settle().await;
        writer.write(vec![0; 16 << 20]);
        writer.abort();
        assert_eq!(waiting.await.unwrap()?, b"");
        let failure = peer.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(failure.kind(), ErrorKind::ConnectionReset);
        writer.wait_closed().await
    })
}

#[test]
fn a_peer_that_stalls_makes_drain_wait_and_memory_stop() -> Result<()> {
    run(async {
        let ((_reader, mut writer), mut peer) = pair_with_std()?;
        let mut written: usize = 0;
        loop {
            writer.write([7; 4096]);
            written += 4096;
            let mut drain = pin!(writer.drain());
            if waits(&mut drain).await {
                settle().await;
                if waits(&mut drain).await {
                    break;
                }
            }
        }
        assert!(writer.write_buffer_size() <= 68 * 1024);
        let reading = to_thread(move || {
            let mut all = vec![0; written];
            peer.read_exact(&mut all)
        });
        let (drained, read) = gather!(writer.drain(), reading).await;
        drained.and(read)
    })
}

#[test]
fn what_is_cut_off_is_reset_so_that_the_peer_knows() -> Result<()> {
    let builder = Builder::new().cleanup_timeout(Duration::from_millis(1)).on_unhandled(|_| {});
    let mut peer = builder.run(async {
        let ((reader, mut writer), peer) = pair_with_std()?;
        let writing = async move {
            writer.write(vec![7; 16 << 20]);
            drop(reader);
        };
        create_task(writing).await.unwrap();
        Result::Ok(peer)
    })?;
    let failure = peer.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(failure.kind(), ErrorKind::ConnectionReset);
    Ok(())
}

#[test]
fn the_end_of_the_loop_waits_for_what_main_has_written() -> Result<()> {
    const LEN: usize = 16 << 20;
    let reading = oneloop::run(async {
        let ((_reader, mut writer), mut peer) = pair_with_std()?;
        writer.write(vec![7; LEN]);
        assert!(writer.write_buffer_size() > 0);
        Result::Ok(thread::spawn(move || {
            let mut all = Vec::new();
            peer.read_to_end(&mut all).map(|_| all.len())
        }))
    })?;
    assert_eq!(reading.join().unwrap()?, LEN);
    Ok(())
}

#[test]
fn a_time_limit_around_a_read_loses_no_data() -> Result<()> {
    run(async {
        let ((mut reader, _writer), mut peer) = pair_with_std()?;
        peer.write_all(b"half a ")?;
        assert!(timeout(Duration::from_millis(2), reader.readline()).await.is_err());
        assert!(timeout(Duration::from_millis(2), reader.readexactly(9)).await.is_err());
        assert!(timeout(Duration::from_millis(2), reader.read_exact(&mut [0; 9])).await.is_err());
        peer.write_all(b"line\n")?;
        assert_eq!(reader.readline().await?, b"half a line\n");
        Ok(())
    })
}

#[test]
fn streams_of_another_loop_say_so() -> Result<()> {
    let ((mut reader, mut writer), _peer) = run(async { pair_with_std() })?;
    run(async {
        let error = reader.readline().await.unwrap_err();
        assert!(error.to_string().contains("TcpStream"), "{error}");
        writer.write("x");
        let error = writer.drain().await.unwrap_err();
        assert!(error.to_string().contains("TcpStream"), "{error}");
        Ok(())
    })
}
