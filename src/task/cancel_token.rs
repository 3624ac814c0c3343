//! `CancelToken`: asks any number of tasks to stop, from any thread.

use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use super::cancel_tree::{Stage, Status, Tree};
use crate::runtime::{self, NEVER, Nanos, Timer, When, from_instant, to_instant, wake_guarded};

/// A signal that asks the code watching it to stop. It is given by [`cancel`](CancelToken::cancel),
/// from any thread, or when the token's deadline has passed.
///
/// To cancel a task from outside, [`Task::cancel`](crate::Task::cancel) is simpler. Use a token for
/// code that is asked to stop and decides where it does so, for many tasks at once, and when the
/// canceller does not know the tasks. A clone refers to the same token. A
/// [`child`](CancelToken::child) is cancelled with its parent and can be cancelled without it, so
/// tokens can follow the structure of a program: one for the server, one per connection, one per
/// request.
///
/// A token does the work of a handle to Trio's `CancelScope`, without the scope:
/// [`run_until_cancelled`](CancelToken::run_until_cancelled) determines which code is cancelled.
///
/// A cancelled token stays cancelled. Dropped tokens leave nothing behind in their parents.
///
/// # Examples
///
/// ```
/// use oneloop::{CancelToken, create_task};
///
/// oneloop::run(async {
///     let server = CancelToken::new();
///     let connections: Vec<_> = (0..3)
///         .map(|_| {
///             let connection = server.child();
///             create_task(async move {
///                 connection.cancelled().await;
///                 "said goodbye"
///             })
///         })
///         .collect();
///     std::thread::spawn(move || server.cancel());
///     for connection in connections {
///         assert_eq!(connection.await.unwrap(), "said goodbye");
///     }
/// });
/// ```
#[derive(Clone)]
#[doc(alias = "CancellationToken")]
#[doc(alias = "CancelScope")]
pub struct CancelToken {
    handle: Arc<Handle>,
}

/// Shared by all clones of one token.
struct Handle {
    tree: Arc<Mutex<Tree>>,
    index: usize,
    status: Arc<Status>,
}

impl Handle {
    fn lock(&self) -> MutexGuard<'_, Tree> {
        // No code panics while it holds the lock.
        self.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.lock().release(self.index);
    }
}

impl CancelToken {
    /// Creates a token without a parent or a deadline.
    pub fn new() -> Self {
        Self::add(&Arc::default(), None)
    }

    /// Creates a token that is cancelled when this one is, but not the other way round. A child of
    /// a cancelled token is cancelled.
    #[must_use]
    #[doc(alias = "child_token")]
    pub fn child(&self) -> Self {
        Self::add(&self.handle.tree, Some(self.handle.index))
    }

    fn add(tree: &Arc<Mutex<Tree>>, parent: Option<usize>) -> Self {
        let (index, status) = tree.lock().unwrap_or_else(PoisonError::into_inner).add(parent);
        Self { handle: Arc::new(Handle { tree: Arc::clone(tree), index, status }) }
    }

    /// Cancels the token and its descendants, and wakes all their waiters: parents before children,
    /// and in order of arrival. May be called repeatedly and from any thread.
    pub fn cancel(&self) {
        if self.handle.status.get() != Stage::Cancelled {
            let mut tree = self.handle.lock();
            let woken = tree.cancel(self.handle.index);
            self.tell_limits(&tree);
            drop(tree);
            wake_all(woken);
        }
    }

    /// Whether the token is cancelled or its deadline has passed.
    ///
    /// Deadlines use the [clock of the thread's loop](crate::time::now), or the real clock on a
    /// thread without a loop.
    pub fn is_cancelled(&self) -> bool {
        match self.handle.status.get() {
            Stage::Open => false,
            Stage::HasDeadline => self.expire(),
            Stage::Cancelled => true,
        }
    }

    /// Cancels tokens whose deadline has passed, from this one up to the root. Returns whether this
    /// token is cancelled thereby.
    fn expire(&self) -> bool {
        let now = runtime::now();
        let woken = self.handle.lock().expire(self.handle.index, now);
        let has_passed = woken.is_some();
        wake_all(woken.unwrap_or_default());
        has_passed
    }

