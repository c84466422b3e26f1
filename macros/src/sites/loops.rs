//! The loops and closures of a body: what repeats the expressions in it.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::{Expr, ExprForLoop};

use super::ours_at;
use crate::crate_path::ends;
use crate::location::{extent, position_of};

/// A loop or a closure as the expansion records it, `("for", [line, column], extent, given)`: its first word, where that
/// stands, the part that is repeated, and whether the rounds work on what was there before the first of them.
///
/// The head of a `for` is evaluated once, that of a `while` each time.
pub(super) fn repeated(expr: &Expr) -> Option<TokenStream> {
    let (word, at, from, to, given) = match expr {
        Expr::ForLoop(each) => {
            let body = each.body.brace_token.span;
            let at = each.for_token.span;
            ("for", at, body.open(), body.close(), works_on_each(each))
        }
        Expr::While(repeated) => {
            let at = repeated.while_token.span;
            let end = repeated.body.brace_token.span.close();
            let head = repeated.cond.to_token_stream();
            ("while", at, at, end, !has(head, |word| word == "await"))
        }
        Expr::Loop(repeated) => {
            let body = repeated.body.brace_token.span;
            let at = repeated.loop_token.span;
            ("loop", at, body.open(), body.close(), false)
        }
        Expr::Closure(closure) => {
            let (from, to) = ends(expr);
            ("|", closure.or1_token.span, from, to, true)
        }
        _ => return None,
    };
    Some(tokens(word, at, &extent(from, to), given))
}

fn tokens(word: &str, at: Span, extent: &TokenStream, given: bool) -> TokenStream {
    let place = position_of(at);
    quote_spanned!(ours_at(at)=> (#word, #place, #extent, #given))
}

/// Whether the body of a `for` uses what each round is given. Without that, a round may go on from the one before.
fn works_on_each(each: &ExprForLoop) -> bool {
    let mut names = Vec::new();
    has(each.pat.to_token_stream(), |word| {
        names.push(word);
        false
    });
    // Types and variants are no names of values.
    names.retain(|name| name.starts_with(|c: char| c.is_lowercase()));
    has(each.body.to_token_stream(), |word| {
        names.contains(&word) || names.iter().any(|name| word.contains(&format!("{{{name}")))
    })
}

/// Whether `is_it` is true of a word or a literal. A literal may be a format that names values.
fn has(tokens: TokenStream, mut is_it: impl FnMut(String) -> bool) -> bool {
    fn search(tokens: TokenStream, is_it: &mut dyn FnMut(String) -> bool) -> bool {
        tokens.into_iter().any(|token| match token {
            TokenTree::Ident(word) => is_it(word.to_string()),
            TokenTree::Literal(literal) => is_it(literal.to_string()),
            TokenTree::Group(group) => search(group.stream(), is_it),
            TokenTree::Punct(_) => false,
        })
    }
    search(tokens, &mut is_it)
}
