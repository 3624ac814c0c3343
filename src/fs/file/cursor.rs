//! The position in a file where the next read or write happens, and the data read ahead from there.
//!
//! The kernel's own position is past the data that was read and not yet returned. Operations that
//! depend on the position set it back first. Everything here blocks and runs on a thread, except
//! [`Cursor::give`].

use std::fs::File as StdFile;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::mem;

/// The most that one read or one write handles. It limits how long a thread is kept, and how long
/// the loop spends on copying.
pub(super) const CHUNK: usize = 512 * 1024;

/// The most that one step of a read to the end takes. That data need not be copied.
pub(super) const STEP: usize = 8 * 1024 * 1024;

/// The minimum and the maximum to read ahead.
const AHEAD_MIN: usize = 16 * 1024;
const AHEAD_MAX: usize = 256 * 1024;

/// Reads ahead when a file is read from front to back in small pieces. The amount doubles each
/// time, so random access does not cause reading ahead.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    /// `start..end` was read, and not yet returned.
    buf: Vec<u8>,
    start: usize,
    end: usize,
    /// The length of the last read, if the next one continues from there.
    last: usize,
    reads_ahead: ReadsAhead,
    /// The last read found the end of the file, and this has not been reported.
    found_end: bool,
    /// The last operation was this seek, which led to this position, and that has not been
    /// reported.
    sought: Option<(SeekFrom, u64)>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum ReadsAhead {
    /// Yes if it is a regular file, which has not been checked yet.
    #[default]
    Perhaps,
    Yes,
    No,
}

impl Cursor {
    /// The position is shared from now on, so each read takes only what it was asked for.
    pub(super) fn never_ahead(&mut self) {
        self.reads_ahead = ReadsAhead::No;
    }

    pub(super) fn has_unread(&self) -> bool {
        self.start < self.end
    }

    /// Copies read data into `buf`.
    pub(super) fn give(&mut self, buf: &mut [u8]) -> usize {
        self.sought = None;
        let len = buf.len().min(self.end - self.start);
        buf[..len].copy_from_slice(&self.buf[self.start..self.start + len]);
        self.start += len;
        len
    }

    /// Appends all read data to `buf`, without a copy if `buf` is empty.
    pub(super) fn give_all(&mut self, buf: &mut Vec<u8>) -> io::Result<()> {
        if buf.is_empty() && self.start == 0 {
            self.buf.truncate(self.end);
            mem::swap(&mut self.buf, buf);
            self.buf = Vec::new();
        } else {
            buf.try_reserve(self.end - self.start)?;
            buf.extend_from_slice(&self.buf[self.start..self.end]);
        }
        self.forget();
        Ok(())
    }

    /// Returns whether the last read found the end of the file, but only once.
    pub(super) fn take_end(&mut self) -> bool {
        mem::take(&mut self.found_end)
    }

    /// Records where a seek led, for a later [`Cursor::take_sought`].
    pub(super) fn note_sought(&mut self, to: SeekFrom, position: u64) {
        self.sought = Some((to, position));
    }

    /// Returns where this seek led if it was the last operation, but only once.
    pub(super) fn take_sought(&mut self, to: SeekFrom) -> Option<u64> {
        self.sought.take().filter(|&(sought, _)| sought == to).map(|(_, position)| position)
    }

    /// Reads the next bytes of the file once all earlier data has been returned. Asks for `wanted`
    /// bytes, or for more to read ahead.
    pub(super) fn fill(&mut self, mut file: &StdFile, wanted: usize) -> io::Result<()> {
        let wanted = self.adjusted(file, wanted.min(CHUNK));
        if self.buf.len() < wanted {
            self.buf.resize(wanted, 0);
        }
        let len = loop {
            match file.read(&mut self.buf[..wanted]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        (self.start, self.end, self.last) = (0, len, len);
        self.sought = None;
        self.found_end = len == 0;
        if self.found_end {
            self.buf = Vec::new();
        }
        Ok(())
    }

    /// Reads on, after the data that was not yet returned. Returns whether that reached the end of
    /// the file.
    pub(super) fn extend(&mut self, file: &StdFile, step: usize) -> io::Result<bool> {
        self.buf.truncate(self.end);
        self.buf.drain(..self.start);
        self.forget();
        self.end = self.buf.len();
        self.buf.try_reserve_exact(Self::rest_of(file))?;
        let read = file.take(step as u64).read_to_end(&mut self.buf);
        // Count the bytes that were read before an error, too.
        self.end = self.buf.len();
        Ok(read? < step)
    }

    /// The number of bytes after the position, as the system reports it.
    fn rest_of(mut file: &StdFile) -> usize {
        let len = file.metadata().map_or(0, |metadata| metadata.len());
        let position = file.stream_position().unwrap_or(0);
        usize::try_from(len.saturating_sub(position)).unwrap_or(0)
    }

    /// How much to read when `wanted` bytes are asked for.
    fn adjusted(&mut self, file: &StdFile, wanted: usize) -> usize {
        let ahead = (self.last * 2).clamp(AHEAD_MIN, AHEAD_MAX);
        if self.last == 0 || ahead <= wanted {
            return wanted;
        }
        if self.reads_ahead == ReadsAhead::Perhaps {
            let is_regular = file.metadata().is_ok_and(|metadata| metadata.is_file());
            self.reads_ahead = if is_regular { ReadsAhead::Yes } else { ReadsAhead::No };
        }
        if self.reads_ahead == ReadsAhead::Yes { ahead } else { wanted }
    }

    /// Sets the kernel's position back to the end of the returned data. Data from a source that
    /// cannot seek, such as a pipe, is kept.
    pub(super) fn settle(&mut self, mut file: &StdFile) -> io::Result<()> {
        self.last = 0;
        self.found_end = false;
        self.sought = None;
        if self.has_unread() {
            match file.seek(SeekFrom::Current(-self.unread())) {
                Ok(_) => self.forget(),
                Err(error) if error.kind() == ErrorKind::NotSeekable => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub(super) fn seek(&mut self, mut file: &StdFile, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Current(offset) => SeekFrom::Current(offset.saturating_sub(self.unread())),
            SeekFrom::Start(_) | SeekFrom::End(_) => to,
        };
        let position = file.seek(to)?;
        self.forget();
        Ok(position)
    }

    pub(super) fn position(&self, mut file: &StdFile) -> io::Result<u64> {
        Ok(file.stream_position()?.saturating_add_signed(-self.unread()))
    }

    /// Writes all of `data`, or as much as possible. Returns how much was written, and why it was
    /// not all.
    pub(super) fn write(&mut self, mut file: &StdFile, data: &[u8]) -> (usize, Option<io::Error>) {
        if let Err(error) = self.settle(file) {
            return (0, Some(error));
        }
        let mut written = 0;
        while written < data.len() {
            match file.write(&data[written..]) {
                Ok(0) => return (written, Some(ErrorKind::WriteZero.into())),
                Ok(len) => written += len,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return (written, Some(error)),
            }
        }
        (written, None)
    }

    fn forget(&mut self) {
        (self.start, self.end, self.last) = (0, 0, 0);
        self.found_end = false;
        self.sought = None;
    }

    /// The unread length as an offset. Nothing in memory is too large for one.
    fn unread(&self) -> i64 {
        i64::try_from(self.end - self.start).unwrap_or(i64::MAX)
    }
}
