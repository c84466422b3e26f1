//! Locations of the user's tokens, with lines and columns counted as in `std::panic::Location`.

use proc_macro2::{LineColumn, Literal, Span, TokenStream};
use quote::quote_spanned;

/// A location as tokens. The numbers have no suffix, so that lints about the form of literals do not apply.
#[derive(Debug)]
pub(crate) struct Location {
    pub(crate) file: TokenStream,
    pub(crate) line: Literal,
    pub(crate) column: Literal,
}

impl Location {
    pub(crate) fn of(span: Span) -> Location {
        let [line, column] = numbers(span, span.start());
        Location {
            file: quote_spanned!(Span::mixed_site().located_at(span)=> ::core::file!()),
            line,
            column,
        }
    }
}

/// `[line, column, line, column]`: the start of `from` and the end of `to`.
pub(crate) fn extent(from: Span, to: Span) -> TokenStream {
    let [from_line, from_column] = numbers(from, from.start());
    let [to_line, to_column] = numbers(to, to.end());
    quote_spanned! {Span::mixed_site().located_at(from)=>
        [#from_line, #from_column, #to_line, #to_column]
    }
}

/// `[line, column]`: the start of `span`.
pub(crate) fn position_of(span: Span) -> TokenStream {
    let [line, column] = numbers(span, span.start());
    quote_spanned!(Span::mixed_site().located_at(span)=> [#line, #column])
}

fn numbers(span: Span, at: LineColumn) -> [Literal; 2] {
    // proc-macro2 counts columns from 0, and `std::panic::Location` from 1.
    [at.line, at.column + 1].map(|number| {
        let mut literal = Literal::usize_unsuffixed(number);
        literal.set_span(Span::mixed_site().located_at(span));
        literal
    })
}
