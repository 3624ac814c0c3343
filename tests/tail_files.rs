//! The example `tail_files` as a process: files that grow, are rewritten, or do not exist.

#![cfg(all(feature = "fs", feature = "signal"))]

use std::env;
use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, BufReader, Result, Write as _};
use std::path::{Path, PathBuf};
use std::process::{self, Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Next to the directory of the test itself. `cargo test` builds the examples.
fn example() -> Command {
    let test = env::current_exe().expect("a test knows where it is");
    let target = test.parent().and_then(|deps| deps.parent()).expect("it is in target/*/deps");
    let path = target.join("examples").join("tail_files");
    assert!(path.exists(), "{} is missing: run `cargo build --examples` first", path.display());
    Command::new(path)
}

/// A directory in which the program runs.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("oneloop-tail-{}-{number}", process::id()));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }

    fn append(&self, name: &str, text: &str) -> Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(self.0.join(name))?;
        file.write_all(text.as_bytes())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

struct Tail {
    process: Child,
    stdout: BufReader<ChildStdout>,
}

impl Tail {
    /// When this returns, each file is open and at its end.
    fn start(folder: &Path, names: &[&str]) -> Result<Self> {
        let mut command = example();
        command.args(names).current_dir(folder).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn()?;
        let stdout = BufReader::new(process.stdout.take().expect("it is piped"));
        let mut stderr = BufReader::new(process.stderr.take().expect("it is piped"));
        for _ in names {
            let mut line = String::new();
            stderr.read_line(&mut line)?;
            assert!(line.starts_with("following "), "{line}");
        }
        Ok(Self { process, stdout })
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.stdout.read_line(&mut line)?;
        Ok(line)
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

#[test]
fn new_lines_of_all_files_are_shown_and_ctrl_c_ends_it() -> Result<()> {
    let folder = Folder::new()?;
    folder.append("a.log", "old\n")?;
    folder.append("b.log", "")?;
    let mut tail = Tail::start(&folder.0, &["a.log", "b.log"])?;
    folder.append("a.log", "one\ntwo\nthr")?;
    assert_eq!(tail.line()?, "a.log: one\n");
    assert_eq!(tail.line()?, "a.log: two\n");
    folder.append("b.log", "other\n")?;
    assert_eq!(tail.line()?, "b.log: other\n");
    folder.append("a.log", "ee\n")?;
    assert_eq!(tail.line()?, "a.log: three\n");

    let interrupt = Command::new("kill").arg("-INT").arg(tail.process.id().to_string()).status()?;
    assert!(interrupt.success());
    assert!(tail.process.wait()?.success());
    Ok(())
}

#[test]
fn a_file_that_gets_shorter_is_shown_from_its_beginning() -> Result<()> {
    let folder = Folder::new()?;
    folder.append("a.log", "a long line\n")?;
    let mut tail = Tail::start(&folder.0, &["a.log"])?;
    fs::write(folder.0.join("a.log"), "new\n")?;
    assert_eq!(tail.line()?, "a.log: new\n");
    Ok(())
}

#[test]
fn a_file_that_is_not_there_is_an_error_with_its_name() -> Result<()> {
    let folder = Folder::new()?;
    folder.append("a.log", "")?;
    let output = example().args(["a.log", "missing.log"]).current_dir(&folder.0).output()?;
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("missing.log"), "{said}");
    Ok(())
}

#[test]
fn without_a_file_it_says_how_it_is_used() -> Result<()> {
    let output = example().output()?;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "usage: tail_files FILE..\n");
    Ok(())
}
