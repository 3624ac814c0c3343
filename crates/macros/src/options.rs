//! The options that users write in the attribute's parentheses.

use crate::Attribute;
use crate::tokens::{Error, Rest, is, quote, with_span};
use proc_macro::{Span, TokenStream, TokenTree};
use std::iter;

/// The parsed options.
pub(crate) struct Options {
    /// The path to the crate oneloop.
    pub(crate) oneloop: TokenStream,
    /// Calls of methods of `oneloop::Builder`, such as `.virtual_time(true)`.
    pub(crate) builder: TokenStream,
    pub(crate) signals: Signals,
}

/// Which signals cancel main.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signals {
    /// None: each signal has its default effect.
    None,
    CtrlC,
    /// Ctrl-C and SIGTERM.
    Shutdown,
}

impl Options {
    pub(crate) fn parse(attribute: Attribute, options: TokenStream) -> Result<Self, Error> {
        // A later option overrides this default.
        let builder = match attribute {
            Attribute::Main => TokenStream::new(),
            Attribute::Test => quote(".fail_on_unhandled(true)", &[]),
        };
        let oneloop = quote("::oneloop", &[]);
        let mut parsed = Self { oneloop, builder, signals: Signals::CtrlC };
        let mut rest = Rest::new(options);
        while let Some(option) = rest.next() {
            let is_main = attribute == Attribute::Main;
            if is(&option, "crate") {
                parsed.oneloop = path(option.span(), &mut rest)?;
            } else if is(&option, "unhandled") {
                parsed.builder.extend(unhandled(option.span(), &mut rest)?);
            } else if is_main && is(&option, "shutdown") {
                parsed.set_signals(&option, Signals::Shutdown)?;
            } else if is_main && is(&option, "no_signals") {
                parsed.set_signals(&option, Signals::None)?;
            } else if let Some(message) = not_an_option(attribute, &option) {
                return Err(Error::new(option.span(), message));
            } else {
                parsed.builder.extend(call(option, &mut rest)?);
            }
            if let Some(tree) = rest.next().filter(|tree| !is(tree, ",")) {
                let message = format!("expected a comma between options, found `{tree}`");
                return Err(Error::new(tree.span(), message));
            }
        }
        Ok(parsed)
    }

    fn set_signals(&mut self, option: &TokenTree, signals: Signals) -> Result<(), Error> {
        if self.signals != Signals::CtrlC {
            let message = "`shutdown` and `no_signals` exclude each other: name one of them, once";
            return Err(Error::new(option.span(), message.to_owned()));
        }
        self.signals = signals;
        Ok(())
    }
}

/// The message for an option that cannot be one of the builder's.
fn not_an_option(attribute: Attribute, option: &TokenTree) -> Option<String> {
    let name = option.to_string();
    let hint = match name.as_str() {
        "shutdown" | "no_signals" => "only `#[oneloop::main]` listens for signals",
        "start_paused" => "virtual time is the option `virtual_time`",
        "flavor" | "worker_threads" | "core_threads" | "threaded_scheduler" => {
            "a loop has one thread; `oneloop::workers` runs a loop on each core"
        }
        _ if matches!(option, TokenTree::Ident(_)) => return None,
        _ => "an option is a name, or `name = value`",
    };
    let words = match attribute {
        Attribute::Main => "`shutdown`, `no_signals`, ",
        Attribute::Test => "",
    };
    Some(format!(
        "unknown option `{name}`: {hint}. {} knows {words}`unhandled = \"fail\"`, `crate = \"path\"` and the options of `oneloop::Builder`, such as \
         `virtual_time`",
        attribute.name()
    ))
}

/// Reads the rest of `name` or `name = value`, and turns it into `.name(true)` or `.name(value)`.
/// The value extends to the next comma. If the name or the value is wrong, the compiler reports it
/// at its place.
fn call(name: TokenTree, rest: &mut Rest) -> Result<TokenStream, Error> {
    let value = if rest.next_if(|tree| is(tree, "=")).is_some() {
        let value: TokenStream = iter::from_fn(|| rest.next_if(|tree| !is(tree, ","))).collect();
        if value.is_empty() {
            let message = format!("`{name} =` needs a value");
            return Err(Error::new(name.span(), message));
        }
        value
    } else {
        with_span(quote("true", &[]), name.span())
    };
    Ok(quote(".NAME(VALUE)", &[("NAME", name.into()), ("VALUE", value)]))
}

/// Reads `= "fail"` or `= "log"`.
fn unhandled(option: Span, rest: &mut Rest) -> Result<TokenStream, Error> {
    let value = rest.next_if(|tree| is(tree, "=")).and_then(|_| rest.next());
    let span = value.as_ref().map_or(option, TokenTree::span);
    match value.map(|value| value.to_string()).as_deref() {
        Some("\"fail\"") => Ok(quote(".fail_on_unhandled(true)", &[])),
        Some("\"log\"") => Ok(quote(".fail_on_unhandled(false)", &[])),
        _ => {
            let message = "`unhandled` is `\"fail\"`, which panics at the end, or `\"log\"`";
            Err(Error::new(span, message.to_owned()))
        }
    }
}

/// Reads `= "path"`. The path's tokens get the string's span, so that an error about a wrong path
/// points at the string.
fn path(option: Span, rest: &mut Rest) -> Result<TokenStream, Error> {
    let value = rest.next_if(|tree| is(tree, "=")).and_then(|_| rest.next());
    let span = value.as_ref().map_or(option, TokenTree::span);
    let text = value.map(|value| value.to_string()).unwrap_or_default();
    match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(text) if is_path(text) => Ok(with_span(quote(text, &[]), span)),
        _ => {
            let message =
                "`crate` needs the path of oneloop in quotes: `crate = \"other::oneloop\"`";
            Err(Error::new(span, message.to_owned()))
        }
    }
}

/// Whether `text` is one or more names with `::` between them and, perhaps, in front.
fn is_path(text: &str) -> bool {
    let is_name = |name: &str| {
        !name.starts_with(|first: char| first.is_ascii_digit())
            && !name.is_empty()
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    text.strip_prefix("::").unwrap_or(text).split("::").all(is_name)
}
