//! Locations of the user's tokens, with lines and columns counted as in `std::panic::Location`.

use proc_macro2::{Delimiter, LineColumn, Literal, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::Signature;

/// A location as tokens. The numbers have no suffix, so that lints about the form of literals do not apply.
#[derive(Debug)]
pub(crate) struct Location {
    pub(crate) file: TokenStream,
    pub(crate) line: Literal,
    pub(crate) column: Literal,
}

impl Location {
    pub(crate) fn of(span: Span) -> Location {
        let at = span.start();
        let [line, column] = [at.line, at.column + 1].map(|number| {
            let mut literal = Literal::usize_unsuffixed(number);
            literal.set_span(Span::mixed_site().located_at(span));
            literal
        });
        Location {
            file: quote_spanned!(Span::mixed_site().located_at(span)=> ::core::file!()),
            line,
            column,
        }
    }
}

/// `12:40-15:6`: the start of `from` and the end of `to`.
pub(crate) fn extent(from: Span, to: Span) -> String {
    format!("{}-{}", written(from.start()), written(to.end()))
}

/// The extent of what the user wrote in a block, closure or body.
///
/// Where another attribute has written its braces, their location is that attribute's, above the function. What the user
/// wrote then stands in a block inside, behind the function's signature, which ends at `after`.
pub(crate) fn extent_of_written(
    from: Span,
    to: Span,
    inside: &impl ToTokens,
    after: LineColumn,
) -> String {
    if from.start() >= after {
        return extent(from, to);
    }
    let mut blocks = Vec::new();
    blocks_behind(after, inside.to_token_stream(), &mut blocks);
    let first = blocks.iter().min_by_key(|(open, _)| open.start());
    let last = blocks.iter().max_by_key(|(_, close)| close.end());
    match (first, last) {
        (Some((open, _)), Some((_, close))) => extent(*open, *close),
        _ => extent(from, to),
    }
}

/// The outermost blocks among the tokens that begin behind `after`.
fn blocks_behind(after: LineColumn, tokens: TokenStream, found: &mut Vec<(Span, Span)>) {
    for token in tokens {
        if let TokenTree::Group(group) = token {
            let (open, close) = (group.span_open(), group.span_close());
            if group.delimiter() == Delimiter::Brace && open.start() >= after {
                found.push((open, close));
            } else {
                blocks_behind(after, group.stream(), found);
            }
        }
    }
}

/// Where the signature ends, as far as it is certainly the user's: behind the arguments.
pub(crate) fn end_of(signature: &Signature) -> LineColumn {
    let arguments = signature.paren_token.span.close().end();
    signature.ident.span().end().max(arguments)
}

/// `12:40`: the start of `span`.
pub(crate) fn position_of(span: Span) -> String {
    written(span.start())
}

/// `12:40`
pub(crate) fn written(at: LineColumn) -> String {
    // proc-macro2 counts columns from 0, and `std::panic::Location` from 1.
    format!("{}:{}", at.line, at.column + 1)
}
