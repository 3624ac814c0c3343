//! The counts on record, in `counts.txt`, and the compiler that they hold for.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// How much a count may grow before the comparison fails: the layout of a table may differ by that
/// much between two builds of nearly the same source.
pub(crate) const GROWTH_MAX: f64 = 0.02;

pub(crate) struct Record {
    compiler: String,
    counts: Vec<(String, f64)>,
}

impl Record {
    pub(crate) fn read() -> Result<Self, String> {
        let text = fs::read_to_string(path()).map_err(|error| format!("counts.txt: {error}"))?;
        let mut compiler = String::new();
        let mut counts = Vec::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            match line.split_once(char::is_whitespace) {
                Some(("rustc", version)) => version.trim().clone_into(&mut compiler),
                Some((name, count)) => {
                    let count = count.trim().parse();
                    let count = count.map_err(|error| format!("counts.txt, {line:?}: {error}"))?;
                    counts.push((name.to_owned(), count));
                }
                None => return Err(format!("counts.txt: cannot read the line {line:?}")),
            }
        }
        Ok(Self { compiler, counts })
    }

    pub(crate) fn write(counts: &[(&str, f64)]) -> Result<(), String> {
        let mut text = String::from(
            "# Instructions for one operation; written by `cargo run --profile counted -p oneloop-instructions -- --record`\n",
        );
        let _ = writeln!(text, "rustc {}", compiler()?);
        for (name, count) in counts {
            let _ = writeln!(text, "{name} {count:.1}");
        }
        fs::write(path(), text).map_err(|error| format!("counts.txt: {error}"))
    }

    pub(crate) fn count(&self, name: &str) -> Result<f64, String> {
        let found = self.counts.iter().find(|(known, _)| known == name);
        found
            .map(|(_, count)| *count)
            .ok_or_else(|| format!("counts.txt has no line for {name}: --record"))
    }

    /// Another compiler makes other code, and valgrind may be missing.
    pub(crate) fn why_incomparable(&self) -> Result<Option<String>, String> {
        let compiler = compiler()?;
        if compiler != self.compiler {
            return Ok(Some(format!(
                "the counts on record are of rustc {}, and this is {compiler}",
                self.compiler
            )));
        }
        if Command::new("valgrind").arg("--version").output().is_err() {
            return Ok(Some("valgrind is not installed".to_owned()));
        }
        Ok(None)
    }
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("counts.txt")
}

fn compiler() -> Result<String, String> {
    let output = Command::new("rustc").arg("--version").output();
    let output = output.map_err(|error| format!("cannot ask rustc for its version: {error}"))?;
    let version = String::from_utf8_lossy(&output.stdout);
    Ok(version.trim().trim_start_matches("rustc ").to_owned())
}
