//! `add_reader` and `add_writer`: a function that is called while a descriptor is ready.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::{AsyncFd, Interest};
use crate::runtime::{self, TaskId};
use crate::task::yield_now;

/// Calls `callback` whenever there is something to read from `fd`, or its end; asyncio's `loop.add_reader`.
///
/// While that is so it is called over and over, each time after all else that is runnable, until it has read what there is or is
/// removed: drop the [`FdCallback`] for that, which the callback may do itself. It runs as a task of its own; if it panics,
/// the panic is reported and it is removed.
///
/// What is watched is a duplicate of the descriptor, whose mode is left as it is. So any number of callbacks may
/// watch one descriptor, for either direction; and what it stands for stays open until they are removed. A task
/// that awaits [`AsyncFd::readable`] is mostly the shorter way.
///
/// # Errors
///
/// As [`AsyncFd::new`], and if the process has no descriptors left.
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

/// Calls `callback` whenever there is room to write to `fd`, which mostly is the case; asyncio's `loop.add_writer`. As
/// [`add_reader`] otherwise.
///
/// # Errors
///
/// As [`add_reader`].
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
            // The others, and the loop itself, come first.
            yield_now().await;
        }
    };
    // The handle goes at once, so that a panic is reported when it happens.
    let name = format!("callback of descriptor {number}");
    let task = runtime::create(call, Some(name), false).id();
    Ok(FdCallback { task })
}

async fn is_ready(fd: &AsyncFd<OwnedFd>, interest: Interest) -> bool {
    let ready = match interest {
        Interest::Write => fd.writable().await,
        Interest::Read | Interest::Both => fd.readable().await,
    };
    // It is used in its own loop, and the kernel has nothing to complain about in a descriptor that it has registered.
    ready.is_ok()
}

/// A callback that waits for a descriptor; see [`add_reader`]. Dropped, it is removed, and not called any more.
#[must_use = "dropped, it removes the callback"]
pub struct FdCallback {
    task: TaskId,
}

impl FdCallback {
    /// Whether it will not be called any more: it has panicked, or the loop has ended.
    ///
    /// On another thread than the loop's it says so, too.
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
