//! `promise`: a result that several tasks can await. Asyncio calls this a `Future`.

use std::cell::{Cell, OnceCell};
use std::error::Error;
use std::fmt::{self, Debug, Formatter};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::wait_list::WaitKey;
use super::watchers::Watchers;

/// Creates a result that is not there yet. The [`PromiseResolver`] sets it once, and any number of
/// tasks await the [`Promise`].
///
/// This is asyncio's `loop.create_future()`. It has another name because a future is something else
/// in Rust: awaiting a promise runs nothing, and a promise is awaited by reference. If one task
/// waits for one value, a [`oneshot`](crate::sync::oneshot) is enough, and gives the value itself.
///
/// Instead of an exception, use a `Result` as the value. To cancel, drop the resolver.
///
/// # Examples
///
/// The program from Python's documentation, in which one task sets the result and the others wait
/// for it:
///
/// ```
/// use oneloop::sync::{PromiseResolver, promise};
/// use oneloop::{create_task, sleep};
/// use std::time::Duration;
///
/// async fn set_after(resolver: PromiseResolver<String>, delay: Duration, value: &str) {
///     sleep(delay).await;
///     resolver.set_result(value.to_owned()).unwrap();
/// }
///
/// oneloop::run(async {
///     let (resolver, promise) = promise();
///     create_task(set_after(resolver, Duration::from_millis(1), "... world")).detach();
///
///     let other = promise.clone();
///     let other = create_task(async move { other.wait().await.map(String::len) });
///     assert_eq!(promise.wait().await.unwrap(), "... world");
///     assert_eq!(other.await.unwrap(), Ok(9));
/// });
/// ```
#[doc(alias = "create_future")]
pub fn promise<T>() -> (PromiseResolver<T>, Promise<T>) {
    let shared = Rc::new(Shared {
        result: OnceCell::new(),
        resolvers: Cell::new(1),
        promises: Cell::new(1),
        watchers: Watchers::new(),
        closing: Watchers::new(),
    });
    (PromiseResolver { shared: Rc::clone(&shared) }, Promise { shared })
}

struct Shared<T> {
    result: OnceCell<T>,
    /// How many resolvers can still set the result.
    resolvers: Cell<usize>,
    /// How many promises can still ask for the result.
    promises: Cell<usize>,
    watchers: Watchers,
    /// Resolvers waiting until no promise is left.
    closing: Watchers,
}

impl<T> Shared<T> {
    /// Returns `None` while the result is still to come.
    fn outcome(&self) -> Option<Result<&T, BrokenPromise>> {
        match self.result.get() {
            Some(result) => Some(Ok(result)),
            None if self.resolvers.get() == 0 => Some(Err(BrokenPromise(()))),
            None => None,
        }
    }
}

/// A result that several tasks can await; created by [`promise`].
///
/// It is awaited by reference, any number of times. Each await gives a reference to the result,
/// which lives as long as some promise or resolver does. Clones refer to the same result.
///
/// A promise stays on its thread:
///
/// ```compile_fail,E0277
/// let (_resolver, promise) = oneloop::sync::promise::<u8>();
/// std::thread::spawn(move || promise.is_done());
/// ```
#[doc(alias = "Future")]
#[doc(alias = "Completion")]
#[doc(alias = "Shared")]
pub struct Promise<T> {
    shared: Rc<Shared<T>>,
}

/// Sets the result of a [`Promise`], once; created by [`promise`].
///
/// Clones may compete: the first to set the result wins. If all resolvers are dropped without
/// setting it, waiters get [`BrokenPromise`].
///
/// A resolver can skip work whose result is no longer wanted: [`is_closed`](Self::is_closed) tells
/// whether every promise was dropped, for example by tasks that were cancelled or timed out, and
/// [`closed`](Self::closed) waits for that.
///
/// ```compile_fail,E0277
/// let (resolver, _promise) = oneloop::sync::promise::<u8>();
/// std::thread::spawn(move || resolver.set_result(1));
/// ```
#[must_use = "dropping it breaks the promise"]
pub struct PromiseResolver<T> {
    shared: Rc<Shared<T>>,
}

impl<T> Promise<T> {
    /// Returns one more promise of this result.
    fn of(shared: &Rc<Shared<T>>) -> Self {
        shared.promises.set(shared.promises.get() + 1);
        Self { shared: Rc::clone(shared) }
    }

    /// Waits for the result. Waiters are woken in order of arrival.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// Returns [`BrokenPromise`] if all resolvers are gone without setting the result. In asyncio
    /// the wait would never end.
    pub fn wait(&self) -> PromiseWait<'_, T> {
        PromiseWait { shared: &self.shared, waiter: None }
    }

    /// The result, if it is set. Asyncio's `result()`, with `None` in place of `InvalidStateError`.
    pub fn result(&self) -> Option<&T> {
        self.shared.result.get()
    }

    /// Whether an await would return at once: the result is set, or can never be set.
    #[doc(alias = "done")]
    pub fn is_done(&self) -> bool {
        self.shared.outcome().is_some()
    }
}

