//! The calling thread: it starts the workers, passes on requests from signals, and waits until all
//! have ended.

use std::future::poll_fn;
use std::io;
use std::panic::{self, Location};
use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::thread::{self, Scope, ScopedJoinHandle};

use super::crew::Crew;
use super::end::{End, Ends};
use super::post::Post;
use super::{Worker, Workers};
use crate::runtime::{Level, Runtime, log_line};
use crate::signal::{SignalKind, Signals, signals};

/// Runs `main` for each worker, called at `place`.
pub(super) fn supervise<F, R>(
    options: &Workers,
    main: &F,
    place: &'static Location<'static>,
) -> io::Result<Ends<R>>
where
    F: AsyncFn(Worker) -> R + Sync,
    R: Send,
{
    let crew = Arc::new(Crew::new(options.count));
    thread::scope(|scope| {
        let supervised = async {
            let kinds = [SignalKind::SIGINT, SignalKind::SIGTERM];
            let requests = options.stops_on_signals.then(|| signals(kinds)).transpose()?;
            let threads = start(options, scope, &crew, main, place)?;
            io::Result::Ok((threads, listen(&crew, requests).await))
        };
        let supervised = Runtime::new()?.run_caught(supervised, place);
        let supervised = supervised.unwrap_or_else(|payload| panic::resume_unwind(payload));
        let (threads, stopped_by) = supervised?;
        let end_of = |thread: Thread<'_, R>| thread.join().unwrap_or_else(End::Panicked);
        let all = threads.into_iter().map(end_of).collect();
        Ok(Ends { all, first_panic: crew.first_panic(), stopped_by })
    })
}

type Thread<'scope, R> = ScopedJoinHandle<'scope, End<R>>;

/// Starts the threads. They run once all have a loop. If one fails to make its loop, none runs, and
/// all end.
fn start<'scope, F, R>(
    options: &'scope Workers,
    scope: &'scope Scope<'scope, '_>,
    crew: &Arc<Crew>,
    main: &'scope F,
    place: &'static Location<'static>,
) -> io::Result<Vec<Thread<'scope, R>>>
where
    F: AsyncFn(Worker) -> R + Sync,
    R: Send + 'scope,
{
    let (has_started, started) = mpsc::channel();
    let mut threads = Vec::with_capacity(options.count);
    let mut gates = Vec::with_capacity(options.count);
    for index in 0..options.count {
        let post = Post { index, crew: Arc::clone(crew), options, main, place };
        let has_started = has_started.clone();
        let (gate, opened) = mpsc::channel();
        let thread = thread::Builder::new().name(format!("worker-{index}"));
        let thread = thread.spawn_scoped(scope, move || post.work(&has_started, &opened));
        threads.push(thread.map_err(|error| End::<R>::cannot_start(index, &error))?);
        gates.push(gate);
    }
    if started.iter().take(options.count).all(|has_started| has_started) {
        for gate in gates {
            // A worker that does not receive it has ended.
            gate.send(()).ok();
        }
    }
    Ok(threads)
}

/// Waits until all have ended, and passes on requests from signals. Returns the first signal.
async fn listen(crew: &Crew, mut requests: Option<Signals>) -> Option<SignalKind> {
    let mut ended = pin!(crew.ended.cancelled());
    let mut stopped_by = None;
    loop {
        let event = poll_fn(|cx| match &mut requests {
            _ if ended.as_mut().poll(cx).is_ready() => Poll::Ready(None),
            Some(requests) => requests.poll_recv(cx).map(Some),
            None => Poll::Pending,
        });
        match event.await {
            None => return stopped_by,
            Some(Ok(kind)) if stopped_by.is_none() => {
                stopped_by = Some(kind);
                crew.stop.cancel();
            }
            Some(Ok(_)) => {
                crew.hurry.cancel();
                requests = None;
            }
            Some(Err(error)) => {
                log_line(Level::Error, &format!("signals are not heard any more: {error}"));
                requests = None;
            }
        }
    }
}
