//! Cleanups in bad company: busy, endless, nested, and at the end of everything.

use std::future::pending;
use std::time::Duration;

use oneloop::{Builder, create_task, sleep, time, timeout, with_cleanup, yield_now};

use super::Log;

const SECOND: Duration = Duration::from_secs(1);

/// A loop with virtual time that logs what is unhandled.
fn builder() -> (Builder, Log) {
    let unhandled = Log::default();
    let seen = unhandled.clone();
    let builder = Builder::new().virtual_time(true).on_unhandled(move |u| seen.add(u.to_string()));
    (builder, unhandled)
}

#[oneloop::test(virtual_time)]
async fn an_outer_timeout_waits_for_the_cleanups_that_the_inner_one_waits_for() {
    let (log, start) = (Log::default(), time::now());
    let guarded = async {
        let _guard = with_cleanup(log.clone(), async |log| {
            sleep(3 * SECOND).await;
            log.add("clean");
        });
        pending::<()>().await;
    };
    let inner = timeout(SECOND, guarded);
    assert!(timeout(2 * SECOND, inner).await.is_err());
    assert_eq!(log.take(), ["clean"]);
    assert_eq!(time::now() - start, 4 * SECOND);
}

#[oneloop::test(virtual_time)]
async fn a_timeout_waits_for_what_the_cleanups_have_left_in_their_turn() {
    let (log, start) = (Log::default(), time::now());
    let guarded = async {
        let _guard = with_cleanup(log.clone(), async |log| {
            drop(with_cleanup(log, async |log| {
                sleep(SECOND).await;
                log.add("nested");
            }));
        });
        pending::<()>().await;
    };
    assert!(timeout(SECOND, guarded).await.is_err());
    assert_eq!(log.take(), ["nested"]);
    assert_eq!(time::now() - start, 2 * SECOND);
}

#[test]
fn a_cleanup_that_is_always_runnable_is_cut_off_at_the_end_of_the_loop() {
    let (builder, unhandled) = builder();
    // Real time, of which there is little.
    builder.virtual_time(false).cleanup_timeout(Duration::from_millis(5)).run(async {
        create_task(async {
            let _guard = with_cleanup((), async |()| {
                loop {
                    yield_now().await;
                }
            });
            pending::<()>().await;
        })
        .detach();
        yield_now().await;
    });
    let reported = unhandled.take();
    assert!(reported.len() == 1 && reported[0].contains("was cut off"), "{reported:?}");
}
