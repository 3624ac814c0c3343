//! futures-io's traits.

use std::fs;
use std::io::{ErrorKind, Result, SeekFrom, Write as _};
use std::pin::pin;
use std::time::Duration;

use futures::StreamExt as _;
use futures::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt, AsyncSeekExt as _, AsyncWrite, AsyncWriteExt,
    BufReader,
};
use oneloop::fs::{File, temp_dir};
use oneloop::io::StreamReader;
use oneloop::net::UnixStream;
use oneloop::sleep;

use super::{bytes, pipe, poll_once, run};

/// Uses the traits, not the methods.
async fn read_all(mut file: impl AsyncRead + Unpin) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    file.read_to_end(&mut all).await?;
    Ok(all)
}

async fn write_all(mut file: impl AsyncWrite + Unpin, data: &[u8]) -> Result<()> {
    file.write_all(data).await?;
    file.close().await
}

#[test]
fn what_is_written_is_read_again() -> Result<()> {
    run(async |dir| {
        let data = bytes(1_700_000);
        write_all(File::create(dir.join("x")).await?, &data).await?;
        assert!(fs::read(dir.join("x"))? == data);
        assert!(read_all(File::open(dir.join("x")).await?).await? == data);
        assert!(read_all(&File::open(dir.join("x")).await?).await? == data);
        Ok(())
    })
}

#[test]
fn lines_are_read() -> Result<()> {
    run(async |dir| {
        fs::write(dir.join("x"), "one\ntwo\nthree")?;
        let lines: Vec<_> =
            BufReader::new(File::open(dir.join("x")).await?).lines().collect().await;
        let lines: Result<Vec<_>> = lines.into_iter().collect();
        assert_eq!(lines?, ["one", "two", "three"]);
        Ok(())
    })
}

#[test]
fn a_file_is_a_stream_of_lines_and_goes_over_a_socket() -> Result<()> {
    run(async |dir| {
        let path = dir.join("x");
        let lines: Vec<_> = (0..10_000).map(|number| format!("line {number}\n")).collect();
        let text = lines.concat();
        fs::write(&path, &text)?;
        let mut reader = StreamReader::new(File::open(&path).await?);
        for line in lines {
            assert_eq!(reader.readline().await?, line.as_bytes());
        }
        assert_eq!(reader.readline().await?, b"");

        let (here, there) = UnixStream::pair()?;
        let file = File::open(&path).await?;
        file.read_exact(&mut [0; 5]).await?;
        file.read_exact(&mut [0; 5]).await?;
        let sending = async {
            let sent = here.send_file(&file, ..).await?;
            drop(here);
            Result::Ok(sent)
        };
        let mut received = vec![0; text.len()];
        let (sent, read) = oneloop::gather!(sending, there.read_exact(&mut received)).await;
        read?;
        assert_eq!(sent?, text.len() as u64);
        assert!(received == text.as_bytes());
        assert_eq!(file.stream_position().await?, 10, "it has another position");
        Ok(())
    })
}

#[test]
fn seeking_goes_between_reads_and_writes() -> Result<()> {
    run(async |dir| {
        fs::write(dir.join("x"), bytes(1000))?;
        let mut file = File::options().read(true).write(true).open(dir.join("x")).await?;
        let file: &mut dyn ReadWriteSeek = &mut file;
        let mut buf = [0; 10];
        file.read_exact(&mut buf).await?;
        assert_eq!(file.seek(SeekFrom::Current(10)).await?, 20);
        file.read_exact(&mut buf).await?;
        assert_eq!(buf[0], 20);
        assert_eq!(file.stream_position().await?, 30);
        assert_eq!(file.stream_position().await?, 30);
        file.write_all(b"here").await?;
        assert_eq!(file.seek(SeekFrom::Current(-4)).await?, 30);
        file.read_exact(&mut buf).await?;
        assert_eq!(&buf[..4], b"here");
        assert_eq!(file.seek(SeekFrom::Start(0)).await?, 0);
        file.read_exact(&mut buf).await?;
        assert_eq!(file.seek(SeekFrom::Start(0)).await?, 0);
        file.read_exact(&mut buf).await?;
        assert_eq!(buf[0], 0);
        assert!(file.seek(SeekFrom::Current(-100)).await.is_err());
        Ok(())
    })
}

