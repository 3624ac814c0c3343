//! Prints lines that are appended to files, like `tail -f`, each with the name of its file.
//!
//! Usage: `tail_files FILE..`. Ctrl-C ends it. A file that becomes shorter was written anew, and is
//! printed from its beginning.
#![expect(clippy::print_stderr, reason = "an example shows what it does")]

use std::env;
use std::process::ExitCode;
use std::time::Duration;

use oneloop::fs::File;
use oneloop::io::{self, SeekFrom, stdout};
use oneloop::signal::ctrl_c;
use oneloop::{interval, select, task_group};

/// The pause between two looks at a file.
const PAUSE: Duration = Duration::from_millis(100);

async fn follow(path: &str) -> io::Result<()> {
    let file = File::open(path).await?;
    let mut position = file.seek(SeekFrom::End(0)).await?;
    eprintln!("following {path} from byte {position}");
    // The last line, while it has no line end yet.
    let mut rest = Vec::new();
    let mut ticks = interval(PAUSE);
    loop {
        ticks.tick().await;
        if file.metadata().await?.len() < position {
            file.rewind().await?;
            position = 0;
            rest.clear();
        }
        position += file.read_to_end(&mut rest).await? as u64;
        let end = rest.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let lines: Vec<u8> = rest.drain(..end).collect();
        let text = String::from_utf8_lossy(&lines);
        let named: Vec<_> = text.lines().map(|line| format!("{path}: {line}\n")).collect();
        stdout().write_all(named.concat().as_bytes()).await?;
    }
}

/// Follows each file in a task of its own. An error of one ends all of them.
async fn follow_all(paths: &[String]) -> io::Result<()> {
    let following = task_group(async |group| -> io::Result<()> {
        for path in paths {
            group.create_task(follow(path));
        }
        Ok(())
    });
    select! {
        stop = ctrl_c() => stop,
        failed = following => Ok(failed?),
    }
}

fn main() -> ExitCode {
    let paths: Vec<String> = env::args().skip(1).collect();
    if paths.is_empty() {
        eprintln!("usage: tail_files FILE..");
        return ExitCode::FAILURE;
    }
    match oneloop::run(follow_all(&paths)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tail_files: {error}");
            ExitCode::FAILURE
        }
    }
}
