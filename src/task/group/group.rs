//! `Group`: what the body and the children of a group hold of it.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::Location;
use std::rc::Rc;

use super::child::{self, BoxedChild};
use super::{GroupOutcome, Ready, StartError, TaskError, start};
use crate::runtime::{Children, Place};
use crate::sync::{Event, WaitQueue};
use crate::task::Task;

/// A group of tasks, as its body sees it; see [`task_group`](crate::task_group).
///
/// A child that creates children takes a clone along. A function that takes a group and what its children borrow says so by
/// one lifetime: `fn fetch_all<'env>(group: &Group<'env, io::Error>, urls: &'env [String])`.
///
/// It stays on its thread:
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
    /// It takes no more children.
    pub(super) is_closed: Cell<bool>,
    pub(super) cancelled: Event,
    /// Errors of children that nobody takes who has started them.
    pub(super) left_errors: RefCell<Vec<TaskError<E>>>,
    /// Who waits until no child is left.
    pub(super) joiners: WaitQueue,
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
        };
        Self { shared: Rc::new(shared) }
    }

    /// Creates a child: a task that ends before the group does, and may borrow what was declared before it.
    ///
    /// As with [`create_task`](crate::create_task), the caller goes on first. The handle may be dropped: the group waits for the child
    /// all the same. Awaiting it gives the value of an `Ok`; an `Err` goes to the group, and the handle gives a
    /// [`JoinError`](crate::JoinError) that says so.
    ///
    /// In a group that is cancelled, has failed or has ended, the future is dropped and the task is a cancelled one;
    /// [`try_create_task`](Group::try_create_task) gives the future back.
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

    /// As [`Group::create_task`], on behalf of the code at `place`.
    pub(super) fn create_task_at<F, V>(&self, place: Place, future: F) -> Task<V>
    where
        F: Future<Output: GroupOutcome<E, Value = V>> + 'env,
        V: 'static,
    {
        self.try_create_task_at(place, future).unwrap_or_else(|future| {
            let task = Task::of(self.shared.children.create_cancelled(place));
            // With the handle in place, a panic in this drop leaves nothing behind.
            drop(future);
            task
        })
    }

    /// The error of a child that nobody else takes makes the group fail.
    pub(super) fn take_over(&self, error: TaskError<E>) {
        self.shared.left_errors.borrow_mut().push(error);
        self.shared.children.wake_group();
    }

    /// As [`create_task`](Group::create_task), for a group that may take no more children.
    ///
    /// # Errors
    ///
    /// The future, if the group is cancelled, has failed or has ended.
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

    /// Creates a child, and waits until it says that it is ready, by [`Ready::set`]; gives what it set. Trio's `nursery.start`.
    ///
    /// An error of the child before that comes back from here, and the group goes on; after it the child is one like any.
    ///
    /// # Cancel safety
    ///
    /// Dropped before the child is ready, it cancels the child.
    ///
    /// # Errors
    ///
    /// [`StartError`]: the child failed, was cancelled, or ended without having set anything.
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

    /// Cancels the children, and takes no more of them. Never the body: it sees [`cancelled`](Group::cancelled), and its output is the
    /// group's. Asyncio's `TaskGroup.cancel` without its end of the body.
    pub fn cancel(&self) {
        self.shared.is_closed.set(true);
        self.shared.children.cancel_all();
        self.shared.cancelled.set();
    }

    /// Waits until no child is left, for a body that has something to do then; the group itself waits for all children
    /// anyway. A child would wait for itself, for ever.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Examples
    ///
    /// What is left after a while is cancelled:
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
    /// Nothing is lost.
    ///
    /// # Examples
    ///
    /// A body that has a result to give also when its group is cancelled:
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

    /// At most so many children run at once from now on; the others wait, in the order of their creation. Children that
    /// run already go on.
    ///
    /// # Panics
    ///
    /// If `limit` is 0: nothing would ever start.
    #[track_caller]
    pub fn set_limit(&self, limit: usize) {
        assert!(limit > 0, "with a limit of 0 no child would ever start: pass 1 or more");
        self.shared.children.set_limit(limit);
    }

    /// How many children have not ended.
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
