//! Reads a `File`.

use std::fs::File as StdFile;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use super::File;
use super::cursor::{CHUNK, Cursor, STEP};
use super::operation::run;
use super::shared::Turn;
use crate::fs::job::{Job, check_loop};
use crate::runtime::{self, spend_if_empty};
use crate::sys::files::read_at;

impl File {
    /// Reads bytes at the position into `buf`, and returns how many: at most 512 KiB, and 0 at the
    /// end of the file or if `buf` is empty.
    ///
    /// It may be called again at the end, and then returns data that was written there meanwhile.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: the next read returns data that was already read.
    ///
    /// # Errors
    ///
    /// Any error from `read(2)`, for example because the file is a directory or is not open for
    /// reading.
    pub async fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return poll_fn(runtime::poll_no_bytes).await;
        }
        let mut turn = Turn::wait(&self.shared).await?;
        turn = fill(turn, buf.len()).await?;
        Ok(turn.cursor.give(buf))
    }

    /// Reads bytes at the position until `buf` is full.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: data already read into `buf` is gone.
    ///
    /// # Errors
    ///
    /// [`UnexpectedEof`](ErrorKind::UnexpectedEof) if the file ends too early; otherwise the same
    /// as [`read`](Self::read).
    pub async fn read_exact(&self, buf: &mut [u8]) -> io::Result<()> {
        let mut turn = Turn::wait(&self.shared).await?;
        spend_if_empty(buf).await;
        let mut done = 0;
        while done < buf.len() {
            turn = fill(turn, buf.len() - done).await?;
            match turn.cursor.give(&mut buf[done..]) {
                0 => {
                    let short = io::Error::new(ErrorKind::UnexpectedEof, "it ends too early");
                    return Err(self.shared.named.cannot("read", &short));
                }
                len => done += len,
            }
        }
        Ok(())
    }

    /// Reads from the position to the end of the file, appends the data to `buf`, and returns the
    /// number of bytes read.
    ///
    /// [`fs::read`](crate::fs::read) is faster for reading a whole file.
    ///
    /// # Cancel safety
    ///
    /// Data read so far is in `buf`, or the next read returns it.
    ///
    /// # Errors
    ///
    /// Same as [`read`](Self::read), and [`OutOfMemory`](ErrorKind::OutOfMemory). Even then, data
    /// read before is in `buf`, or the next read returns it.
    pub async fn read_to_end(&self, buf: &mut Vec<u8>) -> io::Result<usize> {
        let before = buf.len();
        let mut turn = Turn::wait(&self.shared).await?;
        // Data that has to be copied is better read in small pieces.
        let step = if before == 0 { STEP } else { CHUNK };
        let mut is_all = false;
        while !is_all {
            let named = turn.shared().named.clone();
            let extend = move |file: &StdFile, cursor: &mut Cursor| {
                cursor.extend(file, step).map_err(|error| named.cannot("read", &error))
            };
            (is_all, turn) = run(turn, extend).await?;
            if before > 0 {
                turn.cursor.give_all(buf)?;
            }
        }
        turn.cursor.give_all(buf)?;
        Ok(buf.len() - before)
    }

    /// Reads from the position to the end of the file, appends the text to `text`, and returns the
    /// number of bytes read.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: `text` is unchanged, and the next read returns the data read so far.
    ///
    /// # Errors
    ///
    /// [`InvalidData`](ErrorKind::InvalidData) if the data is not UTF-8: `text` is then unchanged,
    /// and the data is gone. Otherwise the same as [`read_to_end`](Self::read_to_end).
    pub async fn read_to_string(&self, text: &mut String) -> io::Result<usize> {
        let mut data = Vec::new();
        let len = self.read_to_end(&mut data).await?;
        let invalid = |error| io::Error::new(ErrorKind::InvalidData, error);
        let read = String::from_utf8(data)
            .map_err(|error| self.shared.named.cannot("read", &invalid(error.utf8_error())))?;
        if text.is_empty() {
            *text = read;
        } else {
            text.push_str(&read);
        }
        Ok(len)
    }

    /// Reads bytes at `offset`, counted from the beginning, and returns how many: at most 512 KiB,
    /// and 0 at the end. It neither uses nor moves the position.
    ///
    /// It does not wait for its turn: such reads run alongside each other and everything else. A
    /// write that was awaited is seen.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Errors
    ///
    /// Any error from `pread(2)`, for example because the file is not open for reading, or cannot
    /// seek, such as a pipe.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::fs;
    ///
    /// oneloop::run(async {
    ///     let file = fs::temp_file().await?;
    ///     file.write_all(b"0123456789").await?;
    ///     let (mut a, mut b) = ([0; 2], [0; 3]);
    ///     let (len, _) = oneloop::gather!(file.read_at(&mut a, 1), file.read_at(&mut b, 7)).await;
    ///     assert_eq!(len?, 2);
    ///     assert_eq!((&a, &b), (b"12", b"789"));
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "pread")]
    pub async fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let shared = Arc::clone(&self.shared);
        let wanted = buf.len().min(CHUNK);
        let read = move || {
            let mut data = vec![0; wanted];
            let len = loop {
                match read_at(&shared.file, &mut data, offset) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    result => break result.map_err(|error| shared.named.cannot("read", &error))?,
                }
            };
            data.truncate(len);
            Ok(data)
        };
        let path = self.shared.named.shared_path();
        let data = Job::at(None, "read", path, read).await?;
        buf[..data.len()].copy_from_slice(&data);
        Ok(data.len())
    }

    /// Fills `buf` from `offset` on, like [`read_at`](Self::read_at).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: the position does not matter.
    ///
    /// # Errors
    ///
    /// [`UnexpectedEof`](ErrorKind::UnexpectedEof) if the file ends too early; otherwise the same
    /// as [`read_at`](Self::read_at).
    pub async fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        spend_if_empty(buf).await;
        let mut done = 0;
        while done < buf.len() {
            match self.read_at(&mut buf[done..], offset.saturating_add(done as u64)).await? {
                0 => {
                    let short = io::Error::new(ErrorKind::UnexpectedEof, "it ends too early");
                    return Err(self.shared.named.cannot("read", &short));
                }
                len => done += len,
            }
        }
        Ok(())
    }
}

/// Makes sure that data was read, unless the file is at its end.
async fn fill(turn: Turn, wanted: usize) -> io::Result<Turn> {
    if turn.cursor.has_unread() {
        check_loop()?;
        // Many small reads of data that is already here must not hold up all other tasks.
        poll_fn(runtime::poll_budget).await;
        return Ok(turn);
    }
    let named = turn.shared().named.clone();
    let read = move |file: &StdFile, cursor: &mut Cursor| {
        cursor.fill(file, wanted).map_err(|error| named.cannot("read", &error))
    };
    let ((), mut turn) = run(turn, read).await?;
    turn.cursor.take_end();
    Ok(turn)
}
