//! Counts the user-space instructions of oneloop's operations with callgrind, and compares them
//! with `counts.txt`.
//!
//! Nanoseconds vary with the machine and with its neighbours; instructions repeat exactly. Each
//! work runs at two lengths, and the difference, divided by the difference of the lengths, is the
//! cost of one operation without the start of the program.
//!
//! ```sh
//! cargo run --profile counted -p oneloop-instructions              # compare: a count 2 % above its record fails
//! cargo run --profile counted -p oneloop-instructions -- --record  # write the counts down
//! ```

#![expect(clippy::print_stdout, reason = "the counts are printed")]

mod callgrind;
mod record;
mod works;

use std::env;
use std::process::ExitCode;

use record::Record;
use works::{WORKS, Work};

/// The maximum number of times that a work is counted.
const TRIES: u32 = 3;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        ["--work", name, times] => works::run(name, times),
        [] => compare(),
        ["--record"] => write_down(),
        _ => Err(format!("cannot read the arguments {args:?}: give none, or --record")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Fails if an operation takes more instructions than its record allows.
fn compare() -> Result<(), String> {
    let record = Record::read()?;
    if let Some(reason) = record.why_incomparable()? {
        println!("!!! SKIPPED: {reason}");
        return Ok(());
    }
    let mut grown = Vec::new();
    for work in &WORKS {
        let recorded = record.count(work.name)?;
        let allowed = recorded * (1.0 + record::GROWTH_MAX);
        let count = lowest_count(work, allowed)?;
        println!("{:18} {count:9.1} on record {recorded:9.1}", work.name);
        if count > allowed {
            grown.push(work.name);
        }
    }
    if grown.is_empty() {
        return Ok(());
    }
    Err(format!(
        "more instructions than on record: {}. Mend it, or say why and --record",
        grown.join(", ")
    ))
}

/// Counts several times and returns the lowest count, because works that wait for sockets or read
/// the clock take a few more instructions on a busy machine. Stops early at a count that is
/// `low_enough`.
fn lowest_count(work: &Work, low_enough: f64) -> Result<f64, String> {
    let mut lowest = f64::INFINITY;
    for _ in 0..TRIES {
        lowest = lowest.min(callgrind::count(work)?);
        if lowest <= low_enough {
            break;
        }
    }
    Ok(lowest)
}

fn write_down() -> Result<(), String> {
    let mut counts = Vec::new();
    for work in &WORKS {
        let count = lowest_count(work, 0.0)?;
        println!("{:18} {count:9.1}", work.name);
        counts.push((work.name, count));
    }
    Record::write(&counts)
}
