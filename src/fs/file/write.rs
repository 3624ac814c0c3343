//! Writing a `File`.

use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::File;
use super::cursor::CHUNK;
use super::operation::run;
use super::shared::Turn;

impl File {
    /// Writes bytes of `data` at the position, and says how many: 512 KiB at most, less if the disk is full.
    ///
    /// # Cancel safety
    ///
    /// Once a thread has begun, they are written. Then an error is that of the next operation.
    ///
    /// # Errors
    ///
    /// Those of `write(2)`: the disk is full ([`StorageFull`](ErrorKind::StorageFull)), the file is too large, it is not
    /// open for writing.
    pub async fn write(&self, data: &[u8]) -> io::Result<usize> {
        let turn = Turn::wait(&self.shared).await?;
        if data.is_empty() {
            return Ok(0);
        }
        let (written, _turn) = write_chunk(turn, data).await?;
        Ok(written)
    }

    /// Writes all of `data` at the position.
    ///
    /// No other operation of this file comes in between. In a file that was opened with
    /// [`append`](crate::fs::OpenOptions::append), nor does what others write there, as far as `data` are not longer than
    /// 512 KiB.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: some of it may have been written.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write). Some of it may have been written.
    pub async fn write_all(&self, mut data: &[u8]) -> io::Result<()> {
        let mut turn = Turn::wait(&self.shared).await?;
        while !data.is_empty() {
            let written;
            (written, turn) = write_chunk(turn, data).await?;
            data = &data[written..];
            turn = turn.checked()?;
        }
        Ok(())
    }

    /// Writes bytes of `data` at `offset`, counted from the beginning, and says how many: 512 KiB at most. The position
    /// counts for nothing, and stays. In a file that was opened with [`append`](crate::fs::OpenOptions::append), Linux
    /// writes at the end nevertheless.
    ///
    /// # Cancel safety
    ///
    /// As [`write`](Self::write).
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write); the file has no positions, as a pipe.
    #[doc(alias = "pwrite")]
    pub async fn write_at(&self, data: &[u8], offset: u64) -> io::Result<usize> {
        let data = data[..data.len().min(CHUNK)].to_vec();
        self.operate("write", move |file, cursor| {
            // What was read ahead may be about to change.
            cursor.settle(file)?;
            loop {
                match file.write_at(&data, offset) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    result => return result,
                }
            }
        })
        .await
    }

    /// Writes all of `data` from `offset` on, as [`write_at`](Self::write_at).
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: some of it may have been written.
    ///
    /// # Errors
    ///
    /// As [`write_at`](Self::write_at). Some of it may have been written.
    pub async fn write_all_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        let mut done = 0;
        while done < data.len() {
            match self.write_at(&data[done..], offset.saturating_add(done as u64)).await? {
                0 => {
                    let none = ErrorKind::WriteZero.into();
                    return Err(self.shared.named.cannot("write", &none));
                }
                len => done += len,
            }
        }
        Ok(())
    }

    /// Waits until everything before has been done: what was written through the trait
    /// [`AsyncWrite`](crate::io::AsyncWrite), and by writes that nobody awaited. After the methods of this type there is
    /// nothing to wait for.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Errors
    ///
    /// That of an operation that nobody has awaited.
    pub async fn flush(&self) -> io::Result<()> {
        Turn::wait(&self.shared).await.map(drop)
    }
}

/// Writes the first bytes of `data`.
async fn write_chunk(turn: Turn, data: &[u8]) -> io::Result<(usize, Turn)> {
    let shared = Arc::clone(turn.shared());
    let data = data[..data.len().min(CHUNK)].to_vec();
    run(turn, move |file, cursor| {
        let (written, error) = cursor.write(file, &data);
        let Some(error) = error else { return Ok(written) };
        let error = shared.named.cannot("write", &error);
        if written == 0 {
            return Err(error);
        }
        // Some of it was written: the error is for the next operation.
        shared.keep_failure(error);
        Ok(written)
    })
    .await
}
