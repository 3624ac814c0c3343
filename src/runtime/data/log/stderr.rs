//! Lines to standard error that never wait. If there is no room for a line, it is lost, and a later
//! line says so.
//!
//! `eprintln!` would wait for the reader of a full pipe, and for other threads that wait for it. It
//! also panics if it cannot write. This file does not change the mode of the descriptor, because
//! other processes share it.

use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::sys::stderr::{WHOLE_MAX, without_waiting};

/// A longer line is cut.
const LINE_MAX: usize = WHOLE_MAX;

/// Replaces the rest of a line that is cut.
const CUT: &str = " ...";

/// Lost lines that no later line has mentioned yet.
static LOST: AtomicU64 = AtomicU64::new(0);

/// The last line was written in part.
static IS_TORN: AtomicBool = AtomicBool::new(false);

/// Writes `line` and a line break, if this is possible without waiting.
pub(super) fn write_line(line: &str) {
    let lost = LOST.swap(0, Ordering::Relaxed);
    if lost > 0 {
        let notice = format!("oneloop: {lost} lines are lost, because standard error was full");
        if !try_write(&notice) {
            LOST.fetch_add(lost + 1, Ordering::Relaxed);
            return;
        }
    }
    if !try_write(line) {
        LOST.fetch_add(1, Ordering::Relaxed);
    }
}

/// Returns `false` if nothing was written because there was no room. Other errors are ignored,
/// because there is nowhere to report them.
fn try_write(line: &str) -> bool {
    let start = if IS_TORN.swap(false, Ordering::Relaxed) { "\n" } else { "" };
    let line = format!("{start}{}\n", cut(line));
    let mut rest = line.as_bytes();
    let result = without_waiting(|write| {
        while !rest.is_empty() {
            match write(rest) {
                Ok(0) => return Err(ErrorKind::WouldBlock.into()),
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    });
    let is_partial = !rest.is_empty() && rest.len() < line.len();
    if is_partial || !start.is_empty() && rest.len() == line.len() {
        IS_TORN.store(true, Ordering::Relaxed);
    }
    is_partial || !result.is_err_and(|error: io::Error| error.kind() == ErrorKind::WouldBlock)
}

/// As much of the line as fits, with a break before and after it.
fn cut(line: &str) -> String {
    let room = LINE_MAX - "\n\n".len();
    if line.len() <= room {
        return line.to_owned();
    }
    let mut end = room - CUT.len();
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{CUT}", &line[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_too_long_is_cut_between_characters() {
        assert_eq!(cut("short"), "short");
        let long = "ü".repeat(LINE_MAX);
        let line = cut(&long);
        assert!(line.len() <= LINE_MAX - 2 && line.ends_with("ü ..."), "{}", line.len());
    }
}
