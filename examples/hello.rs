//! Says hello, waits a moment, says goodbye.

use std::time::Duration;

fn main() {
    oneloop::run(async {
        println!("Hello ...");
        oneloop::sleep(Duration::from_secs(1)).await;
        println!("... oneloop!");
    });
}
