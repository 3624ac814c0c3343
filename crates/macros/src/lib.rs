//! The attributes of oneloop: `#[oneloop::main]` and `#[oneloop::test]`.
//!
//! Use them through the crate `oneloop`, which re-exports them; this crate is an implementation
//! detail. It works on plain tokens, without syn and quote, and keeps the user's tokens wherever it
//! can. The compiler therefore reports a mistake in the body where it was written, as in any other
//! `async fn`.
//!
//! Both attributes turn
//!
//! ```ignore
//! async fn name() -> Output { body }
//! ```
//!
//! into
//!
//! ```ignore
//! fn name() -> Output {
//!     async fn name() -> Output { body }
//!     ::oneloop::Builder::new().run(name())
//! }
//! ```
//!
//! In `main`, the last line calls `::oneloop::run_main` instead, which also listens for Ctrl-C if
//! oneloop has its feature `signal`. With the option `shutdown` it calls
//! `::oneloop::signal::run_main`, so that a program without the feature does not compile.
//!
//! The body stays an `async fn`, rather than an `async` block, because only a function states its
//! return type, which `?`, `return` and `-> impl Trait` need.
//!
//! This file contains the two attributes, and writes the new function. `function.rs` reads the old
//! one, `options.rs` reads the attribute's parentheses, and `tokens.rs` helps both to read and
//! build tokens.
//!
//! The examples here are marked `ignore`, because they need the crate that depends on this one.
//! `tests/it/macros.rs` runs the same code.

mod function;
mod options;
mod tokens;

use function::Function;
use options::{Options, Signals};
use proc_macro::{Delimiter, Group, TokenStream, TokenTree};
use tokens::quote;

/// The two attributes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Attribute {
    Main,
    Test,
}

impl Attribute {
    /// The attribute as users write it, for messages.
    fn name(self) -> &'static str {
        match self {
            Self::Main => "`#[oneloop::main]`",
            Self::Test => "`#[oneloop::test]`",
        }
    }
}

/// Runs an `async fn` on an event loop of its own: the usual way to write `main`.
///
/// The function becomes an ordinary one that runs the `async fn` and returns its output. It may
/// have any name, visibility and return type, but no parameters, and it must be outside of `impl`
/// blocks. Like `oneloop::run`, it panics if called where an event loop already runs.
///
/// Attributes below this one apply to the ordinary function. Put an attribute that needs an
/// `async fn`, such as `#[tracing::instrument]`, above.
///
/// # Ctrl-C
///
/// Ctrl-C shuts the program down, as in Python's `asyncio.run`:
///
/// - The first Ctrl-C (SIGINT) drops `main` where it waits, and its cleanups run. Then all other
///   tasks are cancelled, and their cleanups run too. Then the process ends by the signal, so that
///   a shell sees how it ended.
/// - The second one cuts the cleanups short. Signals within 20 ms of each other count as one.
/// - While code runs without an `await`, the first Ctrl-C has to wait. A second one then ends the
///   process at once.
/// - If `main` becomes ready first, its output counts.
///
/// A program that listens for Ctrl-C itself, with `oneloop::signal::ctrl_c`, `shutdown` or
/// `signal`, receives it there instead, and `main` is not cancelled. Like asyncio, the attribute
/// leaves Ctrl-C alone in three cases: the signal is ignored, as in a background job; another part
/// of the process handles it (detected only on Linux); or the function runs on a thread other than
/// the main one.
///
/// # Options
///
/// - `shutdown`: SIGTERM, which service managers and containers send, acts like Ctrl-C.
/// - `no_signals`: Ctrl-C and SIGTERM end the process at once, without cleanups. This is their
///   default effect.
/// - any option of `oneloop::Builder`, written as `name = value`, or `name` alone for `true`:
///   `#[oneloop::main(cleanup_timeout = Duration::from_secs(1))]`. Put a value that has a comma
///   outside of brackets into braces.
/// - `unhandled = "fail"`: panics at the end if an error or panic went unhandled, like
///   `Builder::fail_on_unhandled`.
/// - `crate = "path"`: where to find oneloop if it is not the dependency `::oneloop`, as in
///   `#[framework::oneloop::main(crate = "framework::oneloop")]`. A relative path starts from the
///   function's module.
///
/// # Errors
///
/// Compiles only on a plain `async fn` without parameters. `const`, `unsafe`, `extern` and generic
/// functions are refused, each with a message of its own, and so are unknown options.
///
/// # Examples
///
/// ```ignore
/// use std::io;
/// use std::time::Duration;
///
/// #[oneloop::main]
/// async fn main() -> io::Result<()> {
///     let reply = oneloop::timeout(Duration::from_secs(1), async { "pong" }).await?;
///     assert_eq!(reply, "pong");
///     Ok(())
/// }
/// ```
#[proc_macro_attribute]
pub fn main(options: TokenStream, item: TokenStream) -> TokenStream {
    expand(Attribute::Main, options, item)
}

