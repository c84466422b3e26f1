//! Finds call sites in the arguments of macros that are known to take expressions.
//!
//! Arguments that do not parse, or that have no call site, stay as they are.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::visit_mut::VisitMut;
use syn::{Block, Expr, Macro, Pat, Path, Stmt, Token};

use super::{Position, Tagger, ours_at};

impl Tagger<'_> {
    pub(super) fn known_macro(&mut self, mac: &mut Macro) {
        let before = self.found.written.len();
        let tokens = match name(&mac.path).as_str() {
            "join" | "try_join" => self.polled(&mac.tokens),
            "select" | "select_biased" => {
                // `select!` of the crate `futures` needs fused futures, and the future of `at` is not fused.
                let direct = !mac.path.segments[0]
                    .ident
                    .to_string()
                    .starts_with("futures");
                self.select(&mac.tokens, direct && !mac.path.is_ident("select_biased"))
            }
            "assert" | "debug_assert" => self.assert(&mac.tokens),
            // Without a message, `ensure!` prints the source of its condition, which must stay as written.
            "ensure" => self.values(&mac.tokens, 2),
            "assert_eq" | "assert_ne" | "debug_assert_eq" | "debug_assert_ne" | "bail"
            | "debug" | "eprint" | "eprintln" | "error" | "format" | "info" | "panic" | "pin"
            | "print" | "println" | "todo" | "trace" | "unimplemented" | "unreachable" | "warn"
            | "write" | "writeln" => self.values(&mac.tokens, 1),
            "vec" => self.vec(&mac.tokens),
            "matches" => self.matches(&mac.tokens),
            "stream" | "try_stream" => self.yields(&mac.tokens),
            _ => None,
        };
        if let Some(tokens) = tokens
            && self.found.written.len() > before
        {
            mac.tokens = tokens;
        } else {
            // The arguments stay as they are, so the call sites found in a part of them do not exist.
            self.found.written.truncate(before);
        }
    }

    /// `a, b, c`, which may begin with tokio's `biased;`.
    fn polled(&mut self, tokens: &TokenStream) -> Option<TokenStream> {
        let (biased, mut values) = parse(tokens, |input| Ok((biased(input)?, list(input)?)))?;
        for value in &mut values {
            self.expr(value, Position::Polled);
        }
        Some(quote!(#biased #values))
    }

    /// `a, b, c`
    fn values(&mut self, tokens: &TokenStream, at_least: usize) -> Option<TokenStream> {
        let mut values = parse(tokens, list)?;
        if values.len() < at_least {
            return None;
        }
        for value in &mut values {
            self.visit_expr_mut(value);
        }
        Some(values.into_token_stream())
    }

    /// `condition` or `condition, "message"`. Without a message, the source of the condition becomes the message, as
    /// in std.
    ///
    /// ```text
    /// in:  assert!(pool.acquire().await.is_ok())
    /// out: assert!(P::at(…, pool.acquire()).await.is_ok(),
    ///             "assertion failed: {}", stringify!(pool.acquire().await.is_ok()))
    /// ```
    fn assert(&mut self, tokens: &TokenStream) -> Option<TokenStream> {
        let mut values = parse(tokens, list)?;
        let written = values.first()?.clone();
        for value in &mut values {
            self.visit_expr_mut(value);
        }
        if values.len() > 1 {
            return Some(values.into_token_stream());
        }
        let condition = values.first()?;
        let span = ours_at(syn::spanned::Spanned::span(&written));
        Some(quote_spanned! {span=>
            #condition, "assertion failed: {}", ::core::stringify!(#written)
        })
    }

    /// `a, b` or `a; n`
    fn vec(&mut self, tokens: &TokenStream) -> Option<TokenStream> {
        let repeat = parse(tokens, |input| {
            let value: Expr = input.parse()?;
            let semicolon: Token![;] = input.parse()?;
            let count: Expr = input.parse()?;
            Ok((value, semicolon, count))
        });
        let Some((mut value, semicolon, mut count)) = repeat else {
            return self.values(tokens, 1);
        };
        self.visit_expr_mut(&mut value);
        self.visit_expr_mut(&mut count);
        Some(quote!(#value #semicolon #count))
    }

    /// `value, pattern if guard`
    fn matches(&mut self, tokens: &TokenStream) -> Option<TokenStream> {
        let (mut value, comma, pattern) = parse(tokens, |input| {
            let value: Expr = input.parse()?;
            let comma: Token![,] = input.parse()?;
            let pattern: TokenStream = input.parse()?;
            Ok((value, comma, pattern))
        })?;
        self.visit_expr_mut(&mut value);
        Some(quote!(#value #comma #pattern))
    }

    /// The body of a `stream!`, with `yield`.
    fn yields(&mut self, tokens: &TokenStream) -> Option<TokenStream> {
        let mut statements: Vec<Stmt> = parse(tokens, Block::parse_within)?;
        self.statements(&mut statements);
        Some(quote!(#(#statements)*))
    }

    fn select(&mut self, tokens: &TokenStream, direct: bool) -> Option<TokenStream> {
        let (biased, mut branches) = parse(tokens, |input| {
            let biased = biased(input)?;
            let mut branches = Vec::new();
            while !input.is_empty() {
                branches.push(input.parse::<Branch>()?);
            }
            Ok((biased, branches))
        })?;
        for branch in &mut branches {
            if let Some((_, _, future, guard)) = &mut branch.waits {
                if direct {
                    self.expr(future, Position::Polled);
                } else {
                    self.visit_expr_mut(future);
                }
                if let Some((_, _, guard)) = guard {
                    self.visit_expr_mut(guard);
                }
            }
            self.visit_expr_mut(&mut branch.handler);
        }
        Some(quote!(#biased #(#branches)*))
    }
}

/// A branch of `select!`: `pattern = future, if guard => handler,`, or one with only `else`, `complete` or `default`
/// before the arrow.
struct Branch {
    word: Option<Ident>,
    waits: Option<(Pat, Token![=], Expr, Option<Guard>)>,
    arrow: Token![=>],
    handler: Expr,
    comma: Option<Token![,]>,
}

type Guard = (Token![,], Token![if], Expr);

impl Parse for Branch {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let (word, waits) = if input.peek2(Token![=>]) {
            (Some(input.call(syn::ext::IdentExt::parse_any)?), None)
        } else {
            let pattern = Pat::parse_multi_with_leading_vert(input)?;
            let equals = input.parse()?;
            let future = input.parse()?;
            let guard = if input.peek(Token![,]) {
                Some((input.parse()?, input.parse()?, input.parse()?))
            } else {
                None
            };
            (None, Some((pattern, equals, future, guard)))
        };
        Ok(Branch {
            word,
            waits,
            arrow: input.parse()?,
            handler: Expr::parse_with_earlier_boundary_rule(input)?,
            comma: input.parse()?,
        })
    }
}

impl ToTokens for Branch {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.word.to_tokens(tokens);
        if let Some((pattern, equals, future, guard)) = &self.waits {
            quote!(#pattern #equals #future).to_tokens(tokens);
            if let Some((comma, word, guard)) = guard {
                quote!(#comma #word #guard).to_tokens(tokens);
            }
        }
        let (arrow, handler, comma) = (&self.arrow, &self.handler, &self.comma);
        quote!(#arrow #handler #comma).to_tokens(tokens);
    }
}

fn name(path: &Path) -> String {
    let last = path.segments.last();
    last.map(|last| last.ident.to_string()).unwrap_or_default()
}

fn parse<T>(tokens: &TokenStream, parser: impl Fn(ParseStream) -> syn::Result<T>) -> Option<T> {
    parser.parse2(tokens.clone()).ok()
}

fn list(input: ParseStream) -> syn::Result<Punctuated<Expr, Token![,]>> {
    Punctuated::parse_terminated(input)
}

/// `biased;`
fn biased(input: ParseStream) -> syn::Result<Option<TokenStream>> {
    if !input.peek2(Token![;]) {
        return Ok(None);
    }
    let word: Ident = input.parse()?;
    let semicolon: TokenTree = input.parse()?;
    Ok(Some(quote!(#word #semicolon)))
}
