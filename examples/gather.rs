//! Three fetches at once: together they take as long as the longest.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use oneloop::time::now;

/// Stands for a request over the network.
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

        // As many as you like, if they are of one kind.
        let names = ["figs", "kiwis", "limes", "dates"];
        let baskets = oneloop::gather(names.map(|name| fetch(name, 1))).await;
        println!("{baskets:?} in one more: {:.1?}", now() - start);
    });
}
