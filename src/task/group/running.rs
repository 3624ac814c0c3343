//! `task_group`: the future that polls a group's body and children and combines their results.

use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::thread;

use pin_project_lite::pin_project;

use super::child::BoxedChild;
use super::failures::Failures;
use super::{Body, Group, GroupError, TaskError};
use crate::runtime::{
    self, BodyTurn, ChildTurn, Ending, LeftCleanups, PanicCopy, Payload, Woken, drop_caught,
    panic_message,
};

/// Runs `body`, which creates tasks in its group. Ready when the body and all tasks have ended.
/// Asyncio's `TaskGroup`, Trio's nursery.
///
/// Nothing outlives the group. So its tasks, its children, may borrow data declared before it, and
/// no error is lost:
///
/// - The first `Err` or panic, of a child or of the body, cancels all children and the body.
///   Children that were woken before a child failed have their turn first, and may fail too. When
///   all have ended, with their [cleanups](crate::with_cleanup), all errors come back in one
///   [`GroupError`], each with its task's name and place. A panic continues in the task that awaits
///   the group; errors that occurred beside it are reported.
/// - Cancelling a single child is not an error. [`Group::cancel`] cancels all children, but not the
///   body.
/// - Dropping the group's future drops the body, then the children. Their cleanups belong to the
///   enclosing task. Errors and panics that the group has not returned yet are reported.
///
/// The output of the body decides the output of the group: `Result<T, E>` becomes `Result<T,
/// GroupError<E>>`; `()` and plain values stay as they are ([`Body`](crate::task::Body)). Children
/// end with `Result<_, E>`, with `()` or with a plain value
/// ([`GroupOutcome`](crate::task::GroupOutcome)), in any mixture. If a closure leaves `E` open,
/// name it: `async |group| -> io::Result<()> { .. }`.
///
/// "Before the group" means outside the closure. Variables that the body itself declares, including
/// loop variables, end before the children do. A child takes them along with `async move`, together
/// with references to data outside. Values that should end with the body, such as a listener to be
/// closed while the last connections drain, are moved into it: `async move |group| { .. }`.
///
/// Time limits around the group apply to the children: [`deadline`](crate::deadline) gives a child
/// the limit of the code that awaits the group, and when a [`timeout`](crate::timeout) there
/// expires, the children go with the group.
///
/// Children are ordinary tasks, with a [`Task`](crate::Task) handle, a name and a place in
/// [`all_tasks`](crate::all_tasks). They are polled inside the task that awaits the group.
///
/// # When it does not compile
///
/// - "type mismatch resolving `<() as Body>::Error`", "expected `Error`, found `Infallible`":
///   children may fail, but the body ends with `()`. End it with `Ok(())`, and name the error type:
///   `async |group| -> io::Result<()> { .. Ok(()) }`.
/// - "async block may outlive the current function", "`x` does not live long enough": the child
///   borrows from the body; see above.
/// - A function that takes a group and data that its children borrow names the lifetime twice: `fn
///   fetch_all<'env>(group: &Group<'env, io::Error>, urls: &'env [String])`.
///
/// # Cancel safety
///
/// Dropping the future cancels the body and all children.
///
/// # Errors
///
/// Returns a [`GroupError`], if the body's output is a `Result`.
///
/// # Panics
///
/// Panics if the body or a child panics, and when polled outside a loop.
///
/// # Examples
///
/// ```
/// use std::cell::RefCell;
/// use std::time::Duration;
///
/// oneloop::run(async {
///     let names = ["a".to_owned(), "b".to_owned()];
///     let greetings = RefCell::new(Vec::new());
///     let log = &greetings; // what `move` takes is the reference
///     oneloop::task_group(async |group| {
///         for name in &names {
///             group.create_task(async move {
///                 oneloop::sleep(Duration::from_millis(1)).await;
///                 log.borrow_mut().push(format!("hello {name}"));
///             });
///         }
///     })
///     .await;
///     assert_eq!(greetings.into_inner(), ["hello a", "hello b"]);
/// });
/// ```
#[doc(alias = "TaskGroup")]
#[doc(alias = "nursery")]
#[doc(alias = "scope")]
#[doc(alias = "JoinSet")]
#[doc(alias = "open_nursery")]
pub async fn task_group<'env, F, B>(body: F) -> B::Joined
where
    F: AsyncFnOnce(Group<'env, B::Error>) -> B,
    B: Body<Error: fmt::Debug + 'static>,
{
    let group = Group::new();
    // The call is part of the body: it may create children, and it may panic.
    let inner = group.clone();
    let body = Some(async move { body(inner).await });
    let running = Running {
        body,
        group,
        value: None,
        stage: Stage::Open,
        failures: Failures::new(),
        left: None,
    };
    B::joined(running.await)
}

pin_project! {
    struct Running<'env, F, V, E: 'static> {
        // `None` once the body is ready, or dropped because something failed.
        #[pin]
        body: Option<F>,
        group: Group<'env, E>,
        value: Option<V>,
        stage: Stage,
        failures: Failures<E>,
        // Cleanups that the body left when it was dropped.
        left: Option<LeftCleanups>,
    }

    impl<F, V, E> PinnedDrop for Running<'_, F, V, E> {
        fn drop(this: Pin<&mut Self>) {
            this.drop_all();
        }
    }
}

