//! Another event loop of this thread, inside which this loop always runs.

use std::io;
use std::panic::Location;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use super::builder::Builder;
use super::runtime::{Runtime, cannot_go_on};
use super::steps::Steps;
use crate::runtime::data::record::Payload;
use crate::runtime::event_loop::{PollMain, Turn};

/// Makes a turn, for the waker of the context. The flag says that the reactor's descriptor has
/// become readable. Returns `None` when the run is over.
pub(crate) type Turns<'a> = dyn FnMut(&Context<'_>, bool) -> Option<Turn> + 'a;

/// Drives the loop as a host does, but blocks until the run is over.
pub(crate) trait Driver {
    /// Calls `turn` when the loop has something to do, until it returns `None`.
    fn drive(&self, runtime: &Runtime, turn: &mut Turns<'_>) -> io::Result<()>;
}

/// Makes a driver, when its loop is made.
pub(crate) type MakeDriver = fn() -> io::Result<Box<dyn Driver>>;

/// An error of options that do not go together.
pub(super) fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

impl Builder {
    /// Runs the loop inside the one that `make` makes, or in none.
    pub(crate) fn with_driver(mut self, make: Option<MakeDriver>) -> Self {
        self.driver = make;
        self
    }
}

impl Runtime {
    /// Runs `main` inside the driver's loop.
    #[track_caller]
    pub(super) fn run_driven<F: Future>(
        &self,
        driver: &dyn Driver,
        main: F,
        place: &'static Location<'static>,
    ) -> Result<F::Output, Payload> {
        let mut steps = pin!(Steps::of_run(main, place, false));
        match self.drive(driver, steps.as_mut(), &mut |_| Poll::Pending) {
            Ok(()) => steps.take_result(),
            Err(error) => cannot_go_on(&error),
        }
    }

    /// Ends the loop inside the driver's loop, so that cleanups can use that. Returns `false` if
    /// there is none, or no descriptor is left for it.
    pub(super) fn end_driven(&mut self, hurry: &mut PollMain<'_>) -> bool {
        let Some(driver) = self.driver.take() else { return false };
        let steps = pin!(Steps::of_end(Location::caller()));
        let has_ended = self.drive(&*driver, steps, hurry).is_ok();
        if has_ended {
            self.drop_state();
        }
        has_ended
    }

    fn drive<F: Future>(
        &self,
        driver: &dyn Driver,
        mut steps: Pin<&mut Steps<F>>,
        hurry: &mut PollMain<'_>,
    ) -> io::Result<()> {
        let mut turn =
            |cx: &Context<'_>, is_readable| self.turn_steps(steps.as_mut(), hurry, cx, is_readable);
        let driven = driver.drive(self, &mut turn);
        self.stop_hosting();
        driven
    }
}
