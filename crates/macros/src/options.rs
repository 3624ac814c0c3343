//! What users write in the attribute's parentheses.

use crate::Attribute;
use crate::tokens::{Error, Rest, is, quote, with_span};
use proc_macro::{Span, TokenStream, TokenTree};

/// The options, read.
pub(crate) struct Options {
    /// The path to the crate oneloop.
    pub(crate) oneloop: TokenStream,
    pub(crate) virtual_time: bool,
}

impl Options {
    pub(crate) fn parse(attribute: Attribute, options: TokenStream) -> Result<Self, Error> {
        let mut parsed = Self { oneloop: quote("::oneloop", &[]), virtual_time: false };
        let mut rest = Rest::new(options);
        while let Some(option) = rest.next() {
            if is(&option, "crate") {
                parsed.oneloop = path(option.span(), &mut rest)?;
            } else if is(&option, "virtual_time") && attribute == Attribute::Test {
                parsed.virtual_time = true;
            } else {
                return Err(unknown(attribute, &option));
            }
            if let Some(tree) = rest.next().filter(|tree| !is(tree, ",")) {
                let message = format!("expected a comma between options, found `{tree}`");
                return Err(Error::new(tree.span(), message));
            }
        }
        Ok(parsed)
    }
}

fn unknown(attribute: Attribute, option: &TokenTree) -> Error {
    let known = match attribute {
        Attribute::Main => "`crate = \"path\"`",
        Attribute::Test => "`virtual_time` and `crate = \"path\"`",
    };
    let message = format!("unknown option `{option}`: {} knows {known}", attribute.name());
    Error::new(option.span(), message)
}

/// Reads `= "path"`. The path's tokens get the string's span, so that the compiler blames it if nothing is there.
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
