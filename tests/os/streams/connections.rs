//! Readers and writers of real connections.

use std::io::{Read, Result, Write};

use oneloop::thread::to_thread;

use super::{pair, pair_with_std, run};

#[test]
fn lines_go_to_an_echo_and_back() -> Result<()> {
    run(async {
        let ((mut reader, mut writer), (mut peer_reader, mut peer_writer)) = pair().await?;
        let echo = oneloop::create_task(async move {
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
        let waiting =
            oneloop::create_task(async move { reader.readline().await.map(<[u8]>::to_vec) });
        oneloop::yield_now().await;
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
