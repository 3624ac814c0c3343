//! Does something each second, without drift, while another task runs; then does the same in
//! virtual time.
//!
//! Ends by itself: `cargo run --example periodic`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use oneloop::time::now;
use oneloop::{Builder, create_task, interval, sleep};

/// Reads the thermometer each second. Reading takes time, but does not delay the next reading.
async fn measure(times: usize) {
    let start = now();
    let mut ticks = interval(Duration::from_secs(1));
    for degrees in (18..).take(times) {
        let due = ticks.tick().await;
        sleep(Duration::from_millis(300)).await;
        let [due, known] = [due, now()].map(|time| (time - start).as_secs_f64());
        println!("{degrees} degrees, due at {due:.1} s, known at {known:.1} s");
    }
}

/// Switches the lamp on and off until it is cancelled.
async fn blink() {
    let mut ticks = interval(Duration::from_millis(700));
    for lamp in ["on", "off"].into_iter().cycle() {
        ticks.tick().await;
        println!("    lamp {lamp}");
    }
}

/// Measures while the lamp blinks. The lamp's task is tied to its handle, so it stops at the end.
async fn station() {
    let _lamp = create_task(blink()).cancel_on_drop();
    measure(3).await;
}

fn main() {
    for is_virtual in [false, true] {
        let start = now(); // outside of a loop this is the real time
        Builder::new().virtual_time(is_virtual).run(station());
        let took = now() - start;
        println!("virtual time: {is_virtual}, took {took:.1?}");
    }
}
