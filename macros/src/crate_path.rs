//! The path of sqlx-leash in the user's crate.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use proc_macro_crate::{FoundCrate, crate_name};
use proc_macro2::{Delimiter, Group, Ident, Punct, Spacing, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::{Expr, Path};

use crate::options::Options;

/// The path of the option `crate`, or the name of the dependency in the user's `Cargo.toml`.
#[derive(Debug)]
pub(crate) enum CratePath {
    Given(Path),
    Found(String),
}

impl CratePath {
    pub(crate) fn of(options: &Options) -> CratePath {
        match &options.krate {
            Some(path) => CratePath::Given(path.clone()),
            None => CratePath::Found(dependency_name()),
        }
    }

    /// The path, located at `span`.
    pub(crate) fn root(&self, span: Span) -> Tokens {
        match self {
            CratePath::Given(path) => {
                let tokens = path.to_token_stream().into_iter();
                let located = tokens.map(|mut token| {
                    token.set_span(token.span().located_at(span));
                    token
                });
                Tokens(located.collect())
            }
            CratePath::Found(name) => Tokens(Vec::new()).then(name, span),
        }
    }

    /// The path of the private module that the expansion calls.
    pub(crate) fn private(&self, span: Span) -> Tokens {
        self.root(span).then("__private", span)
    }

    /// A call that panics at `place`, a token of the user's.
    ///
    /// ```text
    /// out: P::panic_here(message)
    /// ```
    pub(crate) fn panic_at(&self, place: Span) -> Tokens {
        let ours = Span::mixed_site().located_at(place);
        // The location of the panic is that of the call, and is in the user's code if its first and last tokens are.
        // The tokens in between have mixed-site hygiene, so that the compiler reports a wrong path only once.
        let path = self.root(place).then("__private", ours);
        let mut call = path.separated(ours);
        call.0.push(Ident::new("panic_here", place).into());
        let message = TokenTree::Ident(Ident::new("message", ours));
        call.0.push(parenthesized(message.into(), place).into());
        call
    }

    /// `P::function(arguments)` in place of `written`.
    ///
    /// The compiler reports errors and lints about an expression from its first token to its last. These two have the
    /// spans of `written`, so that the reports point to the user's code.
    pub(crate) fn call(
        &self,
        function: &str,
        arguments: TokenStream,
        written: &impl ToTokens,
    ) -> TokenStream {
        let (start, end) = ends(written);
        self.call_between(function, arguments, start, end)
    }

    /// The same, in place of what begins and ends at tokens with these spans.
    pub(crate) fn call_between(
        &self,
        function: &str,
        arguments: TokenStream,
        start: Span,
        end: Span,
    ) -> TokenStream {
        let private = self.private(start);
        let function = Ident::new(function, start);
        let arguments = parenthesized(arguments, end);
        quote_spanned!(start=> #private::#function #arguments)
    }
}

/// A few tokens, such as a path, that go into several streams. To add a stream to another takes more time than to add the
/// tokens.
#[derive(Clone)]
pub(crate) struct Tokens(Vec<TokenTree>);

impl Tokens {
    /// The tokens with `::name` behind them.
    fn then(self, name: &str, span: Span) -> Tokens {
        let mut path = self.separated(span);
        path.0.push(Ident::new(name, span).into());
        path
    }

    /// The tokens with `::` behind them.
    fn separated(mut self, span: Span) -> Tokens {
        for spacing in [Spacing::Joint, Spacing::Alone] {
            let mut colon = Punct::new(':', spacing);
            colon.set_span(span);
            self.0.push(colon.into());
        }
        self
    }
}

impl ToTokens for Tokens {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(self.0.iter().cloned());
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

/// The span of the first token of a chain of calls. To print all of the chain for that takes time.
pub(crate) fn start_of(expr: &Expr) -> Span {
    match expr {
        Expr::MethodCall(call) => start_of(&call.receiver),
        Expr::Call(call) => start_of(&call.func),
        Expr::Field(field) => start_of(&field.base),
        Expr::Await(awaited) => start_of(&awaited.base),
        Expr::Try(tried) => start_of(&tried.expr),
        Expr::Path(path) if path.qself.is_none() => {
            match (path.path.leading_colon, &path.path.segments.first()) {
                (Some(colons), _) => colons.spans[0],
                (None, Some(first)) => first.ident.span(),
                (None, None) => Span::call_site(),
            }
        }
        expr => ends(expr).0,
    }
}

/// The name of the dependency in the manifest of the package that is being compiled.
///
/// Reading a manifest takes longer than expanding an attribute, so each is read once. A compiler expands attributes for
/// one package, the language server of an editor for many.
fn dependency_name() -> String {
    static NAMES: OnceLock<Mutex<HashMap<String, String>>> = OnceLock::new();
    let manifest = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let mut names = NAMES
        .get_or_init(Mutex::default)
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let name = names
        .entry(manifest)
        .or_insert_with(|| match crate_name("sqlx-leash") {
            Ok(FoundCrate::Itself) => String::from("sqlx_leash"),
            Ok(FoundCrate::Name(name)) => name,
            // Built without cargo, or through a crate that re-exports this one.
            Err(_) => String::from("sqlx"),
        });
    name.clone()
}
