//! Where tokens of the user's stand, as `std::panic::Location` would say it.

use proc_macro2::{LineColumn, Literal, Span, TokenStream};
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
        let [line, column] = numbers(span, span.start());
        Location {
            file: quote_spanned!(Span::mixed_site().located_at(span)=> ::core::file!()),
            line,
            column,
        }
    }
}

/// `[line, column, line, column]`: where `from` begins and where `to` has ended.
pub(crate) fn extent(from: Span, to: Span) -> TokenStream {
    let [from_line, from_column] = numbers(from, from.start());
    let [to_line, to_column] = numbers(to, to.end());
    quote_spanned! {Span::mixed_site().located_at(from)=>
        [#from_line, #from_column, #to_line, #to_column]
    }
}

/// `[line, column]`: where `span` begins.
pub(crate) fn position_of(span: Span) -> TokenStream {
    let [line, column] = numbers(span, span.start());
    quote_spanned!(Span::mixed_site().located_at(span)=> [#line, #column])
}

fn numbers(span: Span, at: LineColumn) -> [Literal; 2] {
    // proc-macro2 counts columns from 0, and everybody else from 1.
    [at.line, at.column + 1].map(|number| {
        let mut literal = Literal::usize_unsuffixed(number);
        literal.set_span(Span::mixed_site().located_at(span));
        literal
    })
}
