//! Panics of workers, and restarts.

use std::future::pending;
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use oneloop::workers::OnPanic;
use oneloop::{Builder, Handle, sleep, time, workers};

use crate::{ANY_PORT, AT_ONCE, MS, alone, cleanup, message};

#[test]
fn a_panic_of_one_stops_the_others_and_goes_on_in_the_caller() {
    static DONE: AtomicUsize = AtomicUsize::new(0);
    let _alone = alone();
    let start = time::now();
    let run = || {
        workers(3).run(async |worker| {
            let _guard = cleanup(&DONE, MS);
            assert_ne!(worker.index(), 1, "boom");
            pending::<()>().await;
        })
    };
    let payload = catch_unwind(run).unwrap_err();
    assert_eq!(
        message(&*payload),
        "worker 1 panicked: assertion `left != right` failed: boom\n  left: 1\n right: 1"
    );
    assert_eq!(DONE.load(Ordering::Relaxed), 3, "their cleanups ran");
    assert!(time::now() - start < AT_ONCE);
}

#[test]
fn the_first_panic_counts_and_those_who_look_out_end_by_themselves() {
    static ENDED: AtomicUsize = AtomicUsize::new(0);
    let _alone = alone();
    let run = || {
        workers(3).run(async |worker| match worker.index() {
            0 => {
                worker.stopping().await;
                panic!("because of the other");
            }
            1 => {
                worker.stopping().await;
                sleep(MS).await;
                ENDED.fetch_add(1, Ordering::Relaxed);
            }
            _ => panic!("first"),
        })
    };
    assert_eq!(message(&*catch_unwind(run).unwrap_err()), "worker 2 panicked: first");
    assert_eq!(ENDED.load(Ordering::Relaxed), 1);
}

#[test]
fn a_panic_of_the_builder_is_one_of_its_worker() {
    let _alone = alone();
    let run = || {
        let options = workers(2).builder(|index| {
            assert_eq!(index, 0, "no options");
            Builder::new()
        });
        options.run(async |_worker| unreachable!("no worker runs where one has no loop"))
    };
    let run: thread::Result<io::Result<Vec<()>>> = catch_unwind(run);
    let payload = run.unwrap_err();
    assert!(message(&*payload).starts_with("worker 1 panicked: "), "{}", message(&*payload));
}

#[test]
fn a_panicked_worker_starts_again_on_a_new_loop() -> io::Result<()> {
    let _alone = alone();
    let runs = [const { AtomicUsize::new(0) }; 2];
    let start = time::now();
    let outputs = workers(2).on_panic(OnPanic::Restart { times: 2 }).run(async |worker| {
        let run = runs[worker.index()].fetch_add(1, Ordering::Relaxed);
        let handle = worker.handle(worker.index());
        assert_eq!(handle, Handle::current());
        assert!(worker.index() == 0 || run == 2, "again");
        run
    })?;
    assert_eq!(outputs, [0, 2]);
    // 10 ms, and twice as many.
    assert!(time::now() - start >= MS * 30);
    Ok(())
}

#[test]
fn a_worker_that_panics_too_often_stops_all() {
    let _alone = alone();
    let runs = AtomicUsize::new(0);
    let run = || {
        workers(2).on_panic(OnPanic::Restart { times: 1 }).run(async |worker| {
            if worker.index() == 0 {
                runs.fetch_add(1, Ordering::Relaxed);
                panic!("as always");
            }
            worker.stopping().await;
        })
    };
    let payload = catch_unwind(AssertUnwindSafe(run)).unwrap_err();
    assert_eq!(message(&*payload), "worker 0 panicked: as always");
    assert_eq!(runs.load(Ordering::Relaxed), 2);
}

#[test]
fn a_worker_that_shares_a_port_finds_it_again_after_a_restart() -> io::Result<()> {
    let _alone = alone();
    let runs = AtomicUsize::new(0);
    let addrs = workers(2).on_panic(OnPanic::Restart { times: 1 }).run(async |worker| {
        let listener = worker.listen(ANY_PORT).await?;
        assert!(worker.index() == 1 || runs.fetch_add(1, Ordering::Relaxed) == 1, "once");
        listener.local_addr()
    })?;
    let addrs = addrs.into_iter().collect::<io::Result<Vec<_>>>()?;
    assert_eq!(addrs[0], addrs[1]);
    Ok(())
}

#[test]
fn a_worker_that_waits_to_start_again_stops_with_the_others() {
    let _alone = alone();
    // The stop comes in its pause of 20 ms. On a slow machine it may come in its next run, which is
    // its last then.
    for _ in 0..100 {
        let runs = AtomicUsize::new(0);
        let run = || {
            workers(2).on_panic(OnPanic::Restart { times: u32::MAX }).run(async |worker| {
                if worker.index() == 0 {
                    runs.fetch_add(1, Ordering::Relaxed);
                    panic!("again and again");
                }
                while runs.load(Ordering::Relaxed) < 2 {
                    sleep(MS).await;
                }
                worker.stop();
            })
        };
        match catch_unwind(AssertUnwindSafe(run)) {
            Ok(result) => return assert_eq!(result.unwrap_err().kind(), ErrorKind::Interrupted),
            Err(payload) => assert_eq!(message(&*payload), "worker 0 panicked: again and again"),
        }
    }
    panic!("it never stopped in its pause");
}