    /// Sets, moves or removes the deadline. This is possible at any time and from any thread. A
    /// deadline that has passed cancels the token.
    ///
    /// A cancelled token stays cancelled, even if a former deadline was the cause.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::{CancelToken, sleep, time::now};
    /// use std::time::Duration;
    ///
    /// oneloop::Builder::new().virtual_time(true).run(async {
    ///     let minute = Duration::from_secs(60);
    ///     let idle = CancelToken::new();
    ///     for _ in 0..3 {
    ///         idle.set_deadline(Some(now() + minute)); // there was a sign of life
    ///         sleep(minute / 2).await;
    ///     }
    ///     assert!(!idle.is_cancelled());
    ///     sleep(minute / 2).await;
    ///     assert!(idle.is_cancelled());
    /// });
    /// ```
    #[doc(alias = "reschedule")]
    pub fn set_deadline(&self, deadline: Option<Instant>) {
        let deadline = deadline.map_or(NEVER, from_instant);
        let now = runtime::now();
        let mut tree = self.handle.lock();
        let woken = tree.set_deadline(self.handle.index, deadline, now);
        self.tell_limits(&tree);
        drop(tree);
        wake_all(woken);
    }

    /// When the token will be cancelled: the earliest deadline of the token and its ancestors.
    pub fn deadline(&self) -> Option<Instant> {
        let deadline = self.handle.lock().deadline(self.handle.index);
        (deadline != NEVER).then(|| to_instant(deadline))
    }

    /// Waits until the token is cancelled or its deadline has passed, following the deadline if it
    /// is moved meanwhile.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, it leaves nothing behind.
    pub fn cancelled(&self) -> Cancelled {
        Cancelled { token: self.clone(), waiter: None, timer: None }
    }

    /// Runs `future` until it is ready or the token is cancelled. In the latter case the future is
    /// dropped, and the result is `None` once the [cleanups](crate::with_cleanup) it left have
    /// ended.
    ///
    /// The future is polled first: if it is ready it wins, even if the token is already cancelled.
    /// So a loop around this call does not end as long as there is always something to do.
    /// [`select!`](crate::select!) with [`cancelled`](Self::cancelled) as its first branch does
    /// end. Inside the future, [`deadline`](crate::deadline) includes the token's deadline.
    ///
    /// # Cancel safety
    ///
    /// The same as that of `future`.
    ///
    /// # Panics
    ///
    /// Panics when polled outside a loop, if the token has a deadline and the future is not ready
    /// at once.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::CancelToken;
    /// use std::future::pending;
    ///
    /// oneloop::run(async {
    ///     let token = CancelToken::new();
    ///     assert_eq!(token.run_until_cancelled(async { "ready" }).await, Some("ready"));
    ///     token.cancel();
    ///     assert_eq!(token.run_until_cancelled(pending::<()>()).await, None);
    /// });
    /// ```
    pub async fn run_until_cancelled<F: IntoFuture>(&self, future: F) -> Option<F::Output> {
        let mut future = pin!(Some(future.into_future()));
        let (mut cancelled, mut again) = (None, None);
        let output = poll_fn(|cx| {
            let Some(running) = future.as_mut().as_pin_mut() else { return Poll::Ready(None) };
            let limited = |cx: &mut Context<'_>| {
                let deadline = self.limit();
                let tree = self.tree_address();
                let poll = || running.poll(cx);
                runtime::around_token(tree, self.handle.index, deadline, poll)
            };
            if let Poll::Ready(output) = runtime::with_budget(cx, limited) {
                return Poll::Ready(Some(output));
            }
            let cancelled = cancelled.get_or_insert_with(|| self.cancelled());
            ready!(Pin::new(cancelled).poll(cx));
            if runtime::is_overdue() {
                // As with two timeouts, the outer limit goes first.
                again = Timer::arm(When::After(1), cx, "`run_until_cancelled`");
                return Poll::Pending;
            }
            Poll::Ready(None)
        })
        .await;
        drop(again);
        if output.is_none() {
            if let Some(left) = runtime::dropping(|| future.set(None)) {
                poll_fn(|cx| left.poll_done(cx)).await;
            }
        }
        output
    }

    /// The time limit for code that runs until this token is cancelled.
    fn limit(&self) -> Nanos {
        match self.handle.status.get() {
            Stage::Open => NEVER,
            Stage::HasDeadline | Stage::Cancelled => {
                self.handle.lock().limit(self.handle.index, runtime::now)
            }
        }
    }

    /// Tells the code that runs inside this token, or another one of the tree, its new deadline.
    fn tell_limits(&self, tree: &Tree) {
        runtime::tokens_moved(self.tree_address(), |index| tree.limit(index, runtime::now));
    }

    /// An address that identifies the tree as long as one of its tokens exists.
    fn tree_address(&self) -> usize {
        Arc::as_ptr(&self.handle.tree) as usize
    }

    /// Returns a guard that cancels the token when it is dropped: by return, by `?`, by a panic, or
    /// because its task was cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::CancelToken;
    ///
    /// let token = CancelToken::new();
    /// {
    ///     let _guard = token.clone().cancel_on_drop();
    ///     assert!(!token.is_cancelled());
    /// }
    /// assert!(token.is_cancelled());
    /// ```
    #[doc(alias = "drop_guard")]
    pub fn cancel_on_drop(self) -> DropGuard {
        DropGuard { token: self, is_armed: true }
    }
}

