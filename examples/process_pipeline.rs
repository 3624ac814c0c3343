//! Runs the pipeline `sort | uniq -c | sort -rn`, writes to its start and reads from its end. Then
//! runs a program that takes too long.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::io;
use std::time::Duration;

use oneloop::process::{Command, Stdio};
use oneloop::{timeout, try_gather};

/// Counts the words of `text`, the most frequent first, by means of three programs. The data
/// between them does not pass through this process.
async fn count_words(text: &str) -> io::Result<String> {
    let lines = text.split_whitespace().collect::<Vec<_>>().join("\n") + "\n";
    let mut sort = Command::new("sort").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let sorted = sort.stdout.take().expect("it is piped");
    let mut count = Command::new("uniq").arg("-c").stdin(sorted).stdout(Stdio::piped()).spawn()?;
    let counted = count.stdout.take().expect("it is piped");
    let mut rank = Command::new("sort").arg("-rn").stdin(counted).stdout(Stdio::piped()).spawn()?;

    let ends = try_gather!(sort.communicate(&lines), count.wait(), rank.communicate(""));
    let (sorted, counted, ranked) = ends.await?;
    for status in [sorted.status, counted, ranked.status] {
        if !status.success() {
            return Err(io::Error::other(format!("a program of the pipeline failed: {status}")));
        }
    }
    Ok(String::from_utf8_lossy(&ranked.stdout).into_owned())
}

/// Runs a program for at most `limit`. Then asks it to end, and keeps the output it has written so
/// far.
async fn run_for(script: &str, limit: Duration) -> io::Result<String> {
    let mut child = Command::shell(script).stdout(Stdio::piped()).spawn()?;
    let output = if let Ok(output) = timeout(limit, child.communicate("")).await {
        output?
    } else {
        child.terminate()?;
        child.communicate("").await?
    };
    let said = String::from_utf8_lossy(&output.stdout);
    Ok(format!("{}, {}", said.trim_end(), output.status))
}

fn main() -> io::Result<()> {
    oneloop::run(async {
        print!("{}", count_words("the cat and the dog and the bird").await?);
        println!("{}", run_for("echo done", Duration::from_secs(5)).await?);
        println!("{}", run_for("echo started; exec sleep 60", Duration::from_millis(100)).await?);
        Ok(())
    })
}
