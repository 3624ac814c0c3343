//! How workers ended, and what follows: a panic takes precedence over an error, an error over the
//! outputs.

use std::io::{self, ErrorKind};
use std::mem;

use crate::runtime::{Payload, discard, panic_message};
use crate::signal::{Interrupted, SignalKind};

/// How one worker ended.
pub(super) enum End<R> {
    Ready(R),
    /// It was asked to stop before it was ready.
    Cancelled,
    Panicked(Payload),
    /// It has no loop.
    Failed(io::Error),
}

/// How all workers ended.
pub(super) struct Ends<R> {
    pub(super) all: Vec<End<R>>,
    pub(super) first_panic: Option<usize>,
    pub(super) stopped_by: Option<SignalKind>,
}

impl<R> End<R> {
    pub(super) fn cannot_start(index: usize, error: &io::Error) -> io::Error {
        io::Error::new(error.kind(), format!("cannot start worker {index}: {error}"))
    }
}

impl<R> Ends<R> {
    /// Returns the outputs of all workers, if all have one.
    #[track_caller]
    pub(super) fn outputs(mut self) -> io::Result<Vec<R>> {
        self.raise();
        let (mut outputs, mut is_cancelled) = (Vec::new(), false);
        for (index, end) in self.all.into_iter().enumerate() {
            match end {
                End::Ready(output) => outputs.push(output),
                End::Failed(error) => return Err(End::<R>::cannot_start(index, &error)),
                End::Cancelled | End::Panicked(_) => is_cancelled = true,
            }
        }
        match self.stopped_by {
            _ if !is_cancelled => Ok(outputs),
            Some(kind) => Err(Interrupted::by(kind).into()),
            None => {
                let message = "the workers were stopped by one of them";
                Err(io::Error::new(ErrorKind::Interrupted, message))
            }
        }
    }

    /// Continues the first panic, if there is one.
    #[track_caller]
    fn raise(&mut self) {
        let mut message = None;
        for (index, end) in self.all.iter_mut().enumerate() {
            let End::Panicked(payload) = end else { continue };
            // The others may have panicked because of the first.
            if self.first_panic.is_none_or(|first| first == index) {
                message.get_or_insert_with(|| {
                    format!("worker {index} panicked: {}", panic_message(&**payload))
                });
            }
            if let End::Panicked(payload) = mem::replace(end, End::Cancelled) {
                discard(payload);
            }
        }
        if let Some(message) = message {
            panic!("{message}");
        }
    }
}

impl<T, E: From<io::Error>> Ends<Result<T, E>> {
    /// Returns the values of all workers if all have one, or the error of the worker that failed
    /// first.
    #[track_caller]
    pub(super) fn results(mut self, first_error: Option<usize>) -> Result<Vec<T>, E> {
        self.raise();
        if let Some(first) = first_error {
            if let End::Ready(Err(error)) = self.all.swap_remove(first) {
                return Err(error);
            }
        }
        self.outputs()?.into_iter().collect()
    }
}
