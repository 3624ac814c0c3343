//! `Group`: the handle that the body and the children of a group use.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::Location;
use std::rc::Rc;

use super::child::{self, BoxedChild};
use super::refused::Refused;
use super::{GroupOutcome, Ready, StartError, TaskError, start};
use crate::runtime::{Children, Place};
use crate::sync::{Event, WaitQueue};
use crate::task::Task;

/// A group of tasks, as its body sees it. See [`task_group`](crate::task_group).
///
/// A child that creates children takes a clone of the group. A function that takes a group and data
/// that its children borrow needs one lifetime for both: `fn fetch_all<'env>(group: &Group<'env,
/// io::Error>, urls: &'env [String])`.
///
/// A group stays on its thread:
///
/// ```compile_fail,E0277
/// oneloop::run(oneloop::task_group(async |group: oneloop::Group<'_, std::io::Error>| {
///     std::thread::scope(|scope| { scope.spawn(|| group.cancel()); });
///     std::io::Result::Ok(())
/// })).unwrap();
/// ```
pub struct Group<'env, E: 'static> {
    pub(super) shared: Rc<Shared<'env, E>>,
}

pub(super) struct Shared<'env, E> {
    pub(super) children: Children<BoxedChild<'env, E>>,
    /// Whether the group refuses new children.
    pub(super) is_closed: Cell<bool>,
    pub(super) cancelled: Event,
    /// Errors of children whose starter is gone.
    pub(super) left_errors: RefCell<Vec<TaskError<E>>>,
    /// Tasks that wait until no child is left.
    pub(super) joiners: WaitQueue,
    pub(super) refused: Refused<'env, E>,
}

