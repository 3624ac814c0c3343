//! `RwLock`: readers together, writers alone, and no starving writer.

use oneloop::sync::{RwLock, WriteGuard};

use super::harness::{at_once, by_hand};

#[test]
fn readers_share_and_a_writer_is_alone() {
    let lock = RwLock::new(1);
    let (one, another) = (at_once(lock.read()), lock.try_read().unwrap());
    assert!(lock.try_write().is_none());
    assert_eq!(*one + *another, 2);
    drop((one, another));
    let mut writer = at_once(lock.write());
    *writer = 2;
    assert!(lock.try_read().is_none() && lock.try_write().is_none());
    drop(writer);
    assert_eq!(lock.into_inner(), 2);
}

#[test]
fn a_writer_that_waits_is_not_overtaken_by_readers() {
    let lock = RwLock::new(());
    let reader = at_once(lock.read());
    let (mut writer, mut late) = (by_hand(lock.write()), by_hand(lock.read()));
    writer.pending();
    late.pending();
    assert!(lock.try_read().is_none());
    drop(reader);
    assert_eq!((writer.wakes(), late.wakes()), (1, 0));
    drop(writer.ready());
    drop(late.ready());
}

#[test]
fn readers_next_to_each_other_in_the_line_enter_together() {
    let lock = RwLock::new(());
    let writer = at_once(lock.write());
    let (mut first, mut second) = (by_hand(lock.read()), by_hand(lock.read()));
    let (mut between, mut third) = (by_hand(lock.write()), by_hand(lock.read()));
    first.pending();
    second.pending();
    between.pending();
    third.pending();
    drop(writer);
    assert_eq!([first.wakes(), second.wakes(), third.wakes()], [1, 1, 0]);
    assert_eq!(between.wakes(), 0);
    let readers = (first.ready(), second.ready());
    drop(readers.0);
    between.pending();
    drop(readers.1);
    drop(between.ready());
    drop(third.ready());
}

#[test]
fn a_cancelled_writer_lets_the_readers_behind_it_in() {
    let lock = RwLock::new(());
    let reader = at_once(lock.read());
    let (mut writer, mut late) = (by_hand(lock.write()), by_hand(lock.read()));
    writer.pending();
    late.pending();
    drop(writer);
    assert_eq!(late.wakes(), 1);
    drop((late.ready(), reader));

    let reader = at_once(lock.read());
    let (mut writer, mut late) = (by_hand(lock.write()), by_hand(lock.read()));
    writer.pending();
    late.pending();
    drop(reader);
    assert_eq!((writer.wakes(), late.wakes()), (1, 0));
    drop(writer);
    assert_eq!(late.wakes(), 1);
    drop(late);
    assert!(lock.try_write().is_some());
}

#[test]
fn a_writer_becomes_a_reader_and_nobody_writes_between() {
    let lock = RwLock::new(0);
    let mut writer = at_once(lock.write());
    let (mut reader, mut other) = (by_hand(lock.read()), by_hand(lock.write()));
    reader.pending();
    other.pending();
    *writer = 1;
    let value = WriteGuard::downgrade(writer);
    assert_eq!((reader.wakes(), other.wakes()), (1, 0));
    assert_eq!(*value + *reader.ready(), 2);
    other.pending();
    drop(value);
    *other.ready() = 2;
    assert_eq!(*lock.try_read().unwrap(), 2);
}

#[test]
fn it_shows_its_value_unless_somebody_writes() {
    let mut lock = RwLock::new(5);
    *lock.get_mut() += 1;
    let reader = at_once(lock.read());
    assert_eq!(format!("{lock:?} {reader}"), "RwLock { value: 6, n_waiting: 0 } 6");
    drop(reader);
    let writer = at_once(lock.write());
    assert_eq!(format!("{lock:?} {writer:?}"), "RwLock { value: <locked>, n_waiting: 0 } 6");
}
