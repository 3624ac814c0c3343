//! A large write that is dropped half way: the peer must not mistake the part for the whole.

use std::env;
use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Result, Write as _};
use std::process;
use std::thread;
use std::time::Duration;

use oneloop::io::StreamWriter;
use oneloop::timeout;

use super::dropped_writers::is_reset;
use super::{Sink, pair_with_std, run, settle};

/// More than the kernel buffers for a peer that does not read.
const MUCH: usize = 16 << 20;
const SOON: Duration = Duration::from_millis(5);

/// A writer that has lost half of a write.
async fn tear(writer: &mut StreamWriter) {
    assert!(timeout(SOON, writer.write_all(vec![7; MUCH])).await.is_err());
}

#[test]
fn a_write_all_that_is_dropped_half_way_ends_with_a_reset() -> Result<()> {
    run(async {
        let ((reader, mut writer), peer) = pair_with_std()?;
        tear(&mut writer).await;
        drop((reader, writer));
        assert!(is_reset(peer));
        Ok(())
    })
}

#[test]
fn after_half_a_write_close_and_write_eof_reset_too() -> Result<()> {
    run(async {
        let ((_reader, mut writer), peer) = pair_with_std()?;
        tear(&mut writer).await;
        let error = writer.wait_closed().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionAborted, "{error}");
        assert!(is_reset(peer));

        let ((_reader, mut writer), peer) = pair_with_std()?;
        tear(&mut writer).await;
        writer.write_eof();
        assert_eq!(writer.drain().await.unwrap_err().kind(), ErrorKind::ConnectionAborted);
        assert!(is_reset(peer));
        Ok(())
    })
}

#[test]
fn a_send_file_that_is_dropped_half_way_ends_with_a_reset() -> Result<()> {
    let path = env::temp_dir().join(format!("oneloop-torn-{}", process::id()));
    File::create(&path)?.write_all(&vec![7; MUCH])?;
    let file = File::open(&path)?;
    fs::remove_file(&path)?;
    run(async {
        let ((reader, mut writer), peer) = pair_with_std()?;
        assert!(timeout(SOON, writer.send_file(&file, ..)).await.is_err());
        drop((reader, writer));
        assert!(is_reset(peer));
        Ok(())
    })
}

#[test]
fn a_large_write_that_has_sent_nothing_leaves_an_orderly_end() -> Result<()> {
    run(async {
        let sink = Sink::with_room(1);
        let mut writer = StreamWriter::new(sink.clone());
        writer.write("data");
        // It comes after the queued data.
        assert!(timeout(SOON, writer.write_all(vec![7; MUCH])).await.is_err());
        sink.grow(9);
        writer.wait_closed().await?;
        assert_eq!((sink.data(), sink.0.borrow().closes), (b"data".to_vec(), 1));
        Ok(())
    })
}

#[test]
fn a_large_write_that_is_complete_leaves_an_orderly_end() -> Result<()> {
    run(async {
        let ((_reader, mut writer), mut peer) = pair_with_std()?;
        let reading = thread::spawn(move || {
            let mut all = Vec::new();
            peer.read_to_end(&mut all).map(|_| all.len())
        });
        writer.write_all(vec![7; MUCH]).await?;
        writer.wait_closed().await?;
        settle().await;
        assert_eq!(reading.join().expect("no panic")?, MUCH);
        Ok(())
    })
}