impl<'env, E: 'static> Group<'env, E> {
    pub(super) fn new() -> Self {
        let children = Children::new("`task_group`");
        let shared = Shared {
            children,
            is_closed: Cell::new(false),
            cancelled: Event::new(),
            left_errors: RefCell::default(),
            joiners: WaitQueue::new(),
            refused: Refused::new(),
        };
        Self { shared: Rc::new(shared) }
    }

    /// Creates a child: a task that ends before the group does. It may borrow data declared before
    /// the group.
    ///
    /// As with [`create_task`](crate::create_task), the caller continues first. You may drop the
    /// handle: the group waits for the child anyway. Awaiting the handle gives the value of an
    /// `Ok`. An `Err` goes to the group, and the handle gives a [`JoinError`](crate::JoinError)
    /// that says so.
    ///
    /// If the group is cancelled, has failed or has ended, `create_task` returns a cancelled task.
    /// The group drops the future in its next poll, or at once after its end.
    /// [`try_create_task`](Group::try_create_task) returns the future instead.
    ///
    /// # Examples
    ///
    /// ```
    /// oneloop::run(async {
    ///     let words = ["a".to_owned(), "bcd".to_owned()];
    ///     let total = oneloop::task_group(async |group| -> Result<usize, String> {
    ///         let first = group.create_task(async { Ok(words[0].len()) });
    ///         let second = group.create_task(async { Ok(words[1].len()) });
    ///         Ok(first.await.unwrap() + second.await.unwrap())
    ///     })
    ///     .await;
    ///     assert_eq!(total.unwrap(), 4);
    /// });
    /// ```
    #[track_caller]
    #[doc(alias = "spawn")]
    #[doc(alias = "start_soon")]
    pub fn create_task<F, V>(&self, future: F) -> Task<V>
    where
        F: Future<Output: GroupOutcome<E, Value = V>> + 'env,
        V: 'static,
    {
        self.create_task_at(Location::caller(), future)
    }

    /// Like [`Group::create_task`], but records `place` as the place of creation.
    pub(super) fn create_task_at<F, V>(&self, place: Place, future: F) -> Task<V>
    where
        F: Future<Output: GroupOutcome<E, Value = V>> + 'env,
        V: 'static,
    {
        self.try_create_task_at(place, future).unwrap_or_else(|future| {
            let task = Task::of(self.shared.children.create_cancelled(place));
            self.shared.refused.push(child::boxed(future));
            self.shared.children.wake_group();
            task
        })
    }

    /// Makes the group fail with the error of a child whose starter is gone.
    pub(super) fn take_over(&self, error: TaskError<E>) {
        self.shared.left_errors.borrow_mut().push(error);
        self.shared.children.wake_group();
    }

    /// Like [`create_task`](Group::create_task), but returns the future if the group takes no more
    /// children.
    ///
    /// # Errors
    ///
    /// Returns the future if the group is cancelled, has failed or has ended.
    #[track_caller]
    pub fn try_create_task<F, V>(&self, future: F) -> Result<Task<V>, F>
    where
        F: Future<Output: GroupOutcome<E, Value = V>> + 'env,
        V: 'static,
    {
        self.try_create_task_at(Location::caller(), future)
    }

    fn try_create_task_at<F, V>(&self, place: Place, future: F) -> Result<Task<V>, F>
    where
        F: Future<Output: GroupOutcome<E, Value = V>> + 'env,
        V: 'static,
    {
        if self.shared.is_closed.get() {
            return Err(future);
        }
        let child = child::boxed(future);
        Ok(Task::of(self.shared.children.create(child, place)))
    }

    /// Creates a child and waits until it reports that it is ready by calling [`Ready::set`].
    /// Returns the value it set. Trio's `nursery.start`.
    ///
    /// If the child fails before it is ready, `start` returns the error and the group goes on. Once
    /// it is ready, it is a child like any other.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before the child is ready, the child is cancelled.
    ///
    /// # Errors
    ///
    /// Returns a [`StartError`] if the child failed, was cancelled, or ended without calling `set`.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::net::TcpListener;
    /// use std::io;
    ///
    /// oneloop::run(oneloop::task_group(async |group| -> io::Result<()> {
    ///     let addr = group
    ///         .start(async |ready| -> io::Result<()> {
    ///             let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///             ready.set(listener.local_addr()?);
    ///             loop {
    ///                 listener.accept().await?;
    ///             }
    ///         })
    ///         .await?;
    ///     oneloop::net::TcpStream::connect(addr).await?;
    ///     group.cancel();
    ///     Ok(())
    /// }))?;
    /// # io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn start<V, C, R>(&self, child: C) -> impl Future<Output = Result<V, StartError<E>>>
    where
        C: AsyncFnOnce(Ready<V>) -> R + 'env,
        R: GroupOutcome<E>,
        V: 'static,
    {
        start::start(self, child, Location::caller())
    }

    /// Cancels the children and closes the group to new ones.
    ///
    /// The body keeps running. It can observe [`cancelled`](Group::cancelled), and its output
    /// becomes the group's output. Asyncio's `TaskGroup.cancel` also ends the body.
    pub fn cancel(&self) {
        self.shared.is_closed.set(true);
        self.shared.children.cancel_all();
        self.shared.cancelled.set();
    }

    /// Waits until no child is left, for a body that has work to do afterwards. The group itself
    /// waits for all children anyway. A child that calls this waits for itself, forever.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Examples
    ///
    /// Cancels the children that are left after a while:
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// oneloop::Builder::new().virtual_time(true).run(oneloop::task_group(async |group| {
    ///     group.create_task(oneloop::sleep(Duration::from_secs(1)));
    ///     group.create_task(std::future::pending::<()>());
    ///     if oneloop::timeout(Duration::from_secs(5), group.join()).await.is_err() {
    ///         assert_eq!(group.len(), 1);
    ///         group.cancel();
    ///     }
    /// }));
    /// ```
    pub async fn join(&self) {
        while !self.is_empty() {
            self.shared.joiners.wait().await;
        }
    }

    /// Waits until the group is cancelled, or fails.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Examples
    ///
    /// A body that returns a result even when its group is cancelled:
    ///
    /// ```
    /// oneloop::run(async {
    ///     let served = oneloop::task_group(async |group| -> Result<u32, String> {
    ///         let stop = group.clone();
    ///         group.create_task(async move { stop.cancel() });
    ///         group.cancelled().await;
    ///         Ok(7)
    ///     })
    ///     .await;
    ///     assert_eq!(served.unwrap(), 7);
    /// });
    /// ```
    pub async fn cancelled(&self) {
        self.shared.cancelled.wait().await;
    }

    /// Whether the group was cancelled, or has failed.
    pub fn is_cancelled(&self) -> bool {
        self.shared.cancelled.is_set()
    }

    /// Limits the number of children that run at once, from now on. Further children wait in order
    /// of creation. Children that are already running continue.
    ///
    /// # Panics
    ///
    /// Panics if `limit` is 0, since no child would ever start.
    #[track_caller]
    pub fn set_limit(&self, limit: usize) {
        assert!(limit > 0, "with a limit of 0 no child would ever start: pass 1 or more");
        self.shared.children.set_limit(limit);
    }

    /// The number of children that have not ended.
    pub fn len(&self) -> usize {
        self.shared.children.len()
    }

    /// Whether all children have ended.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<E> Clone for Group<'_, E> {
    fn clone(&self) -> Self {
        Self { shared: Rc::clone(&self.shared) }
    }
}

impl<E> fmt::Debug for Group<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("len", &self.len())
            .field("is_cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}
