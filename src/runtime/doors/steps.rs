//! A run in steps, for a loop that another one drives: main, its cleanups and, if asked for, the
//! end of the loop.

#[cfg(feature = "tokio")]
use std::future::{Ready, ready};
use std::panic::Location;
use std::pin::Pin;
use std::task::Context;

use pin_project_lite::pin_project;

use super::runtime::{
    Runtime, end_main, finish_end, finish_main, poll_main, start_end, start_main,
};
use crate::runtime::closing::{self, End};
use crate::runtime::context::with;
use crate::runtime::data::job::MaybeDone;
use crate::runtime::data::key::NO_SLOT;
use crate::runtime::data::record::Payload;
use crate::runtime::data::tasks::MAIN;
use crate::runtime::deferred::guard;
use crate::runtime::event_loop::{self, Park, PollMain, Turn};
use crate::runtime::handles::leaving;

pin_project! {
    pub(super) struct Steps<F: Future> {
        #[pin]
        main: MaybeDone<F>,
        place: &'static Location<'static>,
        // The end of the loop follows the run.
        ends: bool,
        stage: Stage,
        result: Option<Result<F::Output, Payload>>,
    }
}

enum Stage {
    New,
    /// Main is polled.
    Main,
    /// Main's cleanups are awaited.
    Left,
    /// Nothing of main is left.
    MainOver,
    /// All tasks were cancelled, and their cleanups are awaited.
    Ending(End),
    /// Values of the layers above wait for other threads.
    Locals,
    Over,
}

impl<F: Future> Steps<F> {
    /// Runs `main`, called at `place`.
    pub(super) fn of_run(main: F, place: &'static Location<'static>, ends: bool) -> Self {
        Self { main: MaybeDone::new(main), place, ends, stage: Stage::New, result: None }
    }

    pub(super) fn place(&self) -> &'static Location<'static> {
        self.place
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// The output of main, or its panic, when all steps are done.
    pub(super) fn take_result(self: Pin<&mut Self>) -> Result<F::Output, Payload> {
        self.project().result.take().expect("main has ended before its run")
    }

    /// Makes one turn of this thread's loop. Returns `None` when all steps are done. Once `hurry`
    /// is ready, the end of the loop waits for nothing more.
    pub(super) fn turn(mut self: Pin<&mut Self>, hurry: &mut PollMain<'_>) -> Option<Turn> {
        loop {
            let this = self.as_mut().project();
            let next = match this.stage {
                Stage::New => {
                    start_main(this.place);
                    with(|state| state.queue(MAIN));
                    Stage::Main
                }
                Stage::Main => {
                    let (mut main, mut panicked, mut is_ready) = (this.main, None, false);
                    let mut poll = |cx: &mut Context<'_>| {
                        let poll = poll_main(main.as_mut(), &mut panicked, cx);
                        is_ready = poll.is_ready();
                        poll
                    };
                    let turn = event_loop::turn(&mut poll, Park::InHost);
                    if !is_ready {
                        return Some(turn);
                    }
                    *this.result = Some(end_main(main, panicked));
                    closing::start_waiting_for_main();
                    Stage::Left
                }
                Stage::Left => {
                    if let Some(turn) = closing::turn_after_main(Park::InHost) {
                        return Some(turn);
                    }
                    finish_main();
                    if *this.ends { Stage::MainOver } else { Stage::Over }
                }
                Stage::MainOver => {
                    start_end();
                    Stage::Ending(End::start())
                }
                Stage::Ending(end) => {
                    if let Some(turn) = end.turn(hurry, Park::InHost) {
                        return Some(turn);
                    }
                    Stage::Locals
                }
                Stage::Locals => {
                    if let Some(turn) = leaving::turn_for_locals(hurry) {
                        return Some(turn);
                    }
                    finish_end();
                    Stage::Over
                }
                Stage::Over => return None,
            };
            *self.as_mut().project().stage = next;
        }
    }

    /// Drops main, which is not ready, in its turn.
    pub(super) fn drop_main(self: Pin<&mut Self>, runtime: &Runtime) {
        let mut main = self.project().main;
        runtime.inside(|| {
            let label = with(|state| {
                state.start_turn(state.key_of_main());
                state.tasks.label(MAIN)
            });
            guard(label.as_ref(), || main.as_mut().clear());
            with(|state| state.current = NO_SLOT);
        });
    }
}

#[cfg(feature = "tokio")]
impl Steps<Ready<()>> {
    /// Ends the loop.
    pub(super) fn of_end(place: &'static Location<'static>) -> Self {
        let main = MaybeDone::new(ready(()));
        Self { main, place, ends: true, stage: Stage::MainOver, result: None }
    }
}
