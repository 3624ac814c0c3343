//! `as_completed`: the outputs of several futures, each as soon as it is ready.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_core::stream::FusedStream;

use super::unfinished::Unfinished;
use crate::runtime::with_budget;

/// Runs all futures at once and yields their outputs in order of completion, each with the index of
/// its argument. Asyncio's `as_completed`.
///
/// Take the outputs with [`next`](AsCompleted::next), or use it as a [`Stream`]. The futures run
/// inside the task that takes the outputs, and only while it waits for one. Each is polled only
/// when it was woken, and dropped as soon as it is ready. Futures that are ready at the same time
/// come in the order of their wakes; at the first poll, in the order of the arguments. Dropping the
/// `AsCompleted` drops the remaining futures.
///
/// Tasks run independently: dropping an `as_completed` of [`Task`](crate::Task)s only detaches
/// them. For a set of tasks that lives longer and grows, use a [`TaskSet`](crate::TaskSet).
///
/// # Panics
///
/// Panics when polled outside a loop. A panic of one of the futures propagates to the code that
/// takes the next output; the other futures remain available.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// oneloop::run(async {
///     let words = ["slow", "soon"];
///     let mut outputs = oneloop::as_completed(words.map(async |word| {
///         let delay = if word == "slow" { 5 } else { 1 };
///         oneloop::sleep(Duration::from_millis(delay)).await;
///         word.len()
///     }));
///     let mut order = Vec::new();
///     while let Some((index, len)) = outputs.next().await {
///         assert_eq!(len, 4);
///         order.push(words[index]);
///     }
///     assert_eq!(order, ["soon", "slow"]);
/// });
/// ```
#[doc(alias = "FuturesUnordered")]
#[doc(alias = "buffer_unordered")]
pub fn as_completed<I>(futures: I) -> AsCompleted<<I::Item as IntoFuture>::IntoFuture>
where
    I: IntoIterator<Item: IntoFuture>,
{
    AsCompleted { unfinished: Unfinished::new(futures) }
}

/// The outputs of [`as_completed`].
#[must_use = "futures do nothing unless their outputs are taken"]
pub struct AsCompleted<F> {
    unfinished: Unfinished<F>,
}

impl<F: Future> AsCompleted<F> {
    /// Limits the number of futures that run at once: the next one starts when one has ended. Call
    /// this before taking the first output.
    ///
    /// # Panics
    ///
    /// Panics if `limit` is 0, since nothing would ever start.
    #[track_caller]
    pub fn limit(mut self, limit: usize) -> Self {
        self.unfinished.set_limit(limit);
        self
    }

    /// Returns the next output and the index of its argument, or `None` when all outputs have been
    /// taken.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, it has taken nothing: a time limit around it
    /// loses no output.
    pub async fn next(&mut self) -> Option<(usize, F::Output)> {
        poll_fn(|cx| self.poll_next_output(cx)).await
    }

    /// The number of outputs that have not been taken.
    pub fn len(&self) -> usize {
        self.unfinished.left()
    }

    /// Whether all outputs have been taken.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn poll_next_output(&mut self, cx: &mut Context<'_>) -> Poll<Option<(usize, F::Output)>> {
        // Each output costs something of the task's poll, so that a crowd that is ready lets others
        // run.
        with_budget(cx, |cx| {
            if self.is_empty() {
                return Poll::Ready(None);
            }
            self.unfinished.poll_next("`as_completed`", cx)
        })
    }
}

impl<F: Future> Stream for AsCompleted<F> {
    type Item = (usize, F::Output);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_next_output(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), Some(self.len()))
    }
}

impl<F: Future> FusedStream for AsCompleted<F> {
    fn is_terminated(&self) -> bool {
        self.is_empty()
    }
}

impl<F> fmt::Debug for AsCompleted<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsCompleted").field(&self.unfinished).finish()
    }
}
