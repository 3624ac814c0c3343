//! What the loop has to say to whoever runs the program.

pub(crate) use log::Level;
use log::LevelFilter;

/// One line through the `log` crate or, in a program without a logger, to standard error: nobody else would tell.
pub(crate) fn log_line(level: Level, line: &str) {
    if log::max_level() == LevelFilter::Off {
        #[expect(clippy::print_stderr, reason = "the program has no logger")]
        {
            eprintln!("oneloop: {line}");
        }
    } else {
        log::log!(target: "oneloop", level, "{line}");
    }
}
