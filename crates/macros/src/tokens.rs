//! Helpers to read and build tokens. They know nothing of functions, attributes or oneloop.

use proc_macro::{Delimiter, Group, Literal, Span, TokenStream, TokenTree};
use std::collections::VecDeque;

/// A mistake of the user: a message that says what to do, and the tokens to blame.
pub(crate) struct Error {
    span: Span,
    message: String,
}

impl Error {
    pub(crate) fn new(span: Span, message: String) -> Self {
        Self { span, message }
    }

    /// The error as code that does not compile. It is valid as an item and as the body of a
    /// function.
    pub(crate) fn into_tokens(self) -> TokenStream {
        let message = TokenTree::from(Literal::string(&self.message)).into();
        let error = quote("::core::compile_error! { MESSAGE }", &[("MESSAGE", message)]);
        with_span(error, self.span)
    }
}

/// Returns the template's tokens, with each of the upper-case `words` replaced by its tokens.
///
/// The template's own tokens have the attribute's span. Replacements keep theirs.
pub(crate) fn quote(template: &str, words: &[(&str, TokenStream)]) -> TokenStream {
    let template = template.parse().expect("the templates of this crate are Rust tokens");
    replace(template, words)
}

fn replace(template: TokenStream, words: &[(&str, TokenStream)]) -> TokenStream {
    let mut tokens = TokenStream::new();
    for tree in template {
        if let TokenTree::Group(group) = tree {
            let inside = replace(group.stream(), words);
            tokens.extend([TokenTree::from(Group::new(group.delimiter(), inside))]);
        } else if let Some((_, replacement)) = words.iter().find(|(word, _)| is(&tree, word)) {
            tokens.extend(replacement.clone());
        } else {
            tokens.extend([tree]);
        }
    }
    tokens
}

/// Returns the same tokens with the span `span`, except those inside groups.
pub(crate) fn with_span(tokens: TokenStream, span: Span) -> TokenStream {
    let respan = |mut tree: TokenTree| {
        tree.set_span(span);
        tree
    };
    tokens.into_iter().map(respan).collect()
}

/// Whether the token is this word or punctuation mark.
pub(crate) fn is(tree: &TokenTree, text: &str) -> bool {
    matches!(tree, TokenTree::Ident(_) | TokenTree::Punct(_)) && tree.to_string() == text
}

/// The tokens that are still to be read, front first.
///
/// Its methods open the invisible groups that `macro_rules!` puts around its substitutions, so the
/// rest of the crate never sees them.
pub(crate) struct Rest(VecDeque<TokenTree>);

impl Rest {
    pub(crate) fn new(tokens: TokenStream) -> Self {
        Self(tokens.into_iter().collect())
    }

    pub(crate) fn into_tokens(self) -> TokenStream {
        self.0.into_iter().collect()
    }

    /// Takes the next token.
    pub(crate) fn next(&mut self) -> Option<TokenTree> {
        self.next_if(|_| true)
    }

    /// Takes the next token if it is wanted.
    pub(crate) fn next_if(&mut self, wanted: impl Fn(&TokenTree) -> bool) -> Option<TokenTree> {
        while let Some(mut inside) = self.0.front().and_then(invisible) {
            self.0.pop_front();
            inside.0.append(&mut self.0);
            *self = inside;
        }
        if self.0.front().is_some_and(wanted) { self.0.pop_front() } else { None }
    }

    /// Takes the next token if it is wanted, or blames it.
    pub(crate) fn expect(
        &mut self,
        wanted: impl Fn(&TokenTree) -> bool,
        message: String,
    ) -> Result<TokenTree, Error> {
        let next = self.next_if(wanted);
        let blamed = || self.0.front().map_or_else(Span::call_site, TokenTree::span);
        next.ok_or_else(|| Error::new(blamed(), message))
    }

    /// Takes the last token if it is wanted.
    pub(crate) fn last_if(&mut self, wanted: impl Fn(&TokenTree) -> bool) -> Option<TokenTree> {
        while let Some(mut inside) = self.0.back().and_then(invisible) {
            self.0.pop_back();
            self.0.append(&mut inside.0);
        }
        if self.0.back().is_some_and(wanted) { self.0.pop_back() } else { None }
    }
}

/// The tokens inside, if this is an invisible group.
fn invisible(tree: &TokenTree) -> Option<Rest> {
    let TokenTree::Group(group) = tree else { return None };
    (group.delimiter() == Delimiter::None).then(|| Rest::new(group.stream()))
}
