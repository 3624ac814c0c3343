//! The output of the example `process_pipeline`.

#![cfg(feature = "process")]

use std::env;
use std::process::Command;

/// Next to the directory of the test itself. `cargo test` builds the examples.
#[test]
fn it_counts_words_and_ends_what_takes_too_long() {
    let test = env::current_exe().expect("a test knows where it is");
    let target = test.parent().and_then(|deps| deps.parent()).expect("it is in target/*/deps");
    let path = target.join("examples").join("process_pipeline");
    assert!(path.exists(), "{} is missing: run `cargo build --examples` first", path.display());

    loop {
        let output = Command::new(&path).output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stdout);
        let lines: Vec<&str> = said.lines().map(str::trim).collect();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(lines[..2], ["3 the", "2 and"]);
        assert!(
            ["1 dog", "1 cat", "1 bird"].iter().all(|line| lines[2..5].contains(line)),
            "{said}"
        );
        assert_eq!(lines[5], "done, exit status: 0");
        // On a busy machine its time may be over before it prints anything.
        if lines[6] != ", signal: 15 (SIGTERM)" {
            return assert_eq!(lines[6], "started, signal: 15 (SIGTERM)");
        }
    }
}
