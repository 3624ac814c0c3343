//! `add_reader` and `add_writer`: call a function while a descriptor is ready.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::{AsyncFd, Interest};
use crate::runtime::{self, TaskId};
use crate::task::yield_now;

/// Calls `callback` whenever `fd` has data to read, or its end; asyncio's `loop.add_reader`.
///
/// While that holds, `callback` is called repeatedly, each time after all other runnable tasks,
/// until it has read everything or is removed. To remove it, drop the [`FdCallback`]; the callback
/// itself may do so. It runs as a task of its own. If it panics, the panic is reported and the
/// callback is removed.
///
/// The loop watches a duplicate of the descriptor and leaves its mode unchanged. Any number of
/// callbacks may therefore watch one descriptor, in either direction, and the open file stays open
/// until they are removed. A task that awaits [`AsyncFd::readable`] is usually simpler.
///
/// # Errors
///
/// The errors of [`AsyncFd::new`]. Also fails if the process has no descriptors left.
///
/// # Examples
///
/// ```
/// use std::cell::Cell;
/// use std::io::{Read, Write};
/// use std::os::unix::net::UnixStream;
/// use std::rc::Rc;
///
/// oneloop::run(async {
///     let (mut ours, mut theirs) = UnixStream::pair()?;
///     let read = Rc::new(Cell::new(0));
///     let count = Rc::clone(&read);
///     let reader = oneloop::io::add_reader(&ours.try_clone()?, move || {
///         count.set(count.get() + ours.read(&mut [0; 64]).unwrap());
///     })?;
///     theirs.write_all(b"hello")?;
///     while read.get() < 5 {
///         oneloop::yield_now().await;
///     }
///     drop(reader); // asyncio's `remove_reader`
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
#[doc(alias = "remove_reader")]
pub fn add_reader(fd: impl AsFd, callback: impl FnMut() + 'static) -> io::Result<FdCallback> {
    add(fd.as_fd(), Interest::Read, callback)
}

/// Calls `callback` whenever `fd` has room to write, which is most of the time; asyncio's
/// `loop.add_writer`. Otherwise like [`add_reader`].
///
/// # Errors
///
/// The errors of [`add_reader`].
#[track_caller]
#[doc(alias = "remove_writer")]
pub fn add_writer(fd: impl AsFd, callback: impl FnMut() + 'static) -> io::Result<FdCallback> {
    add(fd.as_fd(), Interest::Write, callback)
}

#[track_caller]
fn add(
    fd: BorrowedFd<'_>,
    interest: Interest,
    mut callback: impl FnMut() + 'static,
) -> io::Result<FdCallback> {
    let number = fd.as_raw_fd();
    let duplicate = fd.try_clone_to_owned().map_err(|error| {
        io::Error::new(error.kind(), format!("cannot watch descriptor {number}: {error}"))
    })?;
    let fd = AsyncFd::watch(duplicate, interest)?;
    let call = async move {
        while is_ready(&fd, interest).await {
            callback();
            // Other tasks, and the loop itself, come first.
            yield_now().await;
        }
    };
    // The task's handle is dropped at once, so that a panic is reported when it happens.
    let name = format!("callback of descriptor {number}");
    let task = runtime::create(call, Some(name), false).id();
    Ok(FdCallback { task })
}

async fn is_ready(fd: &AsyncFd<OwnedFd>, interest: Interest) -> bool {
    let ready = match interest {
        Interest::Write => fd.writable().await,
        Interest::Read | Interest::Both => fd.readable().await,
    };
    // This runs in the descriptor's own loop, and the kernel does not fail for a descriptor that it
    // has registered.
    ready.is_ok()
}

/// A callback that waits for a descriptor; see [`add_reader`]. Dropping it removes the callback,
/// which is then not called again.
#[must_use = "dropped, it removes the callback"]
pub struct FdCallback {
    task: TaskId,
}

impl FdCallback {
    /// Whether the callback will not be called again, because it panicked or the loop has ended.
    ///
    /// Also returns `true` on another thread than the loop's.
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }
}

impl Drop for FdCallback {
    fn drop(&mut self) {
        self.task.cancel();
    }
}

impl fmt::Debug for FdCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FdCallback").finish_non_exhaustive()
    }
}
