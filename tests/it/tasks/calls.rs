//! `call_soon` and `call_later`: their handles, and panics in calls.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use oneloop::task::CallHandle;
use oneloop::{Builder, Unhandled, UnhandledKind, call_later, call_soon, sleep, yield_now};

use super::{Log, throw};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_panic_of_a_call_is_reported_while_its_handle_is_kept() {
    let log: Log<Unhandled> = Log::new();
    let reports = log.clone();
    let builder = Builder::new().virtual_time(true);
    builder.on_unhandled(move |unhandled| reports.push(unhandled.clone())).run(async {
        let line = line!() + 1;
        let soon = call_soon(|| throw("soon"));
        let later = call_later(SECOND, || throw("later"));
        sleep(SECOND / 2).await;
        assert_eq!(log.take().iter().map(Unhandled::message).collect::<Vec<_>>(), ["soon"]);
        sleep(SECOND).await;
        let [report] = log.take().try_into().unwrap();
        assert_eq!((report.message(), report.kind()), ("later", UnhandledKind::CallbackPanicked));
        let place = report.place().unwrap();
        assert_eq!((place.file(), place.line()), (file!(), line + 1));
        assert!(report.to_string().starts_with(&format!("the call asked for at {place} panicked")));
        assert!(soon.is_finished() && later.is_finished());
    });
    assert!(log.take().is_empty(), "once");
}

#[oneloop::test(virtual_time)]
async fn a_call_is_finished_as_soon_as_it_was_called_off() {
    for delay in [Duration::ZERO, SECOND] {
        let call = if delay.is_zero() {
            call_soon(|| unreachable!())
        } else {
            call_later(delay, || unreachable!())
        };
        assert!(!call.is_finished());
        assert!(call.cancel());
        assert!(call.is_finished());
        assert!(call.cancel(), "it stays called off");
        sleep(2 * SECOND).await;
        assert!(call.is_finished() && call.cancel());
    }
}

#[oneloop::test(virtual_time)]
async fn a_call_that_is_being_made_cannot_be_called_off() {
    let slot: Rc<RefCell<Option<CallHandle>>> = Rc::default();
    let asked = Rc::new(Cell::new(0));
    for delay in [Duration::ZERO, SECOND] {
        let (handle, count) = (slot.clone(), asked.clone());
        let call = move || {
            let handle = handle.borrow();
            let handle = handle.as_ref().unwrap();
            assert!(handle.is_finished());
            assert!(!handle.cancel());
            count.set(count.get() + 1);
        };
        let call = if delay.is_zero() { call_soon(call) } else { call_later(delay, call) };
        *slot.borrow_mut() = Some(call);
        sleep(2 * SECOND).await;
        let handle = slot.take().unwrap();
        assert!(handle.is_finished() && !handle.cancel());
    }
    assert_eq!(asked.get(), 2);
    yield_now().await;
}
