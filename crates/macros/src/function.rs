//! The function below an attribute.
//!
//! Only its outline is parsed. The tokens after the parameters are passed on unchanged.

use crate::Attribute;
use crate::tokens::{Error, Rest, is};
use proc_macro::{Delimiter, TokenStream, TokenTree};
use std::iter;

/// The parts of a function, in their order.
pub(crate) struct Function {
    pub(crate) attributes: TokenStream,
    pub(crate) visibility: TokenStream,
    /// The qualifiers before `fn`: `async`, and perhaps `const`, `unsafe`, `extern "C"`.
    qualifiers: Vec<TokenTree>,
    /// The token `fn`.
    pub(crate) keyword: TokenTree,
    pub(crate) name: TokenTree,
    parameters: TokenTree,
    /// The return type with its arrow, and the where-clause.
    pub(crate) output: TokenStream,
    /// The body with its braces.
    pub(crate) body: TokenTree,
}

impl Function {
    /// Reads a function without generic parameters. `check` is stricter.
    pub(crate) fn parse(attribute: Attribute, item: TokenStream) -> Result<Self, Error> {
        let goes_on = |what| format!("{} goes on {what}", attribute.name());
        let mut rest = Rest::new(item);
        let attributes = attributes(&mut rest);
        let visibility = visibility(&mut rest);
        let qualifiers = iter::from_fn(|| rest.next_if(|tree| !is(tree, "fn"))).collect();
        let keyword = rest.expect(|tree| is(tree, "fn"), goes_on("an `async fn` only"))?;
        let name = rest.expect(is_name, goes_on("an `async fn` only"))?;
        let parameters = rest.expect(
            |tree| is_group(tree, Delimiter::Parenthesis),
            goes_on("a function without generic parameters: remove them"),
        )?;
        let Some(body) = rest.last_if(|tree| is_group(tree, Delimiter::Brace)) else {
            return Err(Error::new(name.span(), goes_on("a function with a body: add one")));
        };
        let output = rest.into_tokens();
        Ok(Self { attributes, visibility, qualifiers, keyword, name, parameters, output, body })
    }

    /// Refuses a function that cannot be run as it is, or that is already a test.
    pub(crate) fn check(&self, attribute: Attribute) -> Result<(), Error> {
        let name = attribute.name();
        let error = |span, message: &str| Err(Error::new(span, format!("{name} {message}")));
        if !self.qualifiers.iter().any(|tree| is(tree, "async")) {
            let message = "goes on an `async fn`: this function is not `async`";
            return error(self.keyword.span(), message);
        }
        if let Some(other) = self.qualifiers.iter().find(|tree| !is(tree, "async")) {
            let message = format!("goes on a plain `async fn`: remove `{other}`");
            return error(other.span(), &message);
        }
        if self.parameters.to_string() != "()" {
            let message = "goes on a function without parameters: remove them";
            return error(self.parameters.span(), message);
        }
        let other_test = self.attributes.clone().into_iter().find(is_test);
        if let (Attribute::Test, Some(other_test)) = (attribute, other_test) {
            let message = "makes this function a test by itself: remove this attribute";
            return error(other_test.span(), message);
        }
        Ok(())
    }
}

fn attributes(rest: &mut Rest) -> TokenStream {
    let mut attributes = Vec::new();
    while let Some(hash) = rest.next_if(|tree| is(tree, "#")) {
        attributes.push(hash);
        attributes.extend(rest.next_if(|tree| is_group(tree, Delimiter::Bracket)));
    }
    attributes.into_iter().collect()
}

fn visibility(rest: &mut Rest) -> TokenStream {
    let public = rest.next_if(|tree| is(tree, "pub"));
    let scope = rest.next_if(|tree| public.is_some() && is_group(tree, Delimiter::Parenthesis));
    public.into_iter().chain(scope).collect()
}

fn is_name(tree: &TokenTree) -> bool {
    matches!(tree, TokenTree::Ident(_))
}

fn is_group(tree: &TokenTree, delimiter: Delimiter) -> bool {
    matches!(tree, TokenTree::Group(group) if group.delimiter() == delimiter)
}

/// Whether this is the bracket of an attribute called `test`, from any crate, such as
/// `[tokio::test]`.
fn is_test(tree: &TokenTree) -> bool {
    let TokenTree::Group(bracket) = tree else { return false };
    let mut rest = Rest::new(bracket.stream());
    let path = iter::from_fn(|| rest.next_if(|tree| is(tree, ":") || is_name(tree)));
    path.last().is_some_and(|name| is(&name, "test"))
}
