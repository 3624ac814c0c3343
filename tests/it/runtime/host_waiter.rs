//! How a host waits that drives a loop by polls.

#![expect(clippy::unwrap_used, reason = "this is a helper of tests")]

use std::io::ErrorKind;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Wake, Waker};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use oneloop::Runtime;

const PATIENCE: Duration = Duration::from_secs(10);

/// Counts its wakes, and ends the host's wait.
pub(super) struct Bell {
    pub(super) rings: AtomicU32,
    pub(super) ends_wait: Arc<mio::Waker>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rings.fetch_add(1, Ordering::Relaxed);
        self.ends_wait.wake().unwrap();
    }
}

/// Waits for the bell and for the loop's descriptor, with `mio::Poll`, which is edge-triggered, in
/// place of another runtime. The loop's deadlines are left to the descriptor.
pub(super) struct HostWaiter {
    poll: Poll,
    pub(super) bell: Arc<Bell>,
    /// The descriptor has become readable.
    pub(super) is_readable: bool,
}

impl HostWaiter {
    pub(super) fn of(runtime: &Runtime) -> Self {
        let poll = Poll::new().unwrap();
        let fd = runtime.reactor_fd().unwrap().as_raw_fd();
        poll.registry().register(&mut SourceFd(&fd), Token(0), Interest::READABLE).unwrap();
        let ends_wait = Arc::new(mio::Waker::new(poll.registry(), Token(1)).unwrap());
        let bell = Arc::new(Bell { rings: AtomicU32::new(0), ends_wait });
        Self { poll, bell, is_readable: false }
    }

    pub(super) fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.bell))
    }

    pub(super) fn wait(&mut self) {
        let mut events = Events::with_capacity(8);
        while let Err(error) = self.poll.poll(&mut events, Some(PATIENCE)) {
            assert_eq!(error.kind(), ErrorKind::Interrupted, "{error}");
        }
        assert!(!events.is_empty(), "the host sleeps, and is not woken");
        self.is_readable |= events.iter().any(|event| event.token() == Token(0));
    }
}