trait ReadWriteSeek: AsyncRead + AsyncWrite + futures::AsyncSeek + Unpin {}
impl ReadWriteSeek for File {}

#[test]
fn several_buffers_are_written_at_once() -> Result<()> {
    run(async |dir| {
        let mut file = File::create(dir.join("x")).await?;
        let bufs = ["one ", "", "two ", "three"].map(|part| std::io::IoSlice::new(part.as_bytes()));
        assert_eq!(AsyncWriteExt::write_vectored(&mut file, &bufs).await?, 13);
        assert_eq!(AsyncWriteExt::write(&mut file, b"").await?, 0);
        AsyncWriteExt::flush(&mut file).await?;
        assert_eq!(fs::read(dir.join("x"))?, b"one two three");
        Ok(())
    })
}

#[test]
fn an_error_is_told_by_flush_or_by_the_next_write() -> Result<()> {
    run(async |_| {
        let mut file = File::options().write(true).open("/dev/full").await?;
        assert_eq!(AsyncWriteExt::write(&mut file, b"x").await?, 1);
        let error = AsyncWriteExt::flush(&mut file).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        AsyncWriteExt::flush(&mut file).await?;
        assert_eq!(AsyncWriteExt::write(&mut file, b"x").await?, 1);
        let error = AsyncWriteExt::write(&mut file, b"x").await.unwrap_err();
        assert!(error.to_string().contains("cannot write `/dev/full`"), "{error}");
        assert_eq!(AsyncWriteExt::write(&mut file, b"x").await?, 1);
        assert!(file.sync_all().await.is_err());
        Ok(())
    })
}

/// Without a flush, the data is on its way when the file is dropped, and the loop ends after it has
/// arrived.
#[test]
fn a_write_arrives_although_the_file_is_dropped_and_the_loop_ends() -> Result<()> {
    let dir = oneloop::run(temp_dir())?.keep();
    let data = bytes(400_000);
    oneloop::run(async {
        let mut file = File::create(dir.join("x")).await?;
        assert_eq!(AsyncWriteExt::write(&mut file, &data).await?, data.len());
        Result::Ok(())
    })?;
    assert!(fs::read(dir.join("x"))? == data);
    fs::remove_dir_all(dir)
}

/// An operation that has begun need not be polled for others to continue.
#[test]
fn a_poll_that_is_not_repeated_is_in_nobodys_way() -> Result<()> {
    run(async |dir| {
        let (mut file, mut other) = pipe(dir).await?;
        {
            let mut buf = [0; 16];
            let read = AsyncReadExt::read(&mut file, &mut buf);
            assert!(poll_once(&mut pin!(read)).await.is_pending());
        }
        other.write_all(b"hello")?;
        let mut buf = [0; 16];
        assert_eq!(file.read(&mut buf).await?, 5, "by the method of `File`");
        assert_eq!(&buf[..5], b"hello");
        {
            let read = AsyncReadExt::read(&mut file, &mut buf);
            assert!(poll_once(&mut pin!(read)).await.is_pending());
        }
        other.write_all(b"again")?;
        assert_eq!(AsyncReadExt::read(&mut file, &mut buf).await?, 5);
        Ok(())
    })
}

#[test]
fn one_task_reads_while_another_writes() -> Result<()> {
    run(async |dir| {
        let (file, mut other) = pipe(dir).await?;
        let (mut reader, mut writer) = (&file, &file);
        let mut buf = [0; 5];
        let reading = AsyncReadExt::read_exact(&mut reader, &mut buf);
        // The reader has the turn until the other end has written.
        let writing = AsyncWriteExt::write_all(&mut writer, b"world");
        let feeding = async {
            sleep(Duration::from_millis(1)).await;
            other.write_all(b"hello")
        };
        let (read, written, fed) = oneloop::gather!(reading, writing, feeding).await;
        read?;
        written?;
        fed?;
        assert_eq!(&buf, b"hello");
        file.read_exact(&mut buf).await?;
        assert_eq!(&buf, b"world");
        Ok(())
    })
}