impl Default for CancelToken {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = self.handle.status.get();
        f.debug_struct("CancelToken").field("stage", &stage).finish_non_exhaustive()
    }
}

/// Call this without holding the tree's lock, because a waker may come back to the tree.
fn wake_all(woken: Vec<Waker>) {
    for waker in woken {
        wake_guarded(waker);
    }
}

/// The future of [`CancelToken::cancelled`]. It is `Send` and `Unpin`.
///
/// # Panics
///
/// If the token has a deadline, panics when polled outside a loop, or on another loop than the
/// first time.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Cancelled {
    token: CancelToken,
    waiter: Option<u64>,
    /// Armed for the token's deadline, or for an earlier one.
    timer: Option<(Nanos, Timer)>,
}

impl Cancelled {
    /// Ready when `deadline` has passed, according to the timer armed for it.
    #[track_caller]
    fn poll_timer(&mut self, deadline: Nanos, cx: &Context<'_>) -> Poll<()> {
        if let Some((armed_for, timer)) = &self.timer {
            if *armed_for <= deadline {
                // If the deadline was moved back, the earlier timer serves until it expires.
                if timer.poll(cx, "`Cancelled`").is_pending() {
                    return Poll::Pending;
                }
            }
        }
        self.timer = None;
        if deadline == NEVER {
            return Poll::Pending;
        }
        let timer = Timer::arm(When::At(deadline), cx, "a `CancelToken` with a deadline");
        self.timer = timer.map(|timer| (deadline, timer));
        if self.timer.is_some() { Poll::Pending } else { Poll::Ready(()) }
    }
}

impl Future for Cancelled {
    type Output = ();

    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if !runtime::may_finish(cx) {
            return Poll::Pending;
        }
        loop {
            // Cloning and dropping a waker run user code, so both happen outside the mutex.
            let waker = cx.waker().clone();
            let handle = &this.token.handle;
            let waits = handle.lock().wait(handle.index, &mut this.waiter, waker);
            let Ok((deadline, former)) = waits else {
                this.timer = None;
                runtime::take_budget();
                return Poll::Ready(());
            };
            drop(former);
            if this.poll_timer(deadline, cx).is_pending() {
                return Poll::Pending;
            }
            // Cancels the token, unless the deadline was moved just now.
            this.token.expire();
        }
    }
}

impl Drop for Cancelled {
    fn drop(&mut self) {
        if let Some(waiter) = self.waiter {
            let handle = &self.token.handle;
            let waker = handle.lock().forget(handle.index, waiter);
            drop(waker);
        }
    }
}

/// Cancels its token when dropped; see [`CancelToken::cancel_on_drop`].
#[derive(Debug)]
#[must_use = "dropping it at once cancels the token at once"]
pub struct DropGuard {
    token: CancelToken,
    is_armed: bool,
}

impl DropGuard {
    /// Returns the token without cancelling it.
    pub fn disarm(mut self) -> CancelToken {
        self.is_armed = false;
        self.token.clone()
    }
}

impl Drop for DropGuard {
    fn drop(&mut self) {
        if self.is_armed {
            self.token.cancel();
        }
    }
}
