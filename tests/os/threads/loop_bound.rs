//! `LoopBound`: a value in the loop, a key outside.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::thread;

use oneloop::thread::{LoopBound, to_thread};
use oneloop::{Runtime, create_task, with_cleanup, yield_now};

use super::reporting;

fn said(f: impl FnOnce()) -> String {
    let payload = panic::catch_unwind(AssertUnwindSafe(f)).unwrap_err();
    match payload.downcast::<String>() {
        Ok(message) => *message,
        Err(payload) => payload.downcast::<&str>().unwrap().to_string(),
    }
}

#[oneloop::test]
async fn a_key_leads_to_its_own_value() {
    let keys: Vec<_> = (0..10).map(|n| LoopBound::new(Cell::new(n))).collect();
    for (n, key) in keys.iter().enumerate() {
        assert_eq!(key.get().get(), n);
        assert!(Rc::ptr_eq(&key.get(), &key.try_get().unwrap()));
        assert_eq!(key.with(|value| value.replace(n * 2)), n);
        assert_eq!(keys.iter().filter(|other| *other == key).count(), 1);
    }
    let copy = keys[3];
    assert_eq!(create_task(async move { copy.get().get() }).await.unwrap(), 6);
}

#[oneloop::test]
async fn a_value_that_was_removed_is_the_callers() {
    let key = LoopBound::new("value".to_owned());
    let value = key.remove().unwrap();
    assert_eq!((value.as_str(), Rc::strong_count(&value)), ("value", 1));
    assert!(key.try_get().is_none() && key.remove().is_none());
    let next = LoopBound::new("next".to_owned());
    assert!(key != next && key.try_get().is_none(), "no other value comes in its place");
    assert!(said(|| drop(key.get())).contains("was removed"));
}

#[oneloop::test]
async fn elsewhere_it_says_where_it_belongs() {
    let key = LoopBound::new(Cell::new(1));
    let message = to_thread(move || {
        assert!(key.try_get().is_none() && key.remove().is_none());
        let inside_another_loop = oneloop::run(async { said(|| drop(key.get())) });
        let without_one = said(|| key.with(|_| ()));
        assert_eq!(inside_another_loop, without_one);
        without_one
    });
    let message = message.await;
    assert!(message.contains("this `LoopBound` belongs to the loop of thread"), "{message}");
    assert!(message.contains("not of `oneloop-blocking-1`"), "{message}");
    assert!(message.contains("call_soon_threadsafe"), "{message}");
    to_thread(move || key.handle().call_soon_threadsafe(move || key.get().set(2))).await.unwrap();
    yield_now().await;
    assert_eq!(key.get().get(), 2);
}

#[test]
fn without_its_loop_it_says_so() {
    assert!(
        said(|| {
            let _ = LoopBound::new(1);
        })
        .contains("`LoopBound` needs a running event loop")
    );
    let mut runtime = Runtime::new().unwrap();
    let key = runtime.run(async { LoopBound::new(1) });
    assert!(said(|| drop(key.get())).contains("does not run now"));
    assert_eq!(runtime.run(async { *key.get() }), 1, "it is there in the next run");
    drop(runtime);
    assert!(said(|| drop(key.get())).contains("has ended"));
    oneloop::run(async { assert!(key.try_get().is_none(), "nor in another loop") });
}

/// Records its drop, and the thread.
struct Noted(Rc<RefCell<Vec<&'static str>>>, &'static str, thread::ThreadId);

impl Drop for Noted {
    fn drop(&mut self) {
        assert_eq!(thread::current().id(), self.2);
        self.0.borrow_mut().push(self.1);
    }
}

#[test]
fn values_go_at_the_end_of_the_loop_after_its_cleanups() {
    let order = Rc::new(RefCell::new(Vec::new()));
    let noted = |name| Noted(Rc::clone(&order), name, thread::current().id());
    oneloop::run(async {
        let key = LoopBound::new(noted("value"));
        let cleanup = Rc::clone(&order);
        create_task(async move {
            let _guard = with_cleanup(cleanup, async move |order| {
                yield_now().await;
                assert!(key.try_get().is_some());
                order.borrow_mut().push("cleanup");
            });
            pending::<()>().await;
        })
        .detach();
        yield_now().await;
        order.borrow_mut().push("main");
    });
    assert_eq!(*order.borrow(), ["main", "cleanup", "value"]);
}

struct PanicsInDrop;

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

#[test]
fn values_that_panic_when_dropped_take_no_others_with_them() {
    let (builder, reports) = reporting();
    let order = Rc::new(RefCell::new(Vec::new()));
    builder.run(async {
        for _ in 0..3 {
            let _ = LoopBound::new(PanicsInDrop);
            let _ = LoopBound::new(Noted(Rc::clone(&order), "gone", thread::current().id()));
        }
    });
    assert_eq!((order.borrow().len(), reports.borrow().len()), (3, 3));
}

/// Looks for another value, and adds a further one, while the loop drops its values.
struct Reenters(LoopBound<u8>);

impl Drop for Reenters {
    fn drop(&mut self) {
        assert_eq!(*LoopBound::new(2).get(), 2);
        assert!(self.0.try_get().is_none());
    }
}

#[test]
fn a_value_may_use_keys_when_it_is_dropped() {
    let (builder, reports) = reporting();
    builder.run(async {
        let other = LoopBound::new(1);
        let _ = LoopBound::new(Reenters(other));
    });
    assert!(reports.borrow().is_empty(), "{:?}", reports.borrow());
}
