//! The writes of one poll to a connection: the first goes out at once, the others together when the
//! poll has ended.

use std::cell::RefCell;
use std::future::pending;
use std::io::{ErrorKind, Read as _, Result};
use std::net;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use oneloop::io::{StreamReader, StreamWriter};
use oneloop::{call_soon, create_task, gather, sleep, task_group, yield_now};

use super::{pair, pair_with_std, run};

/// The data that has arrived, without waiting.
fn arrived(peer: &mut net::TcpStream) -> Result<String> {
    peer.set_nonblocking(true)?;
    let mut buf = vec![0; 1 << 20];
    let read = match peer.read(&mut buf) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        read => read,
    };
    buf.truncate(read?);
    Ok(String::from_utf8_lossy(&buf).into_owned())
}

#[test]
fn the_first_write_of_a_poll_goes_out_at_once_and_the_others_when_it_has_ended() -> Result<()> {
    run(async {
        let ((_reader, mut writer), mut peer) = pair_with_std()?;
        for _ in 0..2 {
            writer.write("a");
            writer.write("b");
            writer.write("c");
            assert_eq!(arrived(&mut peer)?, "a");
            yield_now().await;
            assert_eq!(arrived(&mut peer)?, "bc");
        }
        Ok(())
    })
}

#[test]
fn what_was_written_goes_out_whatever_the_task_waits_for_then() -> Result<()> {
    run(async {
        let ((_reader, mut writer), mut peer) = pair_with_std()?;
        let waiting = create_task(async move {
            writer.write("a");
            writer.write("b");
            pending::<()>().await;
        });
        yield_now().await;
        assert_eq!(arrived(&mut peer)?, "ab");
        drop(waiting);

        // The same if several futures share a poll, and in a call.
        let ((_reader, mut first), mut peer) = pair_with_std()?;
        let ((_other, mut second), mut other) = pair_with_std()?;
        let write = async |writer: &mut StreamWriter| {
            writer.write("a");
            writer.write("b");
            yield_now().await;
            writer.write("c");
            writer.write("d");
        };
        gather!(write(&mut first), write(&mut second)).await;
        yield_now().await;
        assert_eq!((arrived(&mut peer)?, arrived(&mut other)?), ("abcd".into(), "abcd".into()));
        let kept = Rc::new(RefCell::new(None));
        let keep = Rc::clone(&kept);
        call_soon(move || {
            first.write("e");
            first.write("f");
            keep.replace(Some(first));
        });
        // The loop has nothing else to do.
        sleep(Duration::from_millis(1)).await;
        assert_eq!(arrived(&mut peer)?, "ef");
        drop(kept);
        Ok(())
    })
}

#[test]
fn children_of_a_group_send_what_they_have_written() -> Result<()> {
    run(async {
        let ((_reader, mut writer), mut peer) = pair_with_std()?;
        let written = task_group(async |group| {
            group.create_task(async {
                writer.write("a");
                writer.write("b");
                pending::<Result<()>>().await
            });
            yield_now().await;
            yield_now().await;
            let written = arrived(&mut peer);
            group.cancel();
            written
        });
        assert_eq!(written.await.map_err(|_| ErrorKind::Other)?, "ab");
        Ok(())
    })
}

#[test]
fn whoever_asks_sees_what_was_written_sent() -> Result<()> {
    run(async {
        let ((_reader, mut writer), mut peer) = pair_with_std()?;
        writer.write("a");
        writer.write("b");
        assert_eq!(writer.write_buffer_size(), 0);
        assert_eq!(arrived(&mut peer)?, "ab");
        writer.write("c");
        writer.drain().await?;
        assert_eq!(arrived(&mut peer)?, "c");
        writer.write("d");
        writer.flush().await?;
        assert_eq!(arrived(&mut peer)?, "d");
        writer.write("e");
        drop(writer);
        assert_eq!(arrived(&mut peer)?, "e");
        Ok(())
    })
}

#[test]
fn much_that_is_written_in_one_poll_goes_out_before_its_end() -> Result<()> {
    run(async {
        let ((_reader, mut writer), mut peer) = pair_with_std()?;
        writer.write("a");
        writer.write(vec![b'b'; 30_000]);
        assert_eq!(arrived(&mut peer)?.len(), 1);
        writer.write(vec![b'c'; 40_000]);
        assert!(arrived(&mut peer)?.len() > 30_000);
        Ok(())
    })
}

#[test]
fn an_error_of_writes_that_go_together_reaches_the_next_drain() -> Result<()> {
    run(async {
        let ((_reader, mut writer), peer) = pair_with_std()?;
        socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO))?;
        drop(peer);
        writer.write("a");
        writer.write("b");
        let error = writer.drain().await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset));
        Ok(())
    })
}

#[test]
fn what_was_written_last_in_a_run_goes_out_with_its_end() -> Result<()> {
    let mut runtime = oneloop::Runtime::new()?;
    let (writer, mut peer) = runtime.run(async {
        let ((reader, mut writer), peer) = pair_with_std()?;
        writer.write("a");
        writer.write("b");
        Result::Ok(((reader, writer), peer))
    })?;
    assert_eq!(arrived(&mut peer)?, "ab");
    drop(writer);
    Ok(())
}

#[test]
fn a_reader_in_the_same_loop_gets_the_writes_in_their_order() -> Result<()> {
    async fn read(mut reader: StreamReader) -> Result<Vec<u8>> {
        reader.read_to_end().await
    }
    run(async {
        let ((_, mut writer), (reader, _)) = pair().await?;
        let reading = create_task(read(reader));
        let mut expected = Vec::new();
        for n in 0..500_u32 {
            let data = vec![n.to_le_bytes()[0]; 1 + n as usize * 7 % 5000];
            expected.extend_from_slice(&data);
            match n % 7 {
                0 => writer.writelines([&data[..1], &data[1..]]),
                1 => writer.write_all(&data).await?,
                _ => writer.write(&data),
            }
            if n % 11 == 0 {
                yield_now().await;
            }
        }
        writer.close();
        assert!(reading.await?? == expected);
        Ok(())
    })
}

#[test]
fn a_blocked_thread_does_not_hold_up_the_first_write() -> Result<()> {
    run(async {
        let ((_reader, mut writer), mut peer) = pair_with_std()?;
        writer.write("a");
        let reading = thread::spawn(move || {
            let mut byte = [0];
            peer.read_exact(&mut byte).map(|()| byte)
        });
        // The poll has not ended.
        assert_eq!(reading.join().expect("no panic")?, *b"a");
        Ok(())
    })
}
