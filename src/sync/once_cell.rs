//! `OnceCell`: a value created once, by the task that needs it first.

use std::cell;
use std::convert::Infallible;
use std::fmt::{self, Debug, Formatter};

use super::permits::Permits;
use crate::runtime;

/// A value that an async function creates once, when it is first needed.
///
/// Of all tasks that need the missing value, one creates it and the others wait. If creating it
/// fails, panics or is cancelled, the next task in the line tries. A function that needs the same
/// cell that it initializes waits for itself forever.
///
/// # Examples
///
/// ```
/// use std::cell::Cell;
///
/// use oneloop::sync::OnceCell;
///
/// oneloop::run(async {
///     let (connection, attempts) = (OnceCell::new(), Cell::new(0));
///     let connect = async || {
///         oneloop::yield_now().await;
///         attempts.set(attempts.get() + 1);
///         if attempts.get() == 1 { Err("refused") } else { Ok("connected") }
///     };
///     let users = [0, 1, 2].map(|_| connection.get_or_try_init(connect));
///     assert_eq!(oneloop::gather(users).await, [Err("refused"), Ok(&"connected"), Ok(&"connected")]);
///     assert_eq!(attempts.get(), 2);
/// });
/// ```
#[doc(alias = "SetOnce")]
pub struct OnceCell<T> {
    /// The one permit to create the value.
    permits: Permits,
    value: cell::OnceCell<T>,
}

/// Holds the only permit.
struct Maker<'a>(&'a Permits);

impl Drop for Maker<'_> {
    fn drop(&mut self) {
        self.0.release(1);
    }
}

impl<T> OnceCell<T> {
    /// Creates an empty cell.
    pub const fn new() -> Self {
        Self { permits: Permits::new(1), value: cell::OnceCell::new() }
    }

    /// The value, if it was created.
    pub fn get(&self) -> Option<&T> {
        self.value.get()
    }

    /// The value, if it was created.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut()
    }

    /// Sets the value.
    ///
    /// # Errors
    ///
    /// Returns `value` if the cell already has a value, or if one is being created.
    pub fn set(&self, value: T) -> Result<(), T> {
        if !self.permits.try_acquire(1) {
            return Err(value);
        }
        let _maker = Maker(&self.permits);
        self.value.set(value)
    }

    /// Returns the value, creating it with `make` if there is none.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the future of `make`, and the next task in the line creates the
    /// value.
    pub async fn get_or_init(&self, make: impl AsyncFnOnce() -> T) -> &T {
        let Ok(value) = self.get_or_try_init(async || Ok::<_, Infallible>(make().await)).await;
        value
    }

    /// Returns the value, creating it with `make` if there is none.
    ///
    /// # Errors
    ///
    /// Returns the error of `make`. The cell stays empty, and the next task in the line tries.
    ///
    /// # Cancel safety
    ///
    /// The same as that of [`get_or_init`](Self::get_or_init).
    pub async fn get_or_try_init<E>(
        &self,
        make: impl AsyncFnOnce() -> Result<T, E>,
    ) -> Result<&T, E> {
        if let Some(value) = self.get().filter(|_| runtime::spend()) {
            return Ok(value);
        }
        if !self.permits.acquire_at_once(1) {
            self.permits.acquire(1).await;
        }
        let _maker = Maker(&self.permits);
        if let Some(value) = self.get() {
            return Ok(value);
        }
        let value = make().await?;
        // No other task sets the value, because that needs the permit.
        Ok(self.value.get_or_init(|| value))
    }

    /// Takes the value out, if it was created, and leaves the cell empty.
    pub fn take(&mut self) -> Option<T> {
        self.value.take()
    }

    /// Consumes the cell and returns the value, if it was created.
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }
}

impl<T> Default for OnceCell<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> From<T> for OnceCell<T> {
    fn from(value: T) -> Self {
        Self { permits: Permits::new(1), value: cell::OnceCell::from(value) }
    }
}

impl<T: Debug> Debug for OnceCell<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnceCell").field(&self.get()).finish()
    }
}