impl<T> PromiseResolver<T> {
    /// Sets the result and wakes all waiters. Never waits.
    ///
    /// # Errors
    ///
    /// Returns the value if the result is already set. Asyncio's `InvalidStateError`.
    ///
    /// # Examples
    ///
    /// ```
    /// let (resolver, promise) = oneloop::sync::promise();
    /// assert_eq!(resolver.set_result("first"), Ok(()));
    /// assert_eq!(resolver.set_result("second"), Err("second"));
    /// assert_eq!(promise.result(), Some(&"first"));
    /// ```
    #[doc(alias = "set_exception")]
    pub fn set_result(&self, value: T) -> Result<(), T> {
        self.shared.result.set(value)?;
        self.shared.watchers.wake_all();
        Ok(())
    }

    /// Whether every [`Promise`] was dropped, so that no task waits for the result or can ask for
    /// it. Asyncio's `cancelled()`, for a future that a task awaited.
    ///
    /// The result can still be set, and [`promise`](Self::promise) creates a new promise of it.
    ///
    /// # Examples
    ///
    /// A worker that skips jobs abandoned by their clients:
    ///
    /// ```
    /// use oneloop::sync::{Queue, PromiseResolver, promise};
    /// use std::time::Duration;
    ///
    /// oneloop::run(async {
    ///     let jobs: Queue<PromiseResolver<u32>> = Queue::new(8);
    ///     let (hurried, first) = promise();
    ///     jobs.put(hurried).await.unwrap();
    ///     let (patient, second) = promise();
    ///     jobs.put(patient).await.unwrap();
    ///
    ///     let late = oneloop::timeout(Duration::ZERO, async move { first.wait().await.copied() });
    ///     assert!(late.await.is_err());
    ///     jobs.close();
    ///     let mut done = 0;
    ///     while let Some(job) = jobs.get().await {
    ///         if !job.is_closed() {
    ///             job.set_result(42).unwrap();
    ///             done += 1;
    ///         }
    ///     }
    ///     assert_eq!((done, second.result()), (1, Some(&42)));
    /// });
    /// ```
    #[doc(alias = "cancelled")]
    pub fn is_closed(&self) -> bool {
        self.shared.promises.get() == 0
    }

    /// Waits until every [`Promise`] was dropped. Returns at once if none is left. With
    /// [`select!`](crate::select), work can stop as soon as its result is no longer wanted.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::sync::promise;
    /// use std::time::Duration;
    ///
    /// oneloop::run(async {
    ///     let (resolver, promise) = promise::<u8>();
    ///     let client = async move { promise.wait().await.copied() };
    ///     let hurried = oneloop::timeout(Duration::from_millis(1), client);
    ///     let (late, ()) = oneloop::gather!(hurried, resolver.closed()).await;
    ///     assert!(late.is_err());
    /// });
    /// ```
    pub async fn closed(&self) {
        self.shared.closing.until(|| self.is_closed().then_some(())).await;
    }

    /// Whether the result was set.
    pub fn is_set(&self) -> bool {
        self.shared.result.get().is_some()
    }

    /// Returns a promise of this result.
    pub fn promise(&self) -> Promise<T> {
        Promise::of(&self.shared)
    }
}

impl<T> Clone for Promise<T> {
    fn clone(&self) -> Self {
        Self::of(&self.shared)
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        let left = self.shared.promises.get() - 1;
        self.shared.promises.set(left);
        if left == 0 {
            self.shared.closing.wake_all();
        }
    }
}

impl<T> Clone for PromiseResolver<T> {
    fn clone(&self) -> Self {
        self.shared.resolvers.set(self.shared.resolvers.get() + 1);
        Self { shared: Rc::clone(&self.shared) }
    }
}

impl<T> Drop for PromiseResolver<T> {
    fn drop(&mut self) {
        let left = self.shared.resolvers.get() - 1;
        self.shared.resolvers.set(left);
        if left == 0 && !self.is_set() {
            self.shared.watchers.wake_all();
        }
    }
}

impl<'a, T> IntoFuture for &'a Promise<T> {
    type Output = Result<&'a T, BrokenPromise>;
    type IntoFuture = PromiseWait<'a, T>;

    fn into_future(self) -> PromiseWait<'a, T> {
        self.wait()
    }
}

/// The future of [`Promise::wait`].
#[must_use = "futures do nothing unless awaited"]
pub struct PromiseWait<'a, T> {
    shared: &'a Shared<T>,
    waiter: Option<WaitKey>,
}

impl<'a, T> Future for PromiseWait<'a, T> {
    type Output = Result<&'a T, BrokenPromise>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let shared = self.shared;
        shared.watchers.poll_until(&mut self.waiter, cx, || shared.outcome())
    }
}

impl<T> Drop for PromiseWait<'_, T> {
    fn drop(&mut self) {
        self.shared.watchers.leave(&mut self.waiter);
    }
}

/// All [`PromiseResolver`]s were dropped without setting the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokenPromise(());

impl fmt::Display for BrokenPromise {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("the resolver was dropped without setting a result")
    }
}

impl Error for BrokenPromise {}

impl<T> Debug for Promise<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Promise").field("is_done", &self.is_done()).finish_non_exhaustive()
    }
}

impl<T> Debug for PromiseResolver<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("PromiseResolver")
            .field("is_set", &self.is_set())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

impl<T> Debug for PromiseWait<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("PromiseWait").field("waiter", &self.waiter).finish_non_exhaustive()
    }
}
