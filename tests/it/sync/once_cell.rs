//! `OnceCell`: one task makes the value and, if it fails, the next one does.

use std::cell::Cell;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};

use oneloop::sync::OnceCell;
use oneloop::{gather, yield_now};

use super::super::tasks::throw;
use super::harness::{at_once, by_hand};

#[oneloop::test(virtual_time)]
async fn it_is_made_once_for_all_who_need_it() {
    let (cell, count) = (OnceCell::new(), Cell::new(0));
    let make = async || {
        yield_now().await;
        count.set(count.get() + 1);
        count.get()
    };
    let values = gather((0..5).map(|_| cell.get_or_init(make))).await;
    assert!(values.iter().all(|value| **value == 1));
    assert_eq!(cell.get(), Some(&1));
    assert_eq!(*at_once(cell.get_or_init(async || 2)), 1);
}

#[test]
fn if_making_it_is_cancelled_the_next_one_does() {
    let cell = OnceCell::new();
    let mut first = by_hand(cell.get_or_init(async || pending::<u8>().await));
    let mut second = by_hand(cell.get_or_init(async || 2));
    first.pending();
    second.pending();
    drop(first);
    assert_eq!(second.wakes(), 1);
    assert_eq!(*second.ready(), 2);
}

#[test]
fn a_waiter_that_was_to_make_it_and_is_cancelled_passes_that_on() {
    let cell = OnceCell::new();
    let mut first = by_hand(cell.get_or_init(async || pending::<u8>().await));
    let (mut second, mut third) =
        (by_hand(cell.get_or_init(async || 2)), by_hand(cell.get_or_init(async || 3)));
    first.pending();
    second.pending();
    third.pending();
    drop(first);
    drop(second);
    assert_eq!(third.wakes(), 1);
    assert_eq!(*third.ready(), 3);
}

#[test]
fn if_making_it_fails_or_panics_the_next_one_does() {
    let cell = OnceCell::new();
    let failed = at_once(cell.get_or_try_init(async || Err::<u8, _>("refused")));
    assert_eq!(failed, Err("refused"));
    let make = AssertUnwindSafe(|| at_once(cell.get_or_init(async || throw("no"))));
    catch_unwind(make).map(drop).unwrap_err();
    assert_eq!(cell.get(), None);
    assert_eq!(at_once(cell.get_or_try_init(async || Ok::<_, ()>(3))), Ok(&3));
}

#[test]
fn set_gives_the_value_back_if_there_is_one_or_one_is_being_made() {
    let mut cell = OnceCell::new();
    let mut maker = by_hand(cell.get_or_init(async || pending::<u8>().await));
    maker.pending();
    assert_eq!(cell.set(1), Err(1));
    drop(maker);
    assert_eq!((cell.set(2), cell.set(3)), (Ok(()), Err(3)));
    assert_eq!(cell.get_mut().copied(), Some(2));
    assert_eq!((cell.take(), cell.take()), (Some(2), None));
    assert_eq!(cell.set(4), Ok(()));
    assert_eq!(format!("{cell:?}"), "OnceCell(Some(4))");
    assert_eq!((cell.into_inner(), OnceCell::from(5).get()), (Some(4), Some(&5)));
}