/// Makes an `async fn` a test that runs on an event loop of its own.
///
/// The function becomes what `#[oneloop::main(no_signals)]` would make of it, plus `#[test]`.
/// `#[should_panic]`, `#[ignore]` and `Result` as a return type work as in any test.
///
/// # Options
///
/// - `virtual_time`: the loop's clock does not follow real time. It stands still while tasks run,
///   and jumps to the next deadline when all of them wait. Hours of `oneloop::sleep` pass at once,
///   in the right order. Such a test reads the time with `oneloop::time::now()`, because
///   `std::time::Instant::now()` does not see the jumps.
/// - any other option of `oneloop::Builder`, written as `name = value`, or `name` alone for `true`.
/// - `unhandled = "log"`: an unhandled error or panic, such as the panic of a detached task, is
///   only logged. Without this option it makes the test panic at its end, like
///   `Builder::fail_on_unhandled`.
/// - `crate = "path"`: the same as for `#[oneloop::main]`.
///
/// # Errors
///
/// Compiles where `#[oneloop::main]` does, but not on a function that another attribute, such as
/// `#[test]`, already makes a test.
///
/// # Examples
///
/// ```ignore
/// use oneloop::{sleep, time};
/// use std::time::Duration;
///
/// #[oneloop::test(virtual_time)]
/// async fn an_hour_passes_at_once() {
///     let hour = Duration::from_secs(60 * 60);
///     let start = time::now();
///     sleep(hour).await;
///     assert_eq!(time::now() - start, hour);
/// }
/// ```
#[proc_macro_attribute]
pub fn test(options: TokenStream, item: TokenStream) -> TokenStream {
    expand(Attribute::Test, options, item)
}

/// Writes the new function. After a mistake the function keeps its name and return type, so that
/// the compiler does not also report a missing `main`. It loses its attributes, because they might
/// complain as well.
fn expand(attribute: Attribute, options: TokenStream, item: TokenStream) -> TokenStream {
    let function = match Function::parse(attribute, item) {
        Ok(function) => function,
        Err(error) => return error.into_tokens(),
    };
    let checked = function.check(attribute).and_then(|()| Options::parse(attribute, options));
    let (attributes, body) = match checked {
        Ok(options) => {
            let test =
                if attribute == Attribute::Test { "#[::core::prelude::v1::test]" } else { "" };
            let attributes = [quote(test, &[]), function.attributes.clone()];
            (attributes.into_iter().collect(), run(&function, attribute, options))
        }
        Err(error) => (TokenStream::new(), error.into_tokens()),
    };
    let mut braces = Group::new(Delimiter::Brace, body);
    braces.set_span(function.body.span());
    quote(
        "ATTRIBUTES VISIBILITY FN NAME() OUTPUT BODY",
        &[
            ("ATTRIBUTES", attributes),
            ("VISIBILITY", function.visibility),
            ("FN", function.keyword.into()),
            ("NAME", function.name.into()),
            ("OUTPUT", function.output),
            ("BODY", TokenTree::from(braces).into()),
        ],
    )
}

/// Writes the new function's body: the old function, and the call that runs it.
///
/// The token `async fn` is written here instead of taken from the user, so that lints look only at
/// the outer function. Otherwise some would complain about a test that awaits nothing.
fn run(function: &Function, attribute: Attribute, options: Options) -> TokenStream {
    let run = match (attribute, options.signals) {
        (Attribute::Test, _) | (Attribute::Main, Signals::None) => {
            "ONELOOP::Builder::new() OPTIONS .run(NAME())"
        }
        (Attribute::Main, Signals::CtrlC) => {
            "ONELOOP::run_main(ONELOOP::Builder::new() OPTIONS, false, NAME())"
        }
        (Attribute::Main, Signals::Shutdown) => {
            "ONELOOP::signal::run_main(ONELOOP::Builder::new() OPTIONS, true, NAME())"
        }
    };
    quote(
        &format!("async fn NAME() OUTPUT BODY {run}"),
        &[
            ("NAME", function.name.clone().into()),
            ("OUTPUT", function.output.clone()),
            ("BODY", function.body.clone().into()),
            ("ONELOOP", options.oneloop),
            ("OPTIONS", options.builder),
        ],
    )
}
