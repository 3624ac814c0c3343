//! `LoopBound`: a value that stays in its loop, and a key to it that can go anywhere.

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::runtime::{self, Handle, LoopLocal, trim_map};

/// A key to a value that lives in this loop. The key is `Copy`, `Send` and `Sync`, whatever the
/// value is.
///
/// It suits code that requires `Send` but only carries the value: the state of a web framework, a
/// callback of another crate, an error. The value is an `Rc<T>` in the loop. The key gives access
/// to it on the loop's thread; elsewhere it says what to do instead.
///
/// The value is dropped by [`remove`](LoopBound::remove), or at the end of the loop, after its
/// tasks; always on the loop's thread. Dropping keys does nothing.
///
/// # Examples
///
/// A framework requires handlers to be `Send`, but the state is not:
///
/// ```
/// use oneloop::thread::LoopBound;
/// use std::cell::RefCell;
/// use std::collections::HashMap;
///
/// #[derive(Clone, Copy)]
/// struct AppState {
///     visits: LoopBound<RefCell<HashMap<String, u32>>>,
/// }
///
/// // The bounds of a framework, such as axum's `Router::with_state`.
/// async fn serve<S: Clone + Send + Sync + 'static>(state: S, handler: impl Fn(S, &str) -> u32 + Send + Sync) {
///     assert_eq!(handler(state.clone(), "/"), 1);
///     assert_eq!(handler(state, "/"), 2);
/// }
///
/// fn visit(state: AppState, path: &str) -> u32 {
///     let visits = state.visits.get();
///     let mut visits = visits.borrow_mut();
///     let count = visits.entry(path.to_owned()).or_default();
///     *count += 1;
///     *count
/// }
///
/// oneloop::run(async {
///     let state = AppState { visits: LoopBound::new(RefCell::default()) };
///     serve(state, visit).await;
/// });
/// ```
///
/// Another thread uses the value by way of the loop:
///
/// ```
/// use oneloop::thread::{LoopBound, to_thread};
/// use std::cell::Cell;
///
/// oneloop::run(async {
///     let total = LoopBound::new(Cell::new(0));
///     to_thread(move || {
///         assert!(total.try_get().is_none());
///         let add = move || total.with(|total| total.set(total.get() + 1));
///         total.handle().call_soon_threadsafe(add)
///     })
///     .await?;
///     oneloop::yield_now().await;
///     assert_eq!(total.get().get(), 1);
///     Ok::<_, oneloop::Closed>(())
/// })?;
/// # Ok::<_, oneloop::Closed>(())
/// ```
#[doc(alias = "Fragile")]
#[doc(alias = "SendWrapper")]
pub struct LoopBound<T: 'static> {
    home: Handle,
    number: u64,
    value: PhantomData<fn() -> T>,
}

impl<T: 'static> LoopBound<T> {
    /// Puts `value` into the loop of this thread.
    ///
    /// # Panics
    ///
    /// Panics if no loop runs on this thread.
    #[must_use = "without its key, no code can reach the value"]
    #[track_caller]
    pub fn new(value: T) -> Self {
        let Some(values) = runtime::local(Values::default) else { runtime::no_loop("`LoopBound`") };
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        values.of_number.borrow_mut().insert(number, Rc::new(value));
        Self { home: Handle::current(), number, value: PhantomData }
    }

    /// Returns the value.
    ///
    /// # Panics
    ///
    /// Panics where the value's loop does not run, and if the value was removed.
    #[track_caller]
    pub fn get(&self) -> Rc<T> {
        let Some(value) = self.try_get() else { self.complain() };
        value
    }

    /// Returns the value, or `None` where its loop does not run or if it was removed.
    pub fn try_get(&self) -> Option<Rc<T>> {
        let value = self.values()?.of_number.borrow().get(&self.number).cloned();
        value?.downcast().ok()
    }

    /// Calls `f` with the value.
    ///
    /// # Panics
    ///
    /// Same as [`get`](LoopBound::get).
    #[track_caller]
    pub fn with<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        f(&self.get())
    }

    /// Takes the value out of the loop. Returns `None` where its loop does not run, or if the value
    /// was removed before.
    #[doc(alias = "take")]
    pub fn remove(&self) -> Option<Rc<T>> {
        let values = self.values()?;
        let mut of_number = values.of_number.borrow_mut();
        let value = of_number.remove(&self.number);
        trim_map(&mut of_number);
        drop(of_number);
        value?.downcast().ok()
    }

    /// Returns a handle to the value's loop.
    pub fn handle(&self) -> Handle {
        self.home
    }

    fn values(&self) -> Option<Rc<Values>> {
        self.check_here().ok()?;
        runtime::local_if_made()
    }

    fn check_here(&self) -> io::Result<()> {
        let remedy = "use it there, such as by `call_soon_threadsafe` of its `handle`";
        self.home.check_here("`LoopBound`", remedy)
    }

    #[track_caller]
    fn complain(&self) -> ! {
        match self.check_here() {
            Ok(()) => panic!("the value of this `LoopBound` was removed: make another one"),
            Err(elsewhere) => panic!("{elsewhere}"),
        }
    }
}

/// Numbers are never reused, so a key can outlive its value without harm.
static NUMBERS: AtomicU64 = AtomicU64::new(0);

/// The values of a loop.
#[derive(Default)]
struct Values {
    of_number: RefCell<HashMap<u64, Rc<dyn Any>>>,
}

impl LoopLocal for Values {}

impl Drop for Values {
    /// A value that panics on drop must not keep the others from being dropped.
    fn drop(&mut self) {
        for (_, value) in self.of_number.take() {
            runtime::drop_reported(value);
        }
    }
}

impl<T: 'static> Clone for LoopBound<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: 'static> Copy for LoopBound<T> {}

/// Keys are equal if they refer to the same value.
impl<T: 'static> PartialEq for LoopBound<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.home, self.number) == (other.home, other.number)
    }
}

impl<T: 'static> Eq for LoopBound<T> {}

impl<T: 'static> fmt::Debug for LoopBound<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LoopBound").field(&self.home).field(&self.number).finish()
    }
}
