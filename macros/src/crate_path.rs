//! The path by which the user's crate reaches sqlx-leash.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use proc_macro_crate::{FoundCrate, crate_name};
use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::Path;

use crate::options::Options;

/// `crate = path`, or whatever name the user's `Cargo.toml` gives the crate.
#[derive(Debug)]
pub(crate) enum CratePath {
    Given(Path),
    Found(String),
}

impl CratePath {
    pub(crate) fn of(options: &Options) -> CratePath {
        match &options.krate {
            Some(path) => CratePath::Given(path.clone()),
            None => CratePath::Found(found()),
        }
    }

    /// The path as if it stood at `span`.
    pub(crate) fn root(&self, span: Span) -> TokenStream {
        match self {
            CratePath::Given(path) => path
                .to_token_stream()
                .into_iter()
                .map(|mut token| {
                    token.set_span(token.span().located_at(span));
                    token
                })
                .collect(),
            CratePath::Found(name) => {
                let name = Ident::new(name, span);
                quote_spanned!(span=> ::#name)
            }
        }
    }

    /// The path of the private module that the expansion talks to.
    pub(crate) fn private(&self, span: Span) -> TokenStream {
        let root = self.root(span);
        quote_spanned!(span=> #root::__private)
    }

    /// What panics at `place`, a word of the user's.
    ///
    /// ```text
    /// out: P::panic_here(message)
    /// ```
    pub(crate) fn panic_at(&self, place: Span) -> TokenStream {
        let ours = Span::mixed_site().located_at(place);
        // The panic is reported where the call stands, and that is the user's if its first and last tokens are. What is
        // between is ours, so that a wrong path is told once.
        let root = self.root(place);
        let panic_here = Ident::new("panic_here", place);
        let message = parenthesized(quote_spanned!(ours=> message), place);
        quote_spanned!(ours=> #root::__private::#panic_here #message)
    }

    /// `P::function(arguments)` in the very place of `written`.
    ///
    /// Errors and lints on the whole of an expression are told from its first token to its last: with the user's own
    /// spans there they are told on the user's code.
    pub(crate) fn call(
        &self,
        function: &str,
        arguments: TokenStream,
        written: &impl ToTokens,
    ) -> TokenStream {
        let (start, end) = ends(written);
        let private = self.private(start);
        let function = Ident::new(function, start);
        let arguments = parenthesized(arguments, end);
        quote_spanned!(start=> #private::#function #arguments)
    }
}

pub(crate) fn parenthesized(tokens: TokenStream, span: Span) -> Group {
    let mut group = Group::new(Delimiter::Parenthesis, tokens);
    group.set_span(span);
    group
}

/// The spans of the first and of the last token.
pub(crate) fn ends(tokens: &impl ToTokens) -> (Span, Span) {
    let mut tokens = tokens.to_token_stream().into_iter();
    let first = tokens.next();
    let start = match &first {
        Some(TokenTree::Group(group)) => group.span_open(),
        Some(token) => token.span(),
        None => Span::call_site(),
    };
    let end = match tokens.last().or(first) {
        Some(TokenTree::Group(group)) => group.span_close(),
        Some(token) => token.span(),
        None => start,
    };
    (start, end)
}

/// Reading a manifest costs more than expanding an attribute: once per package is enough. A compiler sees one package,
/// and an editor's server many.
fn found() -> String {
    static FOUND: OnceLock<Mutex<HashMap<String, String>>> = OnceLock::new();
    let manifest = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let mut found = FOUND
        .get_or_init(Mutex::default)
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let name = found
        .entry(manifest)
        .or_insert_with(|| match crate_name("sqlx-leash") {
            Ok(FoundCrate::Itself) => String::from("sqlx_leash"),
            Ok(FoundCrate::Name(name)) => name,
            // Built without cargo, or through a crate that re-exports this one.
            Err(_) => String::from("sqlx"),
        });
    name.clone()
}
