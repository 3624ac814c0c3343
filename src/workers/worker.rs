//! `Worker`: the argument of a worker's future.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::crew::Crew;
use super::listen::Listening;
use crate::net::{TcpListener, ToSocketAddrs};
use crate::runtime::Handle;
use crate::task::CancelToken;

/// One of several workers, as its own future sees it; see [`workers`](super::workers()).
///
/// A clone is the same worker. It may be kept and sent anywhere; only [`listen`](Self::listen)
/// needs a loop.
#[derive(Clone)]
pub struct Worker {
    crew: Arc<Crew>,
    seat: Arc<Seat>,
}

/// The state of one run of one worker.
struct Seat {
    index: usize,
    looks_out: AtomicBool,
    listening: Listening,
}

impl Worker {
    pub(super) fn new(crew: Arc<Crew>, index: usize) -> Self {
        let looks_out = AtomicBool::new(false);
        let seat = Seat { index, looks_out, listening: Listening::default() };
        Self { crew, seat: Arc::new(seat) }
    }

    /// Returns the worker's number, starting at 0.
    pub fn index(&self) -> usize {
        self.seat.index
    }

    /// Returns the number of workers, this one included.
    pub fn count(&self) -> usize {
        self.crew.handles().len()
    }

    /// Returns a handle to the loop of the worker with this number, for sending it work or a
    /// connection.
    ///
    /// When that worker has ended, the handle returns errors. A worker that was
    /// [restarted](super::OnPanic::Restart) has a different handle then.
    ///
    /// # Panics
    ///
    /// Panics if there is no worker with this number.
    ///
    /// # Examples
    ///
    /// Hand a connection to another worker as a socket of the standard library:
    ///
    /// ```
    /// use oneloop::net::TcpStream;
    /// use oneloop::workers::Worker;
    /// use std::io;
    ///
    /// async fn serve(stream: TcpStream) -> io::Result<()> {
    ///     stream.write_all(b"hello\n").await
    /// }
    ///
    /// async fn pass_on(worker: &Worker, stream: TcpStream) -> io::Result<()> {
    ///     let next = worker.handle((worker.index() + 1) % worker.count());
    ///     let stream = stream.into_std()?;
    ///     let served = async || serve(TcpStream::from_std(stream)?).await;
    ///     next.create_task_threadsafe(served).await?
    /// }
    /// ```
    #[track_caller]
    pub fn handle(&self, index: usize) -> Handle {
        let handles = self.crew.handles();
        match handles.get(index) {
            Some(Some(handle)) => *handle,
            Some(None) => unreachable!("a worker runs only when all of them are there"),
            None => {
                let count = handles.len();
                drop(handles);
                panic!("there is no worker {index}: there are {count}, and the first is 0")
            }
        }
    }

    /// Returns handles to the loops of all workers, in their order, this one's included.
    pub fn handles(&self) -> Vec<Handle> {
        self.crew.handles().iter().copied().flatten().collect()
    }

    /// Listens on `addr`, together with all workers that ask for the same address (`SO_REUSEPORT`).
    /// Each worker has a listener of its own, and Linux spreads new connections over them. With
    /// port 0, all get the port that was free for the first worker.
    ///
    /// A worker that asks for port 0 again gets another port, which it shares with the second
    /// listener of the other workers.
    ///
    /// When a worker drops its listener before the others drop theirs, connections that were not
    /// yet accepted there are reset.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, it listens nowhere. The other workers keep the
    /// port that was found.
    ///
    /// # Errors
    ///
    /// Same as [`TcpListener::bind`]. `AddrInUse` also if another program listens there with the
    /// same option, and would share the connections.
    ///
    /// # Examples
    ///
    /// ```
    /// let ports = oneloop::workers(2).try_run(async |worker| {
    ///     let listener = worker.listen("127.0.0.1:0").await?;
    ///     Ok::<_, std::io::Error>(listener.local_addr()?.port())
    /// })?;
    /// assert_eq!(ports[0], ports[1]);
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn listen(&self, addr: impl ToSocketAddrs) -> io::Result<TcpListener> {
        let addrs = addr.target().resolve().await?;
        let asked = self.seat.listening.ask(&addrs);
        let listener = async {
            let addr = self.crew.addrs.decide(&asked)?;
            TcpListener::builder().reuse_port(true).bind(addr).await
        };
        let listener = listener.await;
        if listener.is_err() {
            self.seat.listening.take_back(&asked);
        }
        listener
    }

    /// Waits until the workers are asked to stop: by Ctrl-C, by [`stop`](Self::stop) or by a panic
    /// of one of them. From the first poll on, this worker counts as one that ends by itself within
    /// the [grace period](super::Workers::grace).
    ///
    /// # Cancel safety
    ///
    /// The future may be dropped and awaited again.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use oneloop::select;
    ///
    /// oneloop::workers(2).run(async |worker| {
    ///     let listener = worker.listen("127.0.0.1:8888").await?;
    ///     loop {
    ///         select! {
    ///             () = worker.stopping() => return std::io::Result::Ok(()),
    ///             accepted = listener.accept() => {
    ///                 let (stream, _addr) = accepted?;
    ///                 oneloop::create_task(async move { stream.write_all(b"hello\n").await }).detach();
    ///             }
    ///         }
    ///     }
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn stopping(&self) {
        self.look_out();
        self.crew.stop.cancelled().await;
    }

    /// Returns a token that is cancelled when the workers are asked to stop. Cancelling it stops no
    /// other worker. From this call on, the worker counts as one that ends by itself, as with
    /// [`stopping`](Self::stopping).
    #[must_use]
    pub fn stop_token(&self) -> CancelToken {
        self.look_out();
        self.crew.stop.child()
    }

    /// Returns whether the workers have been asked to stop.
    pub fn is_stopping(&self) -> bool {
        self.crew.stop.is_cancelled()
    }

    /// Asks all workers to stop, this one included, like Ctrl-C. Any thread may call it.
    pub fn stop(&self) {
        self.crew.stop.cancel();
    }

    fn look_out(&self) {
        self.seat.looks_out.store(true, Ordering::Relaxed);
    }

    pub(super) fn crew(&self) -> &Crew {
        &self.crew
    }

    /// Whether the worker means to end by itself.
    pub(super) fn looks_out(&self) -> bool {
        self.seat.looks_out.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("index", &self.index()).finish_non_exhaustive()
    }
}
