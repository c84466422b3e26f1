//! Tests of the whole attribute on tokens.

mod documentation;
mod errors;
mod evidence;
mod expansion;
mod lent;
mod locations;
mod loops;
mod properties;
mod requeue;

use proc_macro2::{TokenStream, TokenTree};

use crate::attribute;
use crate::model::Mode;

/// Expands the attribute with which `source` begins.
#[track_caller]
fn expand(source: &str, mode: Mode) -> TokenStream {
    let mut tokens = source
        .parse::<TokenStream>()
        .expect("valid tokens")
        .into_iter();
    let (Some(_), Some(TokenTree::Group(track))) = (tokens.next(), tokens.next()) else {
        panic!("the source must begin with `#[track]`");
    };
    let options = match track.stream().into_iter().nth(1) {
        Some(TokenTree::Group(options)) => options.stream(),
        _ => TokenStream::new(),
    };
    attribute(options, &tokens.collect(), mode)
}

/// The expansion as rustfmt would lay it out, with `P` for the private module.
#[track_caller]
fn pretty(tokens: &str) -> String {
    let file = syn::parse_str(tokens).unwrap_or_else(|error| panic!("{error} in {tokens}"));
    prettyplease::unparse(&file).replace("::sqlx::__private::", "P::")
}

/// What an expansion writes down of a function, in rows of this kind.
#[track_caller]
fn facts<'a>(expansion: &'a str, kind: &str) -> Vec<&'a str> {
    let (_, written) = expansion.split_once("file ! () , \"").expect("a text");
    let (text, _) = written.split_once('"').expect("its end");
    let of_kind = |row: &'a str| match row.split_once(' ') {
        Some((first, rest)) => (first == kind).then_some(rest),
        None => (row == kind).then_some(""),
    };
    text.split("; ").filter_map(of_kind).collect()
}

/// The expansion in on mode, shortened: `leash!(…)` stands for the items of a function, without the extent of the
/// body and without `fn __leash`, and the `return` that never runs is left out. One test shows an expansion in full.
#[track_caller]
fn folded(source: &str) -> String {
    let mut tokens = expand(source, Mode::On).to_string();
    replace(&mut tokens, "fn __leash (", ") ;", |items| {
        let (_, written) = items.split_once("file ! () ,").expect("a location");
        let (place, rest) = written.split_once("; body ").expect("a place");
        let facts = rest.find([';', '"']).expect("the end of the extent");
        let rest = rest[facts..].trim_end_matches(") ;");
        format!("leash ! {{ {place}{rest} }}")
    });
    replace(
        &mut tokens,
        "if false { return :: sqlx :: __private :: typed",
        "() ; }",
        |_| String::new(),
    );
    pretty(&tokens)
}

/// Replaces each part of the text from a `begin` to the next `end`.
fn replace(text: &mut String, begin: &str, end: &str, with: impl Fn(&str) -> String) {
    while let Some(start) = text.find(begin) {
        let length = text[start..].find(end).expect("the end") + end.len();
        let new = with(&text[start..start + length]);
        text.replace_range(start..start + length, &new);
    }
}
