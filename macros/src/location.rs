//! Where a token of the user's stands, as `std::panic::Location` would say it.

use proc_macro2::{Literal, Span, TokenStream};
use quote::quote_spanned;

/// Tokens for the file, and numbers without suffix so that no lint on their form can object.
#[derive(Debug)]
pub(crate) struct Location {
    pub(crate) file: TokenStream,
    pub(crate) line: Literal,
    pub(crate) column: Literal,
}

impl Location {
    pub(crate) fn of(span: Span) -> Location {
        let start = span.start();
        let number = |number: usize| {
            let mut literal = Literal::usize_unsuffixed(number);
            literal.set_span(Span::mixed_site().located_at(span));
            literal
        };
        Location {
            file: quote_spanned!(Span::mixed_site().located_at(span)=> ::core::file!()),
            line: number(start.line),
            // proc-macro2 counts columns from 0, and everybody else from 1.
            column: number(start.column + 1),
        }
    }
}
