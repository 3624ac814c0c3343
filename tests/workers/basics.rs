//! The place and the options of each worker, and that nothing remains.

use std::cell::Cell;
use std::fs;
use std::future::pending;
use std::io;
use std::panic::catch_unwind;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;
use oneloop::workers::{Worker, per_core};
use oneloop::{Builder, Runtime, create_task, run, sleep, time, workers, yield_now};

use crate::{ANY_PORT, LONG, MS, alone, cleanup, in_child, message};

#[test]
fn outputs_come_in_the_order_of_the_workers() -> io::Result<()> {
    let _alone = alone();
    let outputs = workers(3).run(async |worker| {
        // The last one is ready first.
        sleep(MS * u32::try_from(3 - worker.index()).unwrap()).await;
        (worker.index(), worker.count())
    })?;
    assert_eq!(outputs, [(0, 3), (1, 3), (2, 3)]);
    let count = thread::available_parallelism()?.get();
    assert_eq!(per_core().run(async |worker| worker.count())?.len(), count);
    Ok(())
}

#[test]
fn each_has_a_loop_and_a_thread_of_its_own_and_may_borrow() -> io::Result<()> {
    let _alone = alone();
    let words = ["one".to_owned(), "two".to_owned()];
    let outputs = workers(2).run(async |worker| {
        let local = Rc::new(Cell::new(""));
        let shared = Rc::clone(&local);
        create_task(async move { shared.set("its own") }).await.unwrap();
        assert_eq!(local.get(), "its own");
        let name = thread::current().name().map(str::to_owned);
        (name.unwrap(), words[worker.index()].as_str())
    })?;
    assert_eq!(outputs, [("worker-0".to_owned(), "one"), ("worker-1".to_owned(), "two")]);
    Ok(())
}

#[test]
fn other_tasks_and_their_cleanups_end_with_their_worker() -> io::Result<()> {
    static DONE: AtomicUsize = AtomicUsize::new(0);
    let _alone = alone();
    workers(2).run(async |_worker| {
        create_task(async {
            let _guard = cleanup(&DONE, MS);
            pending::<()>().await;
        })
        .detach();
        yield_now().await;
    })?;
    assert_eq!(DONE.load(Ordering::Relaxed), 2);
    Ok(())
}

#[test]
fn no_workers_are_a_mistake() {
    let payload = catch_unwind(|| workers(0)).unwrap_err();
    let expected = "there must be at least one worker: `per_core()` has one for each core";
    assert_eq!(payload.downcast_ref(), Some(&expected));
}

#[test]
fn inside_a_loop_it_panics() {
    let _alone = alone();
    let payload = catch_unwind(|| run(async { workers(2).run(async |_| ()) })).unwrap_err();
    let message = message(&*payload);
    assert!(message.contains("cannot be run at tests/workers/basics.rs:"), "{message}");
}

#[test]
fn options_are_those_of_the_builder() -> io::Result<()> {
    let _alone = alone();
    let (sender, reported) = mpsc::channel();
    let options = workers(2).builder(move |index| {
        let sender = sender.clone();
        Builder::new().on_unhandled(move |unhandled| {
            sender.send((index, unhandled.message().to_owned())).unwrap();
        })
    });
    options.run(async |worker| {
        create_task(async move { Err::<(), _>(format!("of {}", worker.index())) }).detach();
        yield_now().await;
    })?;
    let mut reported: Vec<_> = reported.iter().collect();
    reported.sort();
    assert_eq!(reported, [(0, "of 0".to_owned()), (1, "of 1".to_owned())]);
    Ok(())
}

#[test]
fn pinned_workers_stay_on_cores_of_their_own() -> io::Result<()> {
    let cores = || {
        let allowed = sched_getaffinity(Pid::from_raw(0)).unwrap();
        (0..CpuSet::count()).filter(|&core| allowed.is_set(core).unwrap()).collect::<Vec<_>>()
    };
    let _alone = alone();
    let all = cores();
    let pinned = workers(all.len()).pin_to_cores(true).run(async |_worker| cores())?;
    assert!(pinned.iter().all(|cores| cores.len() == 1));
    assert_eq!(pinned.concat(), all);
    assert_eq!(cores(), all, "the caller is where it was");
    Ok(())
}

#[test]
fn more_pinned_workers_than_cores_are_refused() {
    let _alone = alone();
    let count = sched_getaffinity(Pid::from_raw(0)).unwrap();
    let count = (0..CpuSet::count()).filter(|&core| count.is_set(core).unwrap()).count() + 1;
    let run = workers(count).pin_to_cores(true).run(async |_worker| unreachable!("none runs"));
    let error = run.map(drop).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert!(
        error.to_string().contains(&format!("{count} workers cannot have a core each")),
        "{error}"
    );
}

#[test]
fn where_one_has_no_loop_none_runs() {
    let status = in_child("basics::where_one_has_no_loop_none_runs", || {
        let loops: Vec<_> = (0..4090).map(|_| Runtime::new().unwrap()).collect();
        let result = workers(8).run(async |_worker| unreachable!("some have no loop"));
        let result: io::Result<Vec<()>> = result;
        let error = result.unwrap_err().to_string();
        assert!(error.starts_with("cannot start worker "), "{error}");
        assert!(
            error.ends_with("4094 event loops exist already: drop a `Runtime` first"),
            "{error}"
        );
        drop(loops);
        assert_eq!(workers(8).run(async |_worker| ()).unwrap().len(), 8);
    });
    assert!(status.is_none_or(|status| status.success()));
}

#[test]
fn no_thread_and_no_descriptor_stays_behind() {
    let count = |what: &str| fs::read_dir(format!("/proc/self/{what}")).unwrap().count();
    let status = in_child("basics::no_thread_and_no_descriptor_stays_behind", || {
        let once = || {
            let listens = async |worker: Worker| worker.listen(ANY_PORT).await.map(drop);
            workers(3).run(listens).unwrap();
            let panics = catch_unwind(|| workers(2).run(async |_worker| panic!("boom")));
            let panics: thread::Result<io::Result<Vec<()>>> = panics;
            panics.unwrap_err();
        };
        let threads = count("task");
        once();
        let descriptors = count("fd");
        for _ in 0..20 {
            once();
        }
        assert_eq!(count("fd"), descriptors);
        let start = time::now();
        // A thread that has been joined may still be exiting.
        while count("task") > threads {
            assert!(time::now() - start < LONG, "{} threads more", count("task") - threads);
            thread::yield_now();
        }
    });
    assert!(status.is_none_or(|status| status.success()));
}
