//! Context variables in calls on other threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use oneloop::task::Context;
use oneloop::thread::to_thread;
use oneloop::{ContextVar, create_task, gather};

use super::reporting;

static SHARED: ContextVar<u32> = ContextVar::new("shared").threadsafe();
static OTHER: ContextVar<String> = ContextVar::new("other").threadsafe();
static LOCAL: ContextVar<u32> = ContextVar::new("local");

#[oneloop::test]
async fn a_call_sees_the_threadsafe_variables_of_its_task() {
    assert_eq!(to_thread(|| SHARED.get()).await, None);
    SHARED.set(1);
    OTHER.set("a".to_owned());
    LOCAL.set(2);
    let seen = to_thread(|| (SHARED.get(), OTHER.with(String::len), LOCAL.get())).await;
    assert_eq!(seen, (Some(1), Some(1), None));
    let tasks = gather((0..50).map(|n| {
        create_task(async move {
            SHARED.set(n);
            to_thread(|| SHARED.get()).await
        })
    }));
    for (n, seen) in tasks.await.into_iter().enumerate() {
        assert_eq!(seen.unwrap().map(|n| n as usize), Some(n));
    }
}

#[oneloop::test]
async fn the_values_are_those_of_the_first_poll() {
    SHARED.set(1);
    let call = to_thread(|| SHARED.get());
    SHARED.set(2);
    assert_eq!(call.await, Some(2));
    assert_eq!(SHARED.scope(3, to_thread(|| SHARED.get())).await, Some(3));
}

#[oneloop::test]
async fn what_a_call_sets_is_its_own() {
    SHARED.set(1);
    let seen = to_thread(|| {
        SHARED.set(2);
        LOCAL.set(3);
        let context = Context::current();
        LOCAL.set(4);
        (SHARED.get(), context.get(&LOCAL), LOCAL.get())
    });
    assert_eq!(seen.await, (Some(2), Some(3), Some(4)));
    assert_eq!((SHARED.get(), LOCAL.get()), (Some(1), None));
    assert_eq!(to_thread(|| LOCAL.get()).await, None, "nor of the next one");
}

#[oneloop::test]
async fn a_loop_inside_a_call_starts_without_values() {
    SHARED.set(1);
    let inner = || {
        oneloop::run(async {
            assert_eq!(SHARED.get(), None);
            SHARED.set(2);
            assert_eq!(to_thread(|| SHARED.get()).await, Some(2));
        });
        SHARED.get()
    };
    assert_eq!(to_thread(inner).await, Some(1));
}

#[test]
#[should_panic(expected = "the context variable `shared` has values in tasks only")]
fn elsewhere_no_variable_can_be_set() {
    SHARED.set(1);
}

struct Counts(Arc<AtomicUsize>);

impl Drop for Counts {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
        panic!("dropped");
    }
}

static COUNTS: ContextVar<Arc<Counts>> = ContextVar::new("counts").threadsafe();

#[test]
fn a_value_that_panics_when_dropped_harms_no_result() {
    let (builder, _reports) = reporting();
    let count = Arc::new(AtomicUsize::new(0));
    let drops = Arc::clone(&count);
    builder.run(async {
        let result = to_thread(move || {
            COUNTS.set(Arc::new(Counts(drops)));
            5
        });
        assert_eq!(result.await, 5);
        assert_eq!(to_thread(|| COUNTS.with(|_| ())).await, None);
    });
    assert_eq!(count.load(Ordering::SeqCst), 1);
}
