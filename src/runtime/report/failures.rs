//! Reports that make `run` panic at its end, if the loop was built so.

use std::cell::RefCell;
use std::rc::Rc;

/// The most reports that the panic contains. It counts the rest.
const LINES_MAX: usize = 10;

/// The reports until now, shared by the loop and the code that runs it.
pub(crate) type SharedFailures = Rc<RefCell<Failures>>;

#[derive(Default)]
pub(crate) struct Failures {
    lines: Vec<String>,
    /// The number of reports, including the rest.
    count: usize,
}

impl Failures {
    pub(crate) fn add(&mut self, line: String) {
        self.count += 1;
        if self.lines.len() < LINES_MAX {
            self.lines.push(line);
        }
    }
}

/// Panics if there were reports since the last call.
#[track_caller]
pub(crate) fn check_failures(failures: Option<&SharedFailures>) {
    let Failures { lines, count } = failures.map(|failures| failures.take()).unwrap_or_default();
    if lines.is_empty() {
        return;
    }
    let lines_left = count - lines.len();
    let more = if lines_left > 0 { format!("\n  and {lines_left} more") } else { String::new() };
    panic!(
        "{count} unhandled, as `fail_on_unhandled` does not allow:\n  {}{more}",
        lines.join("\n  ")
    );
}
