//! Runs three fetches at once. Together they take only as long as the longest one.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use oneloop::time::now;

/// Stands in for a request over the network.
async fn fetch(name: &str, seconds: u64) -> String {
    println!("{name}: fetching ...");
    oneloop::sleep(Duration::from_secs(seconds)).await;
    println!("{name}: done");
    format!("{name} after {seconds} s")
}

fn main() {
    oneloop::run(async {
        let start = now();
        let (apples, pears, plums) =
            oneloop::gather!(fetch("apples", 1), fetch("pears", 3), fetch("plums", 2)).await;
        println!("[{apples}] [{pears}] [{plums}] in {:.1?}", now() - start);

        // The function takes any number of futures, if all have the same type.
        let names = ["figs", "kiwis", "limes", "dates"];
        let baskets = oneloop::gather(names.map(|name| fetch(name, 1))).await;
        println!("{baskets:?} one second later, after {:.1?}", now() - start);
    });
}
