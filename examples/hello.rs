//! Prints a line, sleeps for a second, and prints another.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

fn main() {
    oneloop::run(async {
        println!("Hello ...");
        oneloop::sleep(Duration::from_secs(1)).await;
        println!("... oneloop!");
    });
}