enum Stage {
    Open,
    /// A child has failed. This many turns remain for tasks woken before that, which can fail too,
    /// before everything is cancelled.
    LastTurns(usize),
    /// Everything was cancelled.
    Stopped,
}

impl<F, V, E, B> Future for Running<'_, F, V, E>
where
    F: Future<Output = B>,
    B: Body<Value = V, Error = E>,
{
    type Output = Result<V, GroupError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        for polls in 0..runtime::polls_at_once() {
            if !runtime::has_time_after(polls) {
                break;
            }
            self.as_mut().take_left_errors();
            self.group.shared.refused.drop_level();
            let woken = self.group.shared.children.next_woken();
            let has_turn = woken.is_some();
            match woken {
                Some(Woken::Body(turn)) => self.as_mut().poll_body(turn),
                Some(Woken::Child(turn, job)) => self.as_mut().poll_child(turn, job),
                Some(Woken::Cancelled(turn, job)) => self.as_mut().drop_child(turn, job),
                Some(Woken::Ended(child, failed)) => {
                    self.as_mut().project().failures.add_cleanups(child, failed);
                }
                None if matches!(self.stage, Stage::LastTurns(_)) => {}
                None if !self.group.shared.refused.is_empty() => {}
                None if self.is_over() => {
                    if let Some(left) = &self.left {
                        ready!(left.poll_done(cx));
                    }
                    ready!(runtime::poll_budget(cx));
                    return Poll::Ready(self.finish());
                }
                None => {
                    self.group.shared.children.wait(cx);
                    return Poll::Pending;
                }
            }
            if !self.group.shared.joiners.is_empty() && self.group.is_empty() {
                self.group.shared.joiners.wake_all();
            }
            if let Stage::LastTurns(left) = self.stage {
                self.as_mut().count_turn(left, has_turn);
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<'env, F, V, E> Running<'env, F, V, E> {
    fn is_over(&self) -> bool {
        self.body.is_none() && self.group.is_empty()
    }

    /// Takes errors left by the drop of a `start`, which the drop of the body can cause.
    fn take_left_errors(mut self: Pin<&mut Self>) {
        if self.group.shared.left_errors.borrow().is_empty() {
            return;
        }
        let errors = self.group.shared.left_errors.take();
        let woken = self.group.shared.children.woken();
        self.as_mut().project().failures.errors.extend(errors);
        self.child_failed(woken);
    }

    fn poll_body<B>(mut self: Pin<&mut Self>, turn: BodyTurn)
    where
        F: Future<Output = B>,
        B: Body<Value = V, Error = E>,
    {
        let mut this = self.as_mut().project();
        let poll = |cx: &mut Context<'_>| match this.body.as_mut().as_pin_mut() {
            Some(body) => {
                let outcome = ready!(body.poll(cx));
                this.body.set(None);
                Poll::Ready(Some(outcome))
            }
            // A wake came after the body's end.
            None => Poll::Ready(None),
        };
        let polled = panic::catch_unwind(AssertUnwindSafe(|| turn.poll(poll)));
        let result = match polled {
            Ok(Poll::Pending | Poll::Ready(None)) => return,
            Ok(Poll::Ready(Some(outcome))) => Ok(outcome.into_result()),
            Err(payload) => Err(payload),
        };
        match result {
            Ok(Ok(value)) => return *this.value = Some(value),
            Ok(Err(error)) => {
                let task = this.group.shared.children.label();
                this.failures.of_body = Some(TaskError::new(error, &task));
            }
            Err(payload) => {
                let task = this.group.shared.children.label();
                this.failures.add_panic(payload, task);
            }
        }
        if let Stage::Open = self.stage {
            self.stop();
        }
    }

    /// Polls a child, which is the current task until `suspend` or `end`.
    fn poll_child(mut self: Pin<&mut Self>, turn: ChildTurn, mut job: BoxedChild<'env, E>) {
        let children = &self.group.shared.children;
        let poll = AssertUnwindSafe(|| turn.poll(|cx| job.as_mut().poll(cx)));
        match panic::catch_unwind(poll) {
            Ok(Poll::Pending) => children.suspend(turn, job),
            Ok(Poll::Ready(Ok(()))) if children.has_handle(&turn) => {
                let output = job.into_output().map_or(Ending::DoneUnseen, Ending::Done);
                children.end(turn, output);
            }
            Ok(Poll::Ready(Ok(()))) => match turn.drop(|| drop_caught(job)) {
                None => {
                    children.end(turn, Ending::DoneUnseen);
                }
                Some(payload) => self.child_panicked(turn, payload),
            },
            Ok(Poll::Ready(Err(error))) => {
                let (task, woken) = (children.label(), children.woken());
                let cleaning = children.end(turn, Ending::Failed);
                let error = TaskError::new(error, &task);
                self.as_mut().project().failures.add_error(error, cleaning);
                self.child_failed(woken);
            }
            Err(payload) => {
                if let Some(second) = turn.drop(|| drop_caught(job)) {
                    runtime::report_second_panic(Some(&children.label()), second);
                }
                self.child_panicked(turn, payload);
            }
        }
    }

    /// Drops a cancelled child, which is the current task until `end`.
    fn drop_child(self: Pin<&mut Self>, turn: ChildTurn, job: BoxedChild<'env, E>) {
        match turn.drop(|| drop_caught(job)) {
            None => {
                self.group.shared.children.end(turn, Ending::Cancelled);
            }
            Some(payload) => self.child_panicked(turn, payload),
        }
    }

    /// Keeps the payload for the task that awaits the group. The child's handle gets a copy of the
    /// message.
    #[cold]
    fn child_panicked(mut self: Pin<&mut Self>, turn: ChildTurn, payload: Payload) {
        let children = &self.group.shared.children;
        let woken = children.woken();
        let ending = if children.has_handle(&turn) {
            Ending::Panicked(Box::new(PanicCopy(panic_message(&*payload).to_owned())))
        } else {
            Ending::DoneUnseen
        };
        let task = children.label();
        children.end(turn, ending);
        self.as_mut().project().failures.add_panic(payload, task);
        self.child_failed(woken);
    }

    /// Closes the group to new children, and ends it once the tasks that were `woken` before have
    /// had their turn. Asyncio does the same: there, the failure is noticed after the round. A task
    /// that awaited the child was woken by its end and has no such turn.
    #[cold]
    fn child_failed(mut self: Pin<&mut Self>, woken: usize) {
        if let Stage::Open = self.stage {
            self.group.shared.is_closed.set(true);
            // The turn that failed counts too.
            *self.as_mut().project().stage = Stage::LastTurns(woken + 1);
        }
    }

    /// Counts one of the last turns. If there was no turn left to take, the last turns are over,
    /// because some of the woken tasks had nothing to do any more.
    #[cold]
    fn count_turn(mut self: Pin<&mut Self>, left: usize, has_turn: bool) {
        if has_turn && left > 1 {
            *self.as_mut().project().stage = Stage::LastTurns(left - 1);
        } else {
            self.stop();
        }
    }

    /// Cancels all children and drops the body.
    #[cold]
    fn stop(mut self: Pin<&mut Self>) {
        self.group.cancel();
        let mut this = self.as_mut().project();
        *this.stage = Stage::Stopped;
        if this.body.is_none() {
            return;
        }
        let mut panicked = None;
        let left = runtime::dropping(|| {
            let children = &this.group.shared.children;
            let drop_body = AssertUnwindSafe(|| children.drop_body(|| this.body.set(None)));
            panicked = panic::catch_unwind(drop_body).err();
        });
        *this.left = left;
        if let Some(payload) = panicked {
            let task = this.group.shared.children.label();
            this.failures.add_panic(payload, task);
        }
    }

    fn finish(mut self: Pin<&mut Self>) -> Result<V, GroupError<E>> {
        let this = self.as_mut().project();
        this.group.shared.is_closed.set(true);
        this.group.shared.refused.end();
        match this.failures.take() {
            Err(payload) => {
                // Dropped before the panic continues: a second panic during unwinding would abort
                // the process.
                runtime::drop_reported(this.value.take());
                panic::resume_unwind(payload);
            }
            Ok(Some(error)) => Err(error),
            Ok(None) => Ok(this.value.take().expect("a body that did not fail has a value")),
        }
    }

    /// Drops everything, when the group is dropped before its end.
    fn drop_all(self: Pin<&mut Self>) {
        let mut this = self.project();
        let shared = &this.group.shared;
        shared.is_closed.set(true);
        shared.refused.end();
        this.failures.errors.extend(shared.left_errors.take());
        if this.body.is_none() && shared.children.len() == 0 {
            return this.failures.report();
        }
        shared.cancelled.set();
        let drop_body = AssertUnwindSafe(|| shared.children.drop_body(|| this.body.set(None)));
        let mut panicked = panic::catch_unwind(drop_body).err();
        for (child, job) in shared.children.take_all() {
            match (child.end(|| drop_caught(job)), &panicked) {
                (Some(payload), None) => panicked = Some(payload),
                (Some(payload), Some(_)) => {
                    this.failures.add_panic(payload, shared.children.label());
                }
                (None, _) => {}
            }
        }
        // A child may have failed earlier, and a timeout may have dropped the group while others
        // cleaned up.
        this.failures.errors.extend(shared.left_errors.take());
        this.failures.report();
        if let Some(payload) = panicked {
            if thread::panicking() {
                this.failures.add_panic(payload, shared.children.label());
                this.failures.report();
            } else {
                panic::resume_unwind(payload);
            }
        }
    }
}
