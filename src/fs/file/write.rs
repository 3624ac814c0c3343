//! Writes a `File`.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use super::File;
use super::cursor::CHUNK;
use super::operation::run;
use super::shared::Turn;
use crate::runtime::{poll_budget, poll_no_bytes, spend_if_empty};
use crate::sys::files::write_at;

impl File {
    /// Writes bytes of `data` at the position, and returns how many: at most 512 KiB, and fewer if
    /// the disk is full.
    ///
    /// # Cancel safety
    ///
    /// Once a thread has begun, the bytes are written. The next operation returns the error if that
    /// fails.
    ///
    /// # Errors
    ///
    /// Any error from `write(2)`, for example because the disk is full
    /// ([`StorageFull`](ErrorKind::StorageFull)), the file is too large, or it is not open for
    /// writing.
    pub async fn write(&self, data: &[u8]) -> io::Result<usize> {
        let turn = Turn::wait(&self.shared).await?;
        if data.is_empty() {
            return poll_fn(poll_no_bytes).await;
        }
        let (written, _turn) = write_chunk(turn, data).await?;
        Ok(written)
    }

    /// Writes all of `data` at the position.
    ///
    /// No other operation of this file comes in between. In a file opened with
    /// [`append`](crate::fs::OpenOptions::append), writes of other processes do not come in between
    /// either, as long as `data` is not longer than 512 KiB.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: a part of `data` may have been written.
    ///
    /// # Errors
    ///
    /// Same as [`write`](Self::write). A part of `data` may have been written.
    pub async fn write_all(&self, mut data: &[u8]) -> io::Result<()> {
        let mut turn = Turn::wait(&self.shared).await?;
        spend_if_empty(data).await;
        while !data.is_empty() {
            let written;
            (written, turn) = write_chunk(turn, data).await?;
            data = &data[written..];
            turn = turn.checked()?;
        }
        Ok(())
    }

    /// Writes bytes of `data` at `offset`, counted from the beginning, and returns how many: at
    /// most 512 KiB. It neither uses nor moves the position. In a file opened with
    /// [`append`](crate::fs::OpenOptions::append), Linux writes at the end nevertheless.
    ///
    /// # Cancel safety
    ///
    /// Same as [`write`](Self::write).
    ///
    /// # Errors
    ///
    /// Same as [`write`](Self::write). Also an error if the file cannot seek, such as a pipe.
    #[doc(alias = "pwrite")]
    pub async fn write_at(&self, data: &[u8], offset: u64) -> io::Result<usize> {
        let data = data[..data.len().min(CHUNK)].to_vec();
        self.operate("write", move |file, cursor| {
            // Data that was read ahead may be about to change.
            cursor.settle(file)?;
            loop {
                match write_at(file, &data, offset) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    result => return result,
                }
            }
        })
        .await
    }

    /// Writes all of `data` from `offset` on, like [`write_at`](Self::write_at).
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: a part of `data` may have been written.
    ///
    /// # Errors
    ///
    /// Same as [`write_at`](Self::write_at). A part of `data` may have been written.
    pub async fn write_all_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        spend_if_empty(data).await;
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

    /// Waits until all earlier operations are done: writes through the trait
    /// [`AsyncWrite`](crate::io::AsyncWrite), and writes that were not awaited. After the methods
    /// of this type there is nothing to wait for.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Errors
    ///
    /// The error of an operation that was not awaited.
    pub async fn flush(&self) -> io::Result<()> {
        let _turn = Turn::wait(&self.shared).await?;
        poll_fn(poll_budget).await;
        Ok(())
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
        // A part was written: the error is left for the next operation.
        shared.keep_failure(error);
        Ok(written)
    })
    .await
}
