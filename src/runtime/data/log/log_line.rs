//! One line for the operator: through the `log` crate or, in a program without a logger, to
//! standard error.

use std::cell::Cell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem::ManuallyDrop;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Mutex;
use std::sync::TryLockError;
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) use log::Level;
use log::{LevelFilter, Metadata};

use super::folds::{Folds, Verdict};
use super::stderr;
use crate::runtime::data::clock::real_now;
use crate::runtime::data::one_line::OneLine;

const TARGET: &str = "oneloop";

/// The repeated lines of this process.
static FOLDS: Mutex<Folds> = Mutex::new(Folds::new());

/// Whether a logger was seen. The `log` crate does not say, and cannot lose one.
static HAS_LOGGER: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// The logger runs on this thread. Lines that it causes itself do not go to it again.
    static IS_LOGGING: Cell<bool> = const { Cell::new(false) };
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sink {
    Logger,
    Stderr,
    /// The program does not want the line.
    Nowhere,
}

/// Writes one line, with line breaks and other control characters escaped. Of repeated lines it
/// writes only some, with their count.
pub(crate) fn log_line(level: Level, line: &str) {
    log_about(level, line, line);
}

/// Like [`log_line`]; lines with the same `about` are repeats.
pub(crate) fn log_about(level: Level, about: impl Hash, line: &str) {
    let sink = sink(level);
    if sink == Sink::Nowhere {
        return;
    }
    // Lines below the level of a warning are never folded.
    if level > Level::Warn {
        return write(sink, level, &OneLine(line).to_string());
    }
    let mut hasher = DefaultHasher::new();
    about.hash(&mut hasher);
    let line = OneLine(line).to_string();
    // A thread that holds the lock soon releases it, but a forked child would wait for ever.
    let verdict = match FOLDS.try_lock() {
        Ok(mut folds) => folds.note(hasher.finish(), real_now(), level, &line),
        Err(TryLockError::Poisoned(folds)) => {
            folds.into_inner().note(hasher.finish(), real_now(), level, &line)
        }
        Err(TryLockError::WouldBlock) => Verdict::Write,
    };
    match verdict {
        Verdict::Write => write(sink, level, &line),
        Verdict::WriteCount(count) => write(sink, level, &counted(&line, count)),
        Verdict::Fold => {}
    }
}

/// Writes the counts of folded lines that no line has mentioned yet.
pub(crate) fn tell_folded() {
    let Ok(mut folds) = FOLDS.try_lock() else { return };
    let untold = folds.take_untold(real_now());
    drop(folds);
    for (level, line, count) in untold {
        write(sink(level), level, &counted(&line, count));
    }
}

fn counted(line: &str, count: u64) -> String {
    format!("{line} ({count} times so far)")
}

fn write(sink: Sink, level: Level, line: &str) {
    match sink {
        Sink::Nowhere => {}
        Sink::Stderr => stderr::write_line(&format!("{TARGET}: {line}")),
        Sink::Logger => {
            let logged = as_logger(|| log::log!(target: TARGET, level, "{line}"));
            if logged.is_none() {
                stderr::write_line(&format!("{TARGET}: {line}"));
            }
        }
    }
}

fn sink(level: Level) -> Sink {
    if log::STATIC_MAX_LEVEL == LevelFilter::Off {
        return Sink::Nowhere;
    }
    if log::max_level() != LevelFilter::Off {
        HAS_LOGGER.store(true, Ordering::Relaxed);
        return if level <= log::max_level() { Sink::Logger } else { Sink::Nowhere };
    }
    // Without a logger the level is "off" as well.
    if HAS_LOGGER.load(Ordering::Relaxed) || as_logger(has_logger).unwrap_or(true) {
        HAS_LOGGER.store(true, Ordering::Relaxed);
        return Sink::Nowhere;
    }
    if level <= Level::Warn { Sink::Stderr } else { Sink::Nowhere }
}

/// The logger that the `log` crate has before one is set has no size, and is never enabled.
fn has_logger() -> bool {
    let logger = log::logger();
    let metadata = Metadata::builder().level(Level::Error).target(TARGET).build();
    size_of_val(logger) != 0 || logger.enabled(&metadata)
}

/// Calls the logger, which is user code. Returns `None` if the logger panics or caused this line.
fn as_logger<R>(f: impl FnOnce() -> R) -> Option<R> {
    if IS_LOGGING.replace(true) {
        return None;
    }
    let result = panic::catch_unwind(AssertUnwindSafe(f));
    IS_LOGGING.set(false);
    // The payload of the panic is leaked, because its drop could panic again.
    result.map_err(ManuallyDrop::new).ok()
}
