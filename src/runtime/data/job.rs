//! A future that turns into its output, and a task's one allocation: such a future behind a type
//! that the slab can hold.

use std::any::Any;
use std::future::Ready;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

pin_project! {
    /// A future and, once it is ready, its output, in the same place.
    #[project = Projection]
    #[project_replace = Replaced]
    #[derive(Debug)]
    pub(crate) enum MaybeDone<F: Future> {
        Running { #[pin] future: F },
        Done { output: F::Output },
        Taken,
    }
}

impl<F: Future> MaybeDone<F> {
    pub(crate) fn new(future: F) -> Self {
        Self::Running { future }
    }

    /// Polls the future. When it is ready, this drops it and keeps its output, and must not be
    /// called again.
    pub(crate) fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Projection::Running { future } = self.as_mut().project() else {
            unreachable!("a future is polled only until it is ready");
        };
        let Poll::Ready(output) = future.poll(cx) else { return Poll::Pending };
        // If the drop of the future panics, the output is dropped too, and the caller gets the
        // panic.
        self.set(Self::Done { output });
        Poll::Ready(())
    }

    /// Drops the future or the output.
    pub(crate) fn clear(mut self: Pin<&mut Self>) {
        self.set(Self::Taken);
    }

    pub(crate) fn output(&self) -> Option<&F::Output> {
        match self {
            Self::Done { output } => Some(output),
            Self::Running { .. } | Self::Taken => None,
        }
    }

    /// Moves the output out.
    pub(crate) fn take(self: Pin<&mut Self>) -> Option<F::Output> {
        match self.project_replace(Self::Taken) {
            Replaced::Done { output } => Some(output),
            Replaced::Running { .. } | Replaced::Taken => None,
        }
    }
}

/// A task's future or output, its type erased.
pub(crate) type BoxedJob = Pin<Box<dyn Job>>;

pub(crate) trait Job {
    /// See [`MaybeDone::poll`].
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()>;

    /// Moves the output into `place`, an `Option` of the output's type.
    fn take_output(self: Pin<&mut Self>, place: &mut dyn Any);

    /// The output, if there is one, in its place.
    fn peek(&self) -> Option<&dyn Any>;

    /// Whether the drop of the output does anything.
    fn drops_output(&self) -> bool;
}

pub(crate) fn boxed<F>(future: F) -> BoxedJob
where
    F: Future + 'static,
    F::Output: 'static,
{
    Box::pin(MaybeDone::new(future))
}

/// A job that has ended with this output.
pub(crate) fn done<T: 'static>(output: T) -> BoxedJob {
    Box::pin(MaybeDone::<Ready<T>>::Done { output })
}

/// The output of a job that has ended.
pub(crate) fn output_of<T: 'static>(mut job: BoxedJob) -> T {
    let mut output: Option<T> = None;
    job.as_mut().take_output(&mut output);
    output.expect("a job that has ended has an output, and its handle the output's type")
}

impl<F> Job for MaybeDone<F>
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.poll(cx)
    }

    fn take_output(self: Pin<&mut Self>, place: &mut dyn Any) {
        if let Some(place) = place.downcast_mut::<Option<F::Output>>() {
            *place = self.take();
        }
    }

    fn peek(&self) -> Option<&dyn Any> {
        let output: &dyn Any = self.output()?;
        Some(output)
    }

    fn drops_output(&self) -> bool {
        mem::needs_drop::<F::Output>()
    }
}
