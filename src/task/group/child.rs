//! A child's future and output, behind a type that the group can hold.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::GroupOutcome;
use crate::runtime::{self, BoxedJob};

/// A child's future as the group sees it. Its error type is `E`.
pub(super) type BoxedChild<'env, E> = Pin<Box<dyn ChildJob<E> + 'env>>;

pub(super) trait ChildJob<E> {
    /// Polls the future. When it is ready, drops it and keeps its value or returns its error. Must
    /// not be polled again after that.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), E>>;

    /// The value, for the child's handle.
    fn into_output(self: Pin<Box<Self>>) -> Option<BoxedJob>;
}

pin_project! {
    #[project = Projection]
    #[project_replace = Replaced]
    enum Child<F, V> {
        Running { #[pin] future: F },
        Done { value: V },
        Gone,
    }
}

pub(super) fn boxed<'env, F, E>(future: F) -> BoxedChild<'env, E>
where
    F: Future<Output: GroupOutcome<E, Value: 'static>> + 'env,
    E: 'static,
{
    Box::pin(Child::<F, <F::Output as GroupOutcome<E>>::Value>::Running { future })
}

impl<F, E> ChildJob<E> for Child<F, <F::Output as GroupOutcome<E>>::Value>
where
    F: Future<Output: GroupOutcome<E, Value: 'static>>,
{
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        let Projection::Running { future } = self.as_mut().project() else {
            unreachable!("a future is polled only until it is ready");
        };
        let result = ready!(future.poll(cx)).into_group_result();
        Poll::Ready(match result {
            Ok(value) => {
                self.set(Self::Done { value });
                Ok(())
            }
            Err(error) => {
                self.set(Self::Gone);
                Err(error)
            }
        })
    }

    fn into_output(mut self: Pin<Box<Self>>) -> Option<BoxedJob> {
        match self.as_mut().project_replace(Self::Gone) {
            Replaced::Done { value } => Some(runtime::done(value)),
            Replaced::Running { .. } | Replaced::Gone => None,
        }
    }
}
