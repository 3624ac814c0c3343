//! `add_reader` and `add_writer`.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{ErrorKind, Read as _, Result, Write as _};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use oneloop::io::{self, FdCallback};
use oneloop::{Builder, timeout, yield_now};

/// Runs the loop until `done`, which a few turns must achieve.
async fn until(what: &str, done: impl Fn() -> bool) {
    let done = async {
        while !done() {
            yield_now().await;
        }
    };
    assert!(timeout(Duration::from_secs(60), done).await.is_ok(), "waited in vain: {what}");
}

/// A counter, and a callback that counts.
fn counter() -> (Rc<Cell<u32>>, impl FnMut() + 'static) {
    let count = Rc::new(Cell::new(0));
    let counted = Rc::clone(&count);
    (count, move || counted.set(counted.get() + 1))
}

#[oneloop::test]
async fn a_reader_is_called_while_there_is_something_to_read() -> Result<()> {
    let (mut ours, mut theirs) = UnixStream::pair()?;
    let (calls, call) = counter();
    let reader = io::add_reader(&ours, call)?;
    for _ in 0..10 {
        yield_now().await;
    }
    assert_eq!(calls.get(), 0);
    theirs.write_all(b"abc")?;
    until("it is level-triggered", || calls.get() > 5).await;
    ours.read_exact(&mut [0; 3])?;
    yield_now().await;
    let by_then = calls.get();
    for _ in 0..10 {
        yield_now().await;
    }
    assert!(calls.get() <= by_then + 1, "nothing was left to read");
    drop(theirs);
    let by_then = calls.get();
    until("the end is to be read", || calls.get() > by_then + 5).await;
    assert!(!reader.is_finished());
    Ok(())
}

#[oneloop::test]
async fn a_dropped_callback_is_not_called_any_more() -> Result<()> {
    let (ours, mut theirs) = UnixStream::pair()?;
    let (calls, call) = counter();
    let reader = io::add_reader(&ours, call)?;
    theirs.write_all(b"abc")?;
    until("it is called", || calls.get() > 0).await;
    let by_then = calls.get();
    drop(reader);
    for _ in 0..10 {
        yield_now().await;
    }
    assert_eq!(calls.get(), by_then);
    assert_eq!(Rc::strong_count(&calls), 1, "it is dropped");
    Ok(())
}

#[oneloop::test]
async fn a_callback_may_remove_itself_and_register_another() -> Result<()> {
    let (ours, mut theirs) = UnixStream::pair()?;
    theirs.write_all(b"abc")?;
    let handle: Rc<RefCell<Option<FdCallback>>> = Rc::default();
    let calls = Rc::new(RefCell::new(Vec::new()));
    let (own, log) = (Rc::clone(&handle), Rc::clone(&calls));
    let reader = io::add_reader(&ours.try_clone()?, move || {
        log.borrow_mut().push("first");
        let (next, log) = (Rc::clone(&own), Rc::clone(&log));
        let second = io::add_writer(&ours, move || {
            log.borrow_mut().push("second");
            drop(next.borrow_mut().take());
        });
        let former = own.borrow_mut().replace(second.expect("it can be watched again"));
        drop(former);
    })?;
    *handle.borrow_mut() = Some(reader);
    until("both are called", || calls.borrow().len() > 1).await;
    for _ in 0..10 {
        yield_now().await;
    }
    assert_eq!(*calls.borrow(), ["first", "second"]);
    Ok(())
}

#[oneloop::test]
async fn many_callbacks_may_watch_one_descriptor() -> Result<()> {
    let (ours, mut theirs) = UnixStream::pair()?;
    let (reads, read) = counter();
    let (reads_too, read_too) = counter();
    let (writes, write) = counter();
    let _callbacks = [
        io::add_reader(&ours, read)?,
        io::add_reader(&ours, read_too)?,
        io::add_writer(&ours, write)?,
    ];
    until("there is room", || writes.get() > 0).await;
    assert_eq!(reads.get() + reads_too.get(), 0);
    theirs.write_all(b"x")?;
    until("there is something to read", || reads.get() > 0 && reads_too.get() > 0).await;
    Ok(())
}

#[test]
fn a_panic_is_reported_when_it_happens_and_ends_the_callback() -> Result<()> {
    let reports: Rc<RefCell<Vec<String>>> = Rc::default();
    let log = Rc::clone(&reports);
    let hook = move |unhandled: &oneloop::Unhandled| log.borrow_mut().push(unhandled.to_string());
    Builder::new().on_unhandled(hook).run(async {
        let (ours, mut theirs) = UnixStream::pair()?;
        let (others, other) = counter();
        let _other = io::add_reader(&ours, other)?;
        let callback = io::add_reader(&ours, || panic!("oh no"))?;
        theirs.write_all(b"x")?;
        until("it ends", || callback.is_finished()).await;
        until("it is reported", || !reports.borrow().is_empty()).await;
        assert_eq!(reports.borrow().len(), 1);
        let report = reports.borrow()[0].clone();
        assert!(report.contains("oh no") && report.contains("callback of descriptor"), "{report}");
        assert!(report.contains(file!()), "{report}");
        let by_then = others.get();
        until("the other one goes on", || others.get() > by_then).await;
        Ok(())
    })
}

#[oneloop::test]
async fn what_is_always_ready_is_refused() -> Result<()> {
    let file = File::open(env!("CARGO_MANIFEST_PATH"))?;
    let error = io::add_reader(&file, || {}).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("use `fs::File`"), "{error}");
    Ok(())
}

#[test]
fn without_a_loop_there_is_an_error_and_its_end_finishes_callbacks() -> Result<()> {
    let (ours, _theirs) = UnixStream::pair()?;
    let error = io::add_reader(&ours, || {}).unwrap_err();
    assert!(error.to_string().contains("needs a running event loop"), "{error}");
    let callback = oneloop::run(async { io::add_reader(&ours, || {}) })?;
    assert!(callback.is_finished());
    Ok(())
}
