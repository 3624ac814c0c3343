//! The ends of a writer: `write_eof`, `close`, `abort`, and drop.

use std::cell::RefCell;
use std::io::{ErrorKind, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use oneloop::io::StreamWriter;
use oneloop::{Builder, sleep, with_cleanup};

use super::{Sink, run, settle, waits};

#[test]
fn write_eof_closes_when_all_has_been_sent() -> Result<()> {
    run(async {
        let sink = Sink::with_room(2);
        let mut writer = StreamWriter::new(sink.clone());
        assert!(writer.can_write_eof());
        writer.write("data");
        writer.write_eof();
        settle().await;
        assert_eq!(sink.0.borrow().closes, 0);
        sink.grow(9);
        writer.drain().await?;
        settle().await;
        assert_eq!((sink.data(), sink.0.borrow().closes), (b"data".to_vec(), 1));
        assert!(!writer.is_closing());
        let misuse = AssertUnwindSafe(|| writer.write("x"));
        assert!(catch_unwind(misuse).is_err());
        assert_eq!(writer.write_all("x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        writer.write_eof();
        writer.wait_closed().await?;
        assert_eq!(sink.0.borrow().closes, 1, "nothing is closed twice");
        Ok(())
    })
}

#[test]
fn close_sends_what_waits_first() -> Result<()> {
    run(async {
        let sink = Sink::default();
        let mut writer = StreamWriter::new(sink.clone());
        writer.write("data");
        assert!(!writer.is_closing());
        writer.close();
        assert!(writer.is_closing());
        writer.write("too late");
        {
            let mut closed = pin!(writer.wait_closed());
            assert!(waits(&mut closed).await);
            sink.grow(99);
            closed.await?;
        }
        assert_eq!((sink.data(), sink.0.borrow().closes), (b"data".to_vec(), 1));
        let error = writer.drain().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe, "something was written too late");
        writer.wait_closed().await
    })
}

#[test]
fn wait_closed_closes() -> Result<()> {
    run(async {
        let sink = Sink::with_room(9);
        let mut writer = StreamWriter::new(sink.clone());
        writer.write("data");
        writer.wait_closed().await?;
        assert_eq!((sink.data(), sink.0.borrow().closes), (b"data".to_vec(), 1));
        writer.drain().await?;
        Ok(())
    })
}

#[test]
fn abort_drops_what_waits() -> Result<()> {
    run(async {
        let sink = Sink::with_room(1);
        let mut writer = StreamWriter::new(sink.clone());
        writer.write("data");
        writer.abort();
        assert!(writer.is_closing());
        assert_eq!(writer.write_buffer_size(), 0);
        writer.wait_closed().await?;
        sink.grow(9);
        settle().await;
        assert_eq!(sink.data(), b"d");
        Ok(())
    })
}

#[test]
fn the_loop_ends_when_all_has_been_sent() {
    let sink = Sink::with_room(1);
    let peer = sink.clone();
    Builder::new().virtual_time(true).run(async {
        let mut writer = StreamWriter::new(sink.clone());
        // Dropped first, so it is the first of main's cleanups.
        let _peer = with_cleanup(peer, async move |peer| {
            sleep(Duration::from_secs(1)).await;
            peer.grow(9);
        });
        writer.write("data");
    });
    assert_eq!(sink.data(), b"data");
}

/// The report about a writer that `fail` makes fail and drops.
fn reports_of(fail: impl AsyncFnOnce(StreamWriter, Sink)) -> Vec<String> {
    let reports = Rc::new(RefCell::new(Vec::new()));
    let list = Rc::clone(&reports);
    let builder =
        Builder::new().on_unhandled(move |unhandled| list.borrow_mut().push(unhandled.to_string()));
    builder.run(async {
        let sink = Sink::with_room(1);
        fail(StreamWriter::new(sink.clone()), sink).await;
    });
    reports.take()
}

#[test]
fn an_error_after_the_drop_is_reported() {
    let reports = reports_of(async |mut writer, sink| {
        writer.write("data");
        drop(writer);
        settle().await;
        sink.fail(ErrorKind::BrokenPipe);
    });
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert!(reports[0].contains("not all that was written could be sent"), "{reports:?}");
}

#[test]
fn an_error_before_the_drop_is_reported_if_nobody_was_given_it() {
    let reports = reports_of(async |mut writer, sink| {
        writer.write("data");
        sink.fail(ErrorKind::StorageFull);
        settle().await;
    });
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert!(reports[0].contains("not all that was written could be sent"), "{reports:?}");
    let at_once = reports_of(async |mut writer, sink| {
        sink.fail(ErrorKind::BrokenPipe);
        writer.write("data");
    });
    assert_eq!(at_once.len(), 1, "{at_once:?}");
    let told = reports_of(async |mut writer, sink| {
        writer.write("data");
        sink.fail(ErrorKind::StorageFull);
        settle().await;
        assert!(writer.drain().await.is_err());
    });
    assert!(told.is_empty(), "{told:?}");
    let given = reports_of(async |mut writer, sink| {
        sink.fail(ErrorKind::StorageFull);
        assert!(writer.write_all(b"data").await.is_err());
    });
    assert!(given.is_empty(), "{given:?}");
}

#[test]
fn a_peer_that_goes_when_it_has_all_is_no_error() {
    let reports = reports_of(async |mut writer, sink| {
        writer.write("d");
        settle().await;
        sink.fail(ErrorKind::ConnectionReset);
    });
    assert!(reports.is_empty(), "{reports:?}");
}

#[test]
fn without_a_loop_a_drop_does_what_can_be_done_at_once() {
    let sink = Sink::with_room(2);
    let mut writer = StreamWriter::new(sink.clone());
    writer.write("data");
    drop(writer);
    assert_eq!((sink.data(), sink.0.borrow().closes), (b"da".to_vec(), 0));
    let mut writer = StreamWriter::new(Sink::with_room(9));
    writer.write("data");
    drop(writer);
    assert_eq!(Rc::strong_count(&sink.0), 1, "nothing is kept");
}
