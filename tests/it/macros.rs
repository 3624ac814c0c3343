//! `#[oneloop::main]` and `#[oneloop::test]` on functions of every form that they accept.
//!
//! A function with `#[oneloop::main]` is an ordinary function afterwards, so most tests here just
//! call one. This file does not test code that must not compile.

use oneloop::{sleep, time};
use std::error::Error;
use std::fmt::Display;
use std::future::ready;
use std::io;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(60 * 60);

#[test]
fn main_returns_what_the_body_returns() {
    #[oneloop::main]
    async fn nothing() {
        ready(()).await;
    }
    #[oneloop::main]
    async fn early() -> &'static str {
        if ready(true).await {
            return "early";
        }
        "late"
    }
    #[oneloop::main]
    async fn opaque() -> impl Display {
        ready('x').await
    }

    nothing();
    assert_eq!(early(), "early");
    assert_eq!(opaque().to_string(), "x");
}

#[test]
fn question_mark_in_main_converts_to_the_stated_error() {
    #[oneloop::main]
    async fn fails() -> Result<(), Box<dyn Error>> {
        ready(Err(io::Error::other("as it should"))).await?;
        Ok(())
    }

    assert_eq!(fails().unwrap_err().to_string(), "as it should");
}

#[test]
fn main_may_stand_on_functions_of_any_form() {
    mod inner {
        /// Its attributes, visibility, raw name, where-clause and inner attributes end up in the
        /// right places.
        #[oneloop::main]
        #[must_use]
        pub(super) async fn r#type() -> u32
        where
            u32: Copy,
        {
            #![expect(unused_variables, reason = "shows that inner attributes reach the body")]
            let unused = 0;
            7
        }
    }

    let function: fn() -> u32 = inner::r#type;
    assert_eq!(function(), 7);
}

#[test]
fn main_may_come_out_of_another_macro() {
    macro_rules! by_parts {
        ($(#[$attribute:meta])* $visibility:vis $name:ident $output:ty $body:block) => {
            #[oneloop::main]
            $(#[$attribute])*
            $visibility async fn $name() -> $output $body
        };
    }
    macro_rules! whole {
        ($option:literal $function:item) => {
            #[oneloop::main(crate = $option)]
            $function
        };
    }
    by_parts! { #[must_use] #[inline] pub(crate) four Option<u32> { Some(4) } }
    by_parts! { five u32 { ready(5).await } }
    whole! { "::oneloop" async fn six() -> u32 { ready(6).await } }

    assert_eq!((four(), five(), six()), (Some(4), 5, 6));
}

#[test]
fn crate_names_the_path_to_oneloop() {
    #[oneloop::main(crate = "other::runtime")]
    async fn length() -> usize {
        0
    }
    #[oneloop::main(crate = "::oneloop")]
    async fn absolute() -> usize {
        0
    }

    assert_eq!(length(), 42);
    assert_eq!(absolute(), 0);
}

/// Stands in for a crate that re-exports oneloop. Its `run_main` shows that it was called.
mod other {
    pub(crate) mod runtime {
        pub(crate) use oneloop::Builder;

        pub(crate) fn run_main<F>(_builder: Builder, _: bool, _main: F) -> usize {
            42
        }
    }
}

#[test]
fn main_takes_any_option_of_the_builder() {
    #[oneloop::main(virtual_time, cleanup_timeout = Duration::from_secs(1 + 1))]
    async fn hour() -> Duration {
        let start = time::now();
        // The loop waits for it only as long as the option says.
        let _guard = oneloop::with_cleanup((), async |()| sleep(HOUR).await);
        sleep(HOUR).await;
        time::now() - start
    }
    #[oneloop::main(
        no_signals,
        on_unhandled = |unhandled| assert_eq!(unhandled.message(), "unseen"),
        virtual_time = false,
    )]
    async fn reported() {
        oneloop::create_task(async { Err::<(), _>("unseen") }).detach();
        oneloop::yield_now().await;
    }

    assert_eq!(hour(), HOUR);
    reported();
}

#[oneloop::test(cleanup_timeout = Duration::ZERO, virtual_time, unhandled = "log")]
async fn test_takes_any_option_of_the_builder() {
    let _guard = oneloop::with_cleanup((), async |()| sleep(HOUR).await);
    sleep(HOUR).await;
}

#[oneloop::test]
async fn test_runs_on_an_event_loop() {
    assert_eq!(oneloop::create_task(ready(1)).await.unwrap(), 1);
}

#[oneloop::test(virtual_time)]
async fn an_hour_of_virtual_time_passes_at_once() {
    let start = time::now();
    sleep(HOUR).await;
    assert_eq!(time::now() - start, HOUR);
}

#[oneloop::test(crate = "oneloop", virtual_time)]
async fn test_takes_both_options() {
    sleep(HOUR).await;
}

#[oneloop::test]
async fn test_may_return_a_result() -> io::Result<()> {
    ready(Ok(())).await
}

#[oneloop::test]
#[should_panic(expected = "as it should")]
async fn test_sees_should_panic_below_it() {
    ready(()).await;
    panic!("as it should");
}

#[should_panic(expected = "as it should")]
#[oneloop::test(virtual_time)]
async fn test_sees_should_panic_above_it() {
    sleep(HOUR).await;
    panic!("as it should");
}

#[oneloop::test]
async fn test_may_await_nothing() {}

#[oneloop::test]
#[should_panic(expected = "nobody awaits it: as it should")]
async fn a_detached_task_that_panics_fails_the_test() {
    drop(oneloop::create_task(async { panic!("as it should") }));
    oneloop::yield_now().await;
}

#[oneloop::test(unhandled = "fail", virtual_time)]
#[should_panic(expected = "nobody awaits it: as it should")]
async fn a_detached_task_that_fails_late_fails_the_test() {
    let late = async {
        sleep(HOUR).await;
        Err::<(), _>("as it should")
    };
    oneloop::create_task(late).detach();
    sleep(2 * HOUR).await;
}

#[oneloop::test(unhandled = "log")]
async fn what_is_unhandled_is_only_logged_where_a_test_says_so() {
    oneloop::create_task(async { Err::<(), _>("this line belongs to a test that passes") })
        .detach();
    oneloop::yield_now().await;
}

#[test]
#[should_panic(expected = "1 unhandled")]
fn main_fails_by_what_is_unhandled_if_it_says_so() {
    #[oneloop::main(unhandled = "fail")]
    async fn fails() {
        oneloop::create_task(async { Err::<(), _>("as it should") }).detach();
        oneloop::yield_now().await;
    }
    fails();
}
