//! Descriptors and slots that are reused: no event of the former tenant reaches the next one.

use std::io::{ErrorKind, Read as _, Result, Write as _};
use std::net;
use std::os::fd::AsFd as _;

use oneloop::net::TcpStream;
use oneloop::{create_task, yield_now};

use super::{failure, pair_with_std, run, waits};

#[test]
fn closed_and_reopened_in_one_round_a_stream_sees_no_stale_event() -> Result<()> {
    run(async {
        for _ in 0..20 {
            let (alarm, mut alarms_peer) = pair_with_std()?;
            let (old, mut olds_peer) = pair_with_std()?;
            let mut buf = [0; 8];
            assert_eq!(failure(alarm.try_read(&mut buf)).kind(), ErrorKind::WouldBlock);
            assert_eq!(failure(old.try_read(&mut buf)).kind(), ErrorKind::WouldBlock);
            let task = create_task(async move {
                // Both events come in the same poll of the reactor.
                let mut buf = [0; 8];
                alarm.read(&mut buf).await?;
                drop(old);
                // Usually gets the descriptor of the old one.
                let (new, mut news_peer) = pair_with_std()?;
                assert_eq!(failure(new.try_read(&mut buf)).kind(), ErrorKind::WouldBlock);
                let mut read = Box::pin(new.read(&mut buf));
                assert!(waits(&mut read).await);
                yield_now().await;
                assert!(waits(&mut read).await);
                news_peer.write_all(b"for the new one")?;
                assert_eq!(read.await?, 8);
                Result::Ok(())
            });
            yield_now().await;
            olds_peer.write_all(b"for the old one")?;
            alarms_peer.write_all(b"now")?;
            task.await??;
        }
        Ok(())
    })
}

#[test]
fn a_task_that_is_cancelled_with_its_stream_leaves_the_slot_to_the_next() -> Result<()> {
    run(async {
        for _ in 0..20 {
            let (stream, mut peer) = pair_with_std()?;
            let reader = create_task(async move { stream.read(&mut [0; 8]).await });
            yield_now().await;
            peer.write_all(b"too late")?;
            reader.cancel();
            assert!(reader.await.is_err());
            let (next, mut nexts_peer) = pair_with_std()?;
            let mut buf = [0; 8];
            let mut read = Box::pin(next.read(&mut buf));
            assert!(waits(&mut read).await);
            nexts_peer.write_all(b"x")?;
            assert_eq!(read.await?, 1);
        }
        Ok(())
    })
}

#[test]
fn a_duplicate_of_the_descriptor_outlives_the_stream() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        let duplicate = stream.as_fd().try_clone_to_owned()?;
        drop(stream);
        let duplicate = net::TcpStream::from(duplicate);
        peer.write_all(b"still open")?;
        // The same connection, registered again beside a new one in the old slot.
        let again = TcpStream::from_std(duplicate)?;
        let (other, _others_peer) = pair_with_std()?;
        let mut buf = [0; 10];
        again.read_exact(&mut buf).await?;
        assert_eq!(&buf, b"still open");
        assert_eq!(failure(other.try_read(&mut buf)).kind(), ErrorKind::WouldBlock);
        drop(again);
        assert_eq!(peer.read(&mut buf)?, 0);
        Ok(())
    })
}

#[test]
fn events_of_a_duplicate_reach_nobody_after_the_stream_is_dropped() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        let duplicate = stream.as_fd().try_clone_to_owned()?;
        drop(stream);
        let (next, mut nexts_peer) = pair_with_std()?;
        let mut buf = [0; 8];
        let mut read = Box::pin(next.read(&mut buf));
        assert!(waits(&mut read).await);
        peer.write_all(b"for nobody")?;
        drop((peer, duplicate));
        for _ in 0..10 {
            yield_now().await;
            assert!(waits(&mut read).await);
        }
        nexts_peer.write_all(b"x")?;
        assert_eq!(read.await?, 1);
        Ok(())
    })
}

#[test]
fn one_connection_may_be_registered_twice_through_a_duplicate() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        let twin = TcpStream::from_std(stream.as_fd().try_clone_to_owned()?.into())?;
        let mut buf = [0; 8];
        let mut twins_buf = [0; 8];
        let mut read = Box::pin(stream.read(&mut buf));
        let mut twins_read = Box::pin(twin.readable());
        assert!(waits(&mut read).await);
        // A new stream counts as ready until an operation refutes this.
        twins_read.as_mut().await?;
        assert_eq!(failure(twin.try_read(&mut twins_buf)).kind(), ErrorKind::WouldBlock);
        peer.write_all(b"abc")?;
        twin.readable().await?;
        assert_eq!(read.await?, 3);
        drop(stream);
        peer.write_all(b"de")?;
        assert_eq!(twin.read(&mut twins_buf).await?, 2);
        Ok(())
    })
}

#[test]
fn a_stream_that_goes_off_the_loop_and_back_again_loses_no_event() -> Result<()> {
    run(async {
        let (mut stream, mut peer) = pair_with_std()?;
        for round in 0..100_u8 {
            peer.write_all(&[round])?;
            stream = TcpStream::from_std(stream.into_std()?)?;
            let mut buf = [0; 1];
            stream.read_exact(&mut buf).await?;
            assert_eq!(buf, [round]);
        }
        Ok(())
    })
}
