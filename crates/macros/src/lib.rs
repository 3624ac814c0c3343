//! The attributes of oneloop: `#[oneloop::main]` and `#[oneloop::test]`.
//!
//! Use them through the crate `oneloop`, which re-exports them; this crate is an implementation detail. It works on
//! plain tokens, without syn and quote, and keeps the user's own tokens wherever it can: so a mistake in the body is
//! reported where it was written, by the compiler, as in any other `async fn`.
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
//! where `main` has `::oneloop::signal::run_main`, which also listens for Ctrl-C, in place of the last line.
//!
//! The body stays an `async fn`, rather than an `async` block, because only a function states its return type: that is
//! what `?`, `return` and `-> impl Trait` need.
//!
//! This file holds the two attributes and writes the new function. `function.rs` reads the old one, `options.rs` reads
//! what stands in the attribute's parentheses, `tokens.rs` has what all of them need to build tokens.
//!
//! The examples here are marked `ignore`, because they need the crate that depends on this one. `tests/it/macros.rs`
//! runs the same things.

mod function;
mod options;
mod tokens;

use function::Function;
use options::{Options, Signals};
use proc_macro::{Delimiter, Group, TokenStream, TokenTree};
use tokens::quote;

/// Which of the two attributes is at work.
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
/// The function becomes an ordinary one, which runs its former self and returns what that returns. It may have any name,
/// visibility and return type, but no parameters, and it must stand on its own, outside of `impl` blocks. Called where an event
/// loop already runs, it panics, like `oneloop::run`.
///
/// Attributes below this one end up on the ordinary function. One that wants to see an `async fn`, such as
/// `#[tracing::instrument]`, goes above.
///
/// # Ctrl-C
///
/// Ctrl-C ends the program in order, as in Python's `asyncio.run`:
///
/// - The first Ctrl-C (SIGINT) drops `main` where it waits. The cleanups that `main` leaves run, then all other tasks are
///   cancelled, and their cleanups run too. Then the process ends by the signal, so that a shell sees how it ended.
/// - The second one cuts the cleanups short. Signals within 20 ms of each other count as one.
/// - While code does not `await`, the first Ctrl-C can only wait. The second one then ends the process at once.
/// - If `main` is ready first, its output counts.
///
/// A program that listens for Ctrl-C itself, by `oneloop::signal::ctrl_c`, `shutdown` or `signal`, hears it there instead: `main`
/// is not cancelled. Like asyncio, the attribute leaves Ctrl-C alone where it is ignored, as in a background job, or handled by
/// another part of the process (only Linux can tell), and where the function runs on another thread than the main one.
///
/// # Options
///
/// - `shutdown`: SIGTERM, which service managers and containers send, does what Ctrl-C does.
/// - `no_signals`: Ctrl-C and SIGTERM end the process at once, without cleanups, as they do in a program that does not listen.
/// - any option of `oneloop::Builder`, as `name = value`, or `name` alone for `true`:
///   `#[oneloop::main(cleanup_timeout = Duration::from_secs(1))]`. A value with a comma outside of all brackets goes
///   into braces.
/// - `unhandled = "fail"`: panics at the end if anything was unhandled, as `Builder::fail_on_unhandled` does.
/// - `crate = "path"`: where to find oneloop, when it is not the dependency `::oneloop`, as in
///   `#[framework::oneloop::main(crate = "framework::oneloop")]`. A relative path starts from the function's module.
///
/// # Errors
///
/// Does not compile on anything but a plain `async fn` without parameters: `const`, `unsafe` and `extern` functions and
/// generic ones are refused, each with a message of its own, as are unknown options.
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
/// The function becomes what `#[oneloop::main(no_signals)]` would make of it, with `#[test]` on top. So `#[should_panic]`,
/// `#[ignore]` and `Result` as a return type mean what they mean to any test.
///
/// # Options
///
/// - `virtual_time`: the loop's clock does not follow real time. It stands still while tasks run, and jumps to the next
///   deadline when all of them wait: hours of `oneloop::sleep` pass at once, in the right order. Such a test reads the
///   time from `oneloop::time::now()`, as `std::time::Instant::now()` knows nothing of the jumps.
/// - any other option of `oneloop::Builder`, as `name = value`, or `name` alone for `true`.
/// - `unhandled = "log"`: what is unhandled, such as the panic of a detached task, only has its line in the log. Without
///   this, it fails the test: the test panics at its end, as `Builder::fail_on_unhandled` says.
/// - `crate = "path"`: as for `#[oneloop::main]`.
///
/// # Errors
///
/// Does not compile where `#[oneloop::main]` would not, nor on a function that another attribute, such as `#[test]`,
/// already makes a test.
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

/// Writes the new function. After a mistake it keeps its name and return type, so that ours is the only error and the
/// compiler does not also miss a `main`, but none of its attributes, which might complain about each other.
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
/// Here `async fn` is ours, not the user's token, so that lints look at the outer function only, and none of them minds
/// a test that awaits nothing.
fn run(function: &Function, attribute: Attribute, options: Options) -> TokenStream {
    let run = match (attribute, options.signals) {
        (Attribute::Test, _) | (Attribute::Main, Signals::None) => {
            "ONELOOP::Builder::new() OPTIONS .run(NAME())"
        }
        (Attribute::Main, Signals::CtrlC) => {
            "ONELOOP::signal::run_main(ONELOOP::Builder::new() OPTIONS, false, NAME())"
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
