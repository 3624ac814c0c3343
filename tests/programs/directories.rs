//! Unix sockets in a working directory that changes or vanishes, each in a separate process.

use std::env;
use std::fs;
use std::io::{ErrorKind, Result};
use std::process::Command;

use oneloop::net::{UnixListener, UnixStream};

use super::{Directory, failure, run};

const IN_CHILD: &str = "ONELOOP_TEST_IN_DIRECTORY";

/// Runs the test called `name` of this binary in a separate process, because the working directory
/// belongs to the process.
fn in_directory(name: &str, directory: &Directory) -> Result<()> {
    let output = Command::new(env::current_exe()?)
        .args(["--exact", &format!("directories::{name}"), "--nocapture"])
        .current_dir(directory)
        .env(IN_CHILD, directory.as_ref())
        .output()?;
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{}\n{}", said[0], said[1]);
    assert!(said[0].contains("1 passed"), "{}", said[0]);
    Ok(())
}

#[test]
fn a_relative_path_is_removed_from_wherever_the_process_has_gone() -> Result<()> {
    let Some(directory) = env::var_os(IN_CHILD) else {
        let directory = Directory::new()?;
        return in_directory(
            "a_relative_path_is_removed_from_wherever_the_process_has_gone",
            &directory,
        );
    };
    run(async {
        let listener = UnixListener::bind("socket")?;
        env::set_current_dir("/")?;
        drop(listener);
        assert_eq!(fs::read_dir(directory)?.count(), 0);
        Ok(())
    })
}

#[test]
fn a_vanished_working_directory_is_an_error_and_no_harm() -> Result<()> {
    let Some(directory) = env::var_os(IN_CHILD) else {
        let directory = Directory::new()?;
        return in_directory("a_vanished_working_directory_is_an_error_and_no_harm", &directory);
    };
    run(async {
        let listener = UnixListener::bind("socket")?;
        fs::remove_dir_all(directory)?;
        assert_eq!(failure(UnixListener::bind("other")).kind(), ErrorKind::NotFound);
        assert_eq!(failure(UnixStream::connect("socket").await).kind(), ErrorKind::NotFound);
        drop(listener);
        Ok(())
    })
}
