//! Tokio's crates, unmodified, on the thread of the loop. Needs the feature `tokio`.
//!
//! Many crates need tokio itself: they spawn its tasks, open its sockets and wait for its timers.
//! With [`Builder::tokio`] the loop runs inside a tokio runtime on the same thread, and such crates
//! work in oneloop's tasks as they do in tokio's. In a program that belongs to tokio, [`guest`] is
//! a future that runs a whole oneloop main.
//!
//! Both ways, oneloop's functions also work in tokio's own tasks on this thread: tasks of
//! [`spawn_local`](::tokio::task::spawn_local), and of [`spawn`](::tokio::spawn) where the runtime
//! has only this thread. Cleanups may await things of tokio's. When the loop ends, its tasks and
//! cleanups end before tokio's runtime does. Tokio's tasks that are left are dropped then.
//!
//! Nothing of this happens without being asked for: the feature alone changes no loop. Under
//! [virtual time](Builder::virtual_time) a loop cannot run inside tokio.
//!
//! # Examples
//!
//! ```
//! use oneloop::Builder;
//! use std::time::Duration;
//!
//! let sum = Builder::new().tokio(true).run(async {
//!     let of_tokio = tokio::spawn(async {
//!         tokio::time::sleep(Duration::from_millis(1)).await;
//!         20
//!     });
//!     let own = oneloop::create_task(async {
//!         oneloop::sleep(Duration::from_millis(1)).await;
//!         22
//!     });
//!     own.await.unwrap() + of_tokio.await.unwrap()
//! });
//! assert_eq!(sum, 42);
//! ```

mod inside;

use std::io;
use std::pin::pin;

use crate::runtime::{Builder, has_loop};
use inside::{Inside, host};

impl Builder {
    /// Runs the loop inside a tokio runtime on the same thread, so that crates that need tokio work
    /// in it; see the module [`tokio`](crate::tokio).
    ///
    /// This is a property of the loop: [`run`](Builder::run), [`Runtime::run`](crate::Runtime::run)
    /// and workers have it. A loop that a host turns does not: use [`guest`] there.
    ///
    /// # Errors
    ///
    /// [`Builder::build`] fails with `InvalidInput` if time is virtual as well, and if tokio's
    /// runtime cannot be made.
    ///
    /// # Panics
    ///
    /// [`run`](Builder::run) panics inside another tokio runtime.
    #[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
    pub fn tokio(self, is_inside: bool) -> Self {
        self.with_driver(is_inside.then_some(Inside::make))
    }
}

/// Runs `main` on an oneloop loop inside the tokio runtime that runs this future. Returns main's
/// output when its cleanups are done and its other tasks have ended, like [`run`](crate::run).
///
/// The future stays on its thread: await it in `block_on`, as in `#[tokio::main]`, in a `LocalSet`,
/// or in [`spawn_local`](::tokio::task::spawn_local). A thread has one guest at a time.
///
/// # Cancel safety
///
/// If the future is dropped before it is ready, main and all its tasks are dropped. Their cleanups
/// are cut off, and reported, since nothing could await them without blocking tokio.
///
/// # Errors
///
/// Fails with `AlreadyExists` if a loop already runs on this thread, and if the process has no
/// descriptors left.
///
/// # Panics
///
/// If `main` panics, this panics with the same payload. Panics outside a tokio runtime, and in one
/// without its I/O driver or, except on Linux, its timers.
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use std::time::Duration;
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> std::io::Result<()> {
///     let shared = Rc::new(5);
///     let product = oneloop::tokio::guest(async {
///         let factor = Rc::clone(&shared);
///         let task = oneloop::create_task(async move {
///             oneloop::sleep(Duration::from_millis(1)).await;
///             2 * *factor
///         });
///         task.await.unwrap()
///     })
///     .await?;
///     assert_eq!(product, 10);
///     Ok(())
/// }
/// ```
#[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
pub async fn guest<F: IntoFuture>(main: F) -> io::Result<F::Output> {
    if has_loop() {
        let why =
            "a loop runs on this thread already: create a task in it instead of another guest";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
    }
    let mut guest = pin!(Builder::new().guest(main)?);
    let descriptor = guest.runtime().reactor_fd()?.try_clone_to_owned()?;
    host(descriptor, &mut |cx, is_readable| guest.as_mut().turn(cx, is_readable)).await?;
    Ok(guest.end())
}
